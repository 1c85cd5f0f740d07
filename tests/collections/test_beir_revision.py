"""What results of users' own collections are filed under, and how often files are read for it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from beir_folders import write_english_questions, write_languages, write_pooled
from collections_of_users import _own_cache  # noqa: F401 - for every test here

from mteb_hybrid.collections import beir
from mteb_hybrid.collections.beir import BeirSource
from mteb_hybrid.errors import CollectionError


class TestRevision:
    """What results are filed under, and how often files are read for it."""

    def test_content_decides(self, tmp_path):
        """Another place or time: the same revision. Another text, split or choice of languages: another one."""
        first = write_pooled(tmp_path / "first")
        second = shutil.copytree(first, tmp_path / "second")
        os.utime(second / "corpus.jsonl", (1, 1))
        shutil.copy(second / "qrels" / "test.tsv", second / "qrels" / "dev.tsv")

        def revision(folder, **options):
            return BeirSource.of("mine", folder, **options).survey().revision

        assert revision(first) == revision(second)
        revisions = [revision(second), revision(second, split="dev"), revision(second, languages=["en"])]
        for name in ("corpus.jsonl", "queries.jsonl", "qrels/test.tsv"):
            with (second / name).open("a") as file:
                file.write("\n")
            revisions.append(revision(second))
        assert len(set(revisions)) == len(revisions)
        assert revision(second, revision="v2") == "v2"

    def test_one_folder_however_it_is_named(self, tmp_path, monkeypatch):
        """Absolute, relative, by a detour or a link: the same source."""
        write_languages(tmp_path / "data")
        (tmp_path / "cards").mkdir()
        (tmp_path / "link").symlink_to(tmp_path / "data")
        monkeypatch.chdir(tmp_path)
        names = ["data", "cards/../data", "link", tmp_path / "data"]
        assert len({BeirSource.of("mine", name) for name in names}) == 1
        assert len({BeirSource.of("mine", {"en": Path(name) / "en"}) for name in names}) == 1

    def test_counts(self, tmp_path):
        """Passages and questions of each language that is kept, as written by hand."""
        write_english_questions(tmp_path)
        assert BeirSource.of("mine", tmp_path).survey().counts == {
            "de": (1, 0), "en": (0, 2), "fr": (2, 0), "ru": (1, 0),
        }  # fmt: skip
        assert BeirSource.of("mine", tmp_path, languages=["en", "fr"]).survey().counts == {"en": (0, 2), "fr": (2, 0)}

    def test_files_are_read_once_for_each_state(self, tmp_path, monkeypatch):
        """Until a file changes nothing is read again; then it is, and is found at fault if it is."""
        monkeypatch.setattr(beir, "_SETTLED", -1e9)
        source = BeirSource.of("mine", write_pooled(tmp_path))
        first = source.survey()
        with monkeypatch.context() as patched:
            patched.setattr(beir, "read_parts", None)
            assert source.survey() == first
        (tmp_path / "corpus.jsonl").write_text("nothing\n")
        with pytest.raises(CollectionError, match="is not JSON"):
            source.survey()

    def test_a_file_that_has_just_changed_is_read_again(self, tmp_path):
        """Its next change could leave size and time as they are."""
        source = BeirSource.of("mine", write_pooled(tmp_path))
        source.survey()
        assert not (tmp_path / "cache").exists()

    def test_a_damaged_cache_costs_time_only(self, tmp_path, monkeypatch):
        """What is no survey is made again."""
        monkeypatch.setattr(beir, "_SETTLED", -1e9)
        source = BeirSource.of("mine", write_pooled(tmp_path))
        first = source.survey()
        (kept,) = (tmp_path / "cache" / "beir").iterdir()
        for content in ("", "[]", '{"revision": "1"}'):
            kept.write_text(content)
            assert source.survey() == first

    def test_a_cache_that_cannot_be_written_costs_time_only(self, tmp_path, monkeypatch):
        """A file is where the cache folder should be."""
        monkeypatch.setattr(beir, "_SETTLED", -1e9)
        (tmp_path / "cache").write_text("")
        assert BeirSource.of("mine", write_pooled(tmp_path)).survey().languages == ("de", "en")
