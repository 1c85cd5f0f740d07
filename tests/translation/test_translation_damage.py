"""Translation files and manifests that are damaged, or of other topics, are refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from translation_folders import ENGLISH, TOPICS, edit, rewrite

from mteb_hybrid.errors import TranslationError
from mteb_hybrid.translation import TranslationFolder


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
