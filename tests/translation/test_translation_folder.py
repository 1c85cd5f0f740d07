"""The translation folder: what is written is read again, subsets are added, samples are whole."""

from __future__ import annotations

import hashlib
import json
import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from translation_folders import ENGLISH, MADE_BY, TOPICS, rewrite

from mteb_hybrid.errors import TranslationError
from mteb_hybrid.translation import LITE, Provenance, Sample, TranslationFolder, sample_topics, write_translations


class TestRoundTrip:
    def test_read_what_was_written(self, folder: Path) -> None:
        """Translations, provenance and quality come back as they were, with line separators inside a text too."""
        opened = TranslationFolder.open(folder)
        assert opened.subsets() == ("en-sw",)
        assert opened.read("en-sw", TOPICS) == ENGLISH
        assert opened.provenance == MADE_BY
        assert opened.quality == {"en-sw": {"empty": 0.0, "wrong_language": None}}

    def test_layout(self, folder: Path) -> None:
        """Manifest and rows are as documented, and nothing else is left in the folder."""
        assert sorted(path.name for path in folder.iterdir()) == ["en-sw.jsonl", "translations.json"]
        data = (folder / "en-sw.jsonl").read_bytes()
        assert json.loads(data.split(b"\n")[0]) == {"_id": "12", "text": ENGLISH["12"], "source": TOPICS["12"]}
        assert json.loads((folder / "translations.json").read_text(encoding="utf-8")) == {
            "format": 1,
            "collection": "miracl",
            "dataset_revision": "d1",
            "split": "dev",
            "model": "someone/model",
            "revision": "r1",
            "decoding": {"num_beams": 4, "prefix": None},
            "sampled": None,
            "files": {"en-sw.jsonl": {"sha256": hashlib.sha256(data).hexdigest(), "queries": 3}},
            "quality": {"en-sw": {"empty": 0.0, "wrong_language": None}},
        }

    def test_light(self) -> None:
        """Reading translations loads neither torch nor transformers, datasets or the hub's client."""
        script = (
            "import sys, mteb_hybrid.translation\n"
            "print([name for name in ('torch', 'transformers', 'datasets', 'huggingface_hub') if name in sys.modules])"
        )
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == "[]"


class TestSample:
    def test_depends_on_the_set_alone(self) -> None:
        """The same ids in any order, the same sample; it is sorted and has no id twice."""
        ids = [str(number) for number in range(500)]
        drawn = sample_topics(ids, 100, seed=0)
        shuffled = random.Random(1).sample(ids, k=500)
        assert sample_topics(dict.fromkeys(shuffled, "text"), 100, seed=0) == drawn
        assert list(drawn) == sorted(set(drawn))
        assert len(drawn) == 100
        assert set(drawn) <= set(ids)

    def test_by_hand(self) -> None:
        """The first ids in the order of SHA-256 of seed and id, so that no later version draws another sample."""
        ids = ["6", "8", "12", "13"]
        order = sorted(ids, key=lambda topic: hashlib.sha256(f"7:{topic}".encode()).hexdigest())
        assert sample_topics(ids, 2, seed=7) == tuple(sorted(order[:2]))
        assert sample_topics([str(n) for n in range(20)], 3) == ("15", "18", "7")  # by sha256sum

    def test_seed(self) -> None:
        """Another seed, another sample."""
        ids = [str(number) for number in range(500)]
        assert sample_topics(ids, 100, seed=0) != sample_topics(ids, 100, seed=1)

    def test_small(self) -> None:
        """All are taken where there are no more."""
        assert sample_topics(["b", "a"], 100) == ("a", "b")

    def test_sampled_folder(self, tmp_path: Path) -> None:
        """A sampled folder holds exactly the sample of all topics: read, and refused with one more or one less."""
        topics = {str(number): f"swali {number}" for number in range(30)}
        sample = Sample(queries=10, seed=0)
        english = {topic: f"question {topic}" for topic in sample_topics(topics, 10, 0)}
        made_by = replace(MADE_BY, sampled=sample)
        write_translations(tmp_path, "en-sw", english, topics, made_by)
        opened = TranslationFolder.open(tmp_path)
        assert opened.provenance.sampled == sample
        assert opened.read("en-sw", topics) == english
        dropped = next(iter(english))
        rewrite(tmp_path, lambda rows: rows.pop(0) and None)
        with pytest.raises(TranslationError, match=rf"is not the sample of 10 topics with seed 0: .* {dropped};"):
            TranslationFolder.open(tmp_path).read("en-sw", topics)
        with pytest.raises(TranslationError, match="is not the sample"):
            write_translations(tmp_path, "en-sw", {"0": "a", "1": "b"}, topics, made_by)


