"""Names in what is read do not lead out of the folders that the user named."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from beir_folders import write_folder, write_languages
from made_tables import write

from mteb_hybrid.collections import lareqa
from mteb_hybrid.errors import CollectionError, RankTableError, TranslationError
from mteb_hybrid.export import export_runs
from mteb_hybrid.rank_table import RankTable, find_tables, read_info
from mteb_hybrid.tasks import from_beir
from mteb_hybrid.tasks.cards import Card
from mteb_hybrid.trainers.mining.folder import MiningFolder
from mteb_hybrid.translation.folder import TranslationFolder

OUTSIDE = ["../outside", "a/../../outside", "/outside", "..", "a\\..\\..\\outside", "C:\\outside", "a/b", ""]


class TestPaths:
    """Names in what is read do not lead out of the folders that the user named."""

    @pytest.mark.parametrize("split", OUTSIDE)
    def test_split_of_a_card(self, tmp_path, trace, split):
        """Judgments and rank tables are named by it."""
        folder = write_languages(tmp_path / "data")
        for place in (tmp_path, folder, folder / "en"):
            (place / "outside.tsv").write_text("query-id\tcorpus-id\tscore\nq1\ta\t1\n")
        card = Card(name="Mine", folder=str(folder), split=split or "..")
        with pytest.raises(CollectionError, match="cannot name a file"):
            card.tasks(tmp_path)

    @pytest.mark.parametrize("name", [*OUTSIDE, "a.b", "Mine/Other"])
    def test_name_of_a_card(self, tmp_path, trace, name):
        """Results are named by it."""
        with pytest.raises(CollectionError, match="cannot begin the names of tasks"):
            from_beir(name, write_languages(tmp_path), register=False)

    @pytest.mark.parametrize("language", OUTSIDE)
    def test_languages_of_a_collection(self, tmp_path, trace, language):
        """Subsets are named by them, and so are files; also with a script, and where a line says the language."""
        with pytest.raises(CollectionError):
            from_beir("Mine", {language: tmp_path}, scripts={language: "mlt-Latn"}, register=False)
        rows = [{"_id": "a", "text": "x", "language": language or ".."}]
        folder = write_folder(tmp_path / "pooled", rows, rows, [("a", "a", 1)])
        with pytest.raises(CollectionError, match="cannot name a subset"):
            from_beir("Mine", folder, scripts={language: "mlt-Latn"}, register=False)

    @pytest.mark.parametrize("name", [*OUTSIDE, "../xquad-r/de.json", "DE.json", "de.json/.."])
    @pytest.mark.parametrize("by_hand", [True, False])
    def test_files_of_a_collection(self, tmp_path, trace, monkeypatch, name, by_hand):
        """Only names with a checksum are fetched, from the data folder and from the network."""
        if by_hand:
            monkeypatch.setenv("MTEB_HYBRID_DATA", str(tmp_path))
        else:
            monkeypatch.delenv("MTEB_HYBRID_DATA", raising=False)
        with pytest.raises(CollectionError, match="xquad-r has no file"):
            lareqa.XQUAD_R_FILES.fetch(name)
        assert not (tmp_path / "cache").exists()

    @pytest.mark.parametrize(
        "name", ["../en-sw.jsonl", "/en-sw.jsonl", "en-sw/../../x.jsonl", "en-sw", "EN-sw.jsonl", "en-en.jsonl"]
    )
    def test_files_of_a_manifest(self, tmp_path, name):
        """A manifest lists files of subsets, and none elsewhere."""
        entry = {"sha256": hashlib.sha256(b"").hexdigest(), "queries": 1}
        content = {
            "format": 1, "model": "m", "revision": "1", "decoding": {}, "dataset_revision": "local", "sampled": None,
            "split": "dev", "collection": "miracl", "files": {name: entry}, "quality": {},
        }  # fmt: skip
        (tmp_path / "translations.json").write_text(json.dumps(content))
        with pytest.raises(TranslationError, match="is no file of a subset"):
            TranslationFolder.open(tmp_path)

    @pytest.mark.parametrize("key", ["subset", "split", "task"])
    @pytest.mark.parametrize("name", OUTSIDE)
    def test_rank_tables_of_others(self, tmp_path, key, name):
        """Exported runs are named by what a table says of itself: such a table is refused, and nothing written."""
        task = "MiniQARMonolingual"
        write(tmp_path / "p", "m", task, "de", np.array([[1], [2]]))
        (path,) = find_tables([tmp_path / "p"])
        table = pq.read_table(path)
        info = json.loads(table.schema.metadata[b"mteb_hybrid"])
        pq.write_table(table.replace_schema_metadata({"mteb_hybrid": json.dumps({**info, key: name})}), path)
        for read in (read_info, RankTable.read):
            with pytest.raises(RankTableError, match=f"{key} is .* which cannot name a file"):
                read(path)
        with pytest.raises(RankTableError):
            export_runs([tmp_path / "p"], task, tmp_path / "out")
        assert not (tmp_path / "out").exists()
        assert {one.name for one in tmp_path.iterdir()} == {"p"}

    def test_mined_negatives(self, tmp_path):
        """Whatever a language is called, its file lies in the folder."""
        for name in OUTSIDE:
            folder = MiningFolder(tmp_path / "mined", {})
            folder.save(name, "texts", np.array([[1]]))
            assert folder.load(name, "texts") is not None
        assert all(path.parent == tmp_path / "mined" for path in tmp_path.rglob("*.npz"))
