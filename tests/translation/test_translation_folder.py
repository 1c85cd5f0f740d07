"""The translation folder: what is written is read again, and whatever is wrong with it is said."""

from __future__ import annotations

import hashlib
import json
import random
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mteb_hybrid.errors import TranslationError
from mteb_hybrid.translation import LITE, Provenance, Sample, TranslationFolder, sample_topics, write_translations

TOPICS = {"12": "Pinokyo ilitungwa lini?", "6": "Bandari kubwa iko wapi?", "8": "Mji mkuu ni\u2028gani?"}
ENGLISH = {"12": "When was Pinocchio written?", "6": "Where is the large port?", "8": "Which is the\u2028capital?"}
MADE_BY = Provenance("someone/model", "r1", {"num_beams": 4, "prefix": None}, "d1")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with three Swahili topics in English."""
    write_translations(tmp_path / "made", "en-sw", ENGLISH, TOPICS, MADE_BY, {"empty": 0.0, "wrong_language": None})
    return tmp_path / "made"


def rewrite(folder: Path, change: Callable[[list[Any]], Any]) -> None:
    """Change the rows of en-sw.jsonl, or the whole file where a text is returned, and correct the manifest."""
    path = folder / "en-sw.jsonl"
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]
    changed = change(rows)
    text = changed if isinstance(changed, str) else "".join(json.dumps(row) + "\n" for row in rows)
    path.write_text(text, encoding="utf-8")
    entry = {"sha256": hashlib.sha256(text.encode()).hexdigest(), "queries": len(text.strip("\n").split("\n"))}
    edit(folder, lambda manifest: manifest["files"].update({"en-sw.jsonl": entry}))


def edit(folder: Path, change: Callable[[Any], Any]) -> None:
    """Change the manifest; what is returned replaces it if it is not None."""
    path = folder / "translations.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    changed = change(manifest)
    path.write_text(json.dumps(manifest if changed is None else changed), encoding="utf-8")


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


class TestReading:
    def test_missing_subset(self, folder: Path) -> None:
        """A subset that is not there: those that are, and the command that adds it."""
        with pytest.raises(
            TranslationError, match=r"no translations of en-bn; it has en-sw\. Add them with `mteb-hybr"
        ):
            TranslationFolder.open(folder).read("en-bn", {})

    def test_missing_file(self, folder: Path) -> None:
        """A file that the manifest lists and that is not there is named."""
        (folder / "en-sw.jsonl").unlink()
        with pytest.raises(TranslationError, match=r"en-sw\.jsonl cannot be read .* though the manifest lists it"):
            TranslationFolder.open(folder).read("en-sw", TOPICS)

    def test_altered_file(self, folder: Path) -> None:
        """One changed byte is noticed, both checksums are named."""
        path = folder / "en-sw.jsonl"
        path.write_bytes(path.read_bytes().replace(b"large", b"small"))
        with pytest.raises(TranslationError, match=r"its SHA-256 is [0-9a-f]{64}, expected [0-9a-f]{64}"):
            TranslationFolder.open(folder).read("en-sw", TOPICS)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda rows: "{", r"line 1: not a translation"),
            (lambda rows: "[]", r"line 1: not a translation"),
            (lambda rows: rows[1].pop("source") and None, r"line 2: not a translation \('source' is missing\)"),
            (lambda rows: rows[1].update(text=7), r"line 2: not a translation \(text is 7, not a text\)"),
            (lambda rows: rows.append(rows[0]), r"line 4: topic 12 occurs twice"),
            (lambda rows: rows[2].update(text=" \t"), r"line 3: the translation of topic 8 is empty"),
            (lambda rows: rows[0].update(source="?"), r"other topics: 1 of 3 sources differ, such as topic 12, which"),
            (lambda rows: rows[0].update(_id="99"), r"other topics: 99 are none of the 3 given"),
            (lambda rows: rows.pop() and None, r"lacks 1 of 3 topics: 8"),
        ],
    )
    def test_damaged(self, folder: Path, change: Callable[[list[Any]], Any], message: str) -> None:
        """A file whose checksum is right but whose rows are not: file, place and what is wrong."""
        rewrite(folder, change)
        with pytest.raises(TranslationError, match=rf"en-sw\.jsonl.*{message}"):
            TranslationFolder.open(folder).read("en-sw", TOPICS)

    def test_number_of_rows(self, folder: Path) -> None:
        """The manifest's number of queries must be that of the file."""
        edit(folder, lambda manifest: manifest["files"]["en-sw.jsonl"].update(queries=4))
        with pytest.raises(TranslationError, match="has 3 rows, the manifest says 4"):
            TranslationFolder.open(folder).read("en-sw", TOPICS)

    def test_part_of_the_topics(self, folder: Path) -> None:
        """With ``more_topics`` the rows of other topics are left out; sources and missing topics are still checked."""
        opened = TranslationFolder.open(folder)
        assert opened.read("en-sw", {"6": TOPICS["6"]}, more_topics=True) == {"6": ENGLISH["6"]}
        with pytest.raises(TranslationError, match="other topics"):
            opened.read("en-sw", {"6": TOPICS["6"]})
        with pytest.raises(TranslationError, match="sources differ"):
            opened.read("en-sw", {"6": "?"}, more_topics=True)
        with pytest.raises(TranslationError, match="lacks 1 of 2 topics: 99"):
            opened.read("en-sw", {"6": TOPICS["6"], "99": "?"}, more_topics=True)