class TestMerging:
    def test_another_subset(self, folder: Path) -> None:
        """A second subset of the same provenance is added; the first one stays, and the identity changes."""
        before = TranslationFolder.open(folder)
        write_translations(folder, "en-bn", {"1": "Where?"}, {"1": "কোথায়?"}, MADE_BY, {"empty": 0.0})
        after = TranslationFolder.open(folder)
        assert after.subsets() == ("en-bn", "en-sw")
        assert after.files["en-sw"] == before.files["en-sw"]
        assert set(after.quality) == {"en-bn", "en-sw"}
        assert after.read("en-sw", TOPICS) == ENGLISH
        assert before.identity != after.identity

    @pytest.mark.parametrize(
        "other",
        [
            replace(MADE_BY, model="someone/else"),
            replace(MADE_BY, revision="r2"),
            replace(MADE_BY, decoding={"num_beams": 1, "prefix": None}),
            replace(MADE_BY, dataset_revision="d2"),
            replace(MADE_BY, sampled=LITE),
        ],
    )
    def test_another_provenance(self, folder: Path, other: Provenance) -> None:
        """Translations of another model, revision, decoding, data set or sample do not go into the folder."""
        before = (folder / "translations.json").read_bytes()
        with pytest.raises(TranslationError, match=r"holds translations of .*, not .*\. Choose another folder"):
            write_translations(folder, "en-bn", {"1": "Where?"}, {"1": "কোথায়?"}, other)
        assert (folder / "translations.json").read_bytes() == before
        assert not (folder / "en-bn.jsonl").exists()

    def test_identity(self, folder: Path, tmp_path: Path) -> None:
        """12 hex digits that depend on the translations: the same for a copy, another for one changed word."""
        identity = TranslationFolder.open(folder).identity
        assert len(identity) == 12
        assert int(identity, 16) >= 0
        for name, english in (("copy", ENGLISH), ("other", ENGLISH | {"6": "Where is a large port?"})):
            made = write_translations(tmp_path / name, "en-sw", english, TOPICS, MADE_BY)
            assert (made.identity == identity) == (name == "copy")
        assert TranslationFolder.open(tmp_path / "other").identity != identity


class TestWriting:
    @pytest.mark.parametrize(
        ("english", "message"),
        [
            ({"6": "Where?"}, "lacks 2 of 3 topics: 12, 8"),
            (ENGLISH | {"8": " "}, "translations of 8 are empty"),
            (ENGLISH | {"99": "What?"}, "99 are no topics"),
        ],
    )
    def test_refused(self, tmp_path: Path, english: dict[str, str], message: str) -> None:
        """What could not be read again is not written."""
        with pytest.raises(TranslationError, match=message):
            write_translations(tmp_path / "made", "en-sw", english, TOPICS, MADE_BY)
        assert not (tmp_path / "made").exists()

    @pytest.mark.parametrize("subset", ["sw", "en-en", "../en-sw", "en-swa", "EN-SW"])
    def test_no_subset(self, tmp_path: Path, subset: str) -> None:
        """A subset is two different two-letter languages."""
        with pytest.raises(TranslationError, match="is no subset"):
            write_translations(tmp_path, subset, ENGLISH, TOPICS, MADE_BY)