class TestManifest:
    def test_no_folder(self, tmp_path: Path) -> None:
        """A folder without a manifest, or none at all: what makes one."""
        with pytest.raises(TranslationError, match=r"is not a translation folder.*mteb-hybrid translate --output"):
            TranslationFolder.open(tmp_path)

    def test_no_json(self, folder: Path) -> None:
        """A manifest that is cut off is named."""
        (folder / "translations.json").write_bytes(b'{"format": 1, "coll')
        with pytest.raises(TranslationError, match=r"translations\.json cannot be read"):
            TranslationFolder.open(folder)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda manifest: [], "it is no JSON object"),
            (lambda manifest: manifest.update(format=2), "its format is 2, this version of mteb-hybrid reads 1"),
            (lambda manifest: manifest.pop("model") and None, "'model' is missing"),
            (lambda manifest: manifest.update(revision=None), "revision is None, not a text"),
            (lambda manifest: manifest.update(decoding=[]), r"decoding is \[\], not an object"),
            (lambda manifest: manifest.update(sampled={"queries": 0, "seed": 0}), "queries is 0, not a number of 1"),
            (lambda manifest: manifest.update(sampled={"queries": 9}), "'seed' is missing"),
            (lambda manifest: manifest.update(files=None), "files is None, not an object"),
            (lambda manifest: manifest["files"].update({"../en-bn.jsonl": {}}), "is no file of a subset"),
            (lambda manifest: manifest["files"].update({"en-en.jsonl": {}}), "is no file of a subset"),
            (lambda manifest: manifest["files"]["en-sw.jsonl"].update(sha256="abc"), "'abc' is no SHA-256"),
            (lambda manifest: manifest["files"]["en-sw.jsonl"].update(queries=True), "queries is True, not a number"),
            (lambda manifest: manifest.update(quality={"en-sw": 1}), "en-sw is 1, not an object"),
            (lambda manifest: manifest.update(quality={"[/x]": {}}), r"quality has '\[/x\]', which is no subset"),
            (
                lambda manifest: manifest.update(quality={"en-sw": {"empty": "0"}}),
                "quality.en-sw.empty is '0', not a nu",
            ),
            (
                lambda manifest: manifest.update(quality={"en-sw": {"empty": True}}),
                "empty is True, not a number or null",
            ),
            (lambda manifest: manifest.update(quality={"en-sw": {"empty": 1e7}}), "which no figure can be"),
        ],
    )
    def test_malformed(self, folder: Path, change: Callable[[Any], Any], message: str) -> None:
        """A manifest that is not as it must be: its path and what is wrong."""
        edit(folder, change)
        with pytest.raises(
            TranslationError, match=rf"translations\.json is not a manifest of translations: .*{message}"
        ):
            TranslationFolder.open(folder)
