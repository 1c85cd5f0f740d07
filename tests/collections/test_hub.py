"""Where a collection of the hub is read from: its pinned commit, or a folder that results are never confused with."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from miracl_standin import Sources, write_standin
from mteb.abstasks.retrieval_dataset_loaders import RetrievalDatasetLoader

from mteb_hybrid.collections.hub import HubCollection
from mteb_hybrid.collections.miracl import LANGUAGES, MIRACL, MIRACL_HARD_NEGATIVES
from mteb_hybrid.errors import CollectionError

HUB = HubCollection("mteb/MIRACLRetrieval", "9" * 40, ("sw",), "dev")


@pytest.fixture
def data(tmp_path, monkeypatch) -> Path:
    """MTEB_HYBRID_DATA, with a folder of the collection's name; caches of their own."""
    monkeypatch.setenv("MTEB_HYBRID_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("MTEB_HYBRID_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "of datasets")
    write_standin(tmp_path / "data" / "MIRACLRetrieval", ["sw"], queries=3, distractors=4, sources=Sources.made_up())
    return tmp_path / "data"


def first_text(source) -> str:
    loader = RetrievalDatasetLoader(source.path, source.revision, split="dev", config="sw")
    return loader.load()["queries"]["text"][0]


def rewrite_first_query(folder, text):
    """Another text in the same file; nothing else of the folder changes."""
    (path,) = (folder / "MIRACLRetrieval" / "sw-queries").iterdir()
    rows = pq.read_table(path).to_pylist()
    rows[0]["text"] = text
    pq.write_table(pa.Table.from_pylist(rows), path)


def test_without_the_variable_it_is_the_hubs(monkeypatch):
    """The pinned address, nothing to check, and the cache of datasets as it is."""
    monkeypatch.delenv("MTEB_HYBRID_DATA", raising=False)
    source = HUB.source()
    assert (source.path, source.revision, source.folder) == ("mteb/MIRACLRetrieval", "9" * 40, None)
    source.check()
    before = datasets.config.HF_DATASETS_CACHE
    with source.loading():
        assert before == datasets.config.HF_DATASETS_CACHE


def test_an_empty_variable_is_no_folder(monkeypatch):
    """`MTEB_HYBRID_DATA=` is as if it were unset."""
    monkeypatch.setenv("MTEB_HYBRID_DATA", "")
    assert HUB.source().folder is None


@pytest.mark.parametrize("collection", [MIRACL, MIRACL_HARD_NEGATIVES])
def test_miracl_is_pinned(collection):
    """A whole commit, 18 languages in order, and a name that tells the full corpora from the hard negatives."""
    assert re.fullmatch("[0-9a-f]{40}", collection.revision)
    assert collection.languages == LANGUAGES == tuple(sorted(LANGUAGES))
    assert len(LANGUAGES) == 18
    assert collection.path == f"mteb/{collection.name}"
    assert MIRACL.name != MIRACL_HARD_NEGATIVES.name


def test_a_folder_has_a_revision_of_its_own(data):
    """`local-` and 12 hex digits, the same while nothing changes."""
    source = HUB.source()
    assert source.path == str(data / "MIRACLRetrieval")
    assert re.fullmatch("local-[0-9a-f]{12}", source.revision)
    assert HUB.source() == source
    source.check()


def test_any_change_of_the_folder_is_another_revision(data):
    """A file changed, grown, added, renamed or removed."""
    folder = data / "MIRACLRetrieval"
    (query,) = (folder / "sw-queries").iterdir()
    revisions = [HUB.source().revision]
    query.write_bytes(b"?" + query.read_bytes()[1:])
    revisions.append(HUB.source().revision)
    query.write_bytes(query.read_bytes() + b"more")
    revisions.append(HUB.source().revision)
    (folder / "sw-queries" / "other").write_bytes(b"")
    revisions.append(HUB.source().revision)
    (folder / "sw-queries" / "other").rename(folder / "sw-queries" / "another")
    revisions.append(HUB.source().revision)
    (folder / "README.md").unlink()
    revisions.append(HUB.source().revision)
    assert len(set(revisions)) == len(revisions)


def test_a_copy_and_a_touched_file_are_the_same_data(data):
    """Results are filed under what the folder holds, not where it lies or when it was written."""
    folder = data / "MIRACLRetrieval"
    before = HUB.source().revision
    (query,) = (folder / "sw-queries").iterdir()
    os.utime(query, ns=(1, 1))
    assert HUB.source().revision == before
    shutil.move(folder, data / "elsewhere")
    assert HubCollection("mteb/elsewhere", "1", ("sw",), "dev").source().revision == before


@pytest.mark.parametrize("there", [False, True])
def test_a_folder_that_is_none_is_said_when_it_is_read(data, there):
    """Missing, or without README.md: `source` is silent, `check` names the folder, the variable and what to do."""
    folder = data / "MIRACLRetrieval"
    shutil.rmtree(folder)
    if there:
        (folder / "sw-corpus").mkdir(parents=True)
    source = HUB.source()
    with pytest.raises(CollectionError) as caught:
        source.check()
    for word in (str(folder), "README.md", "MTEB_HYBRID_DATA", "unset"):
        assert word in str(caught.value)


def test_a_rewritten_folder_is_read_again(data):
    """One file changes and the front matter does not: the new text is read.

    The cache of `datasets` does not notice such a change, which the first half of the test shows.
    """
    before = first_text(HUB.source())
    rewrite_first_query(data, "changed once")
    assert first_text(HUB.source()) == before  # what `loading` is there for
    with HUB.source().loading():
        assert first_text(HUB.source()) == "changed once"
    rewrite_first_query(data, "changed again")
    with HUB.source().loading():
        assert first_text(HUB.source()) == "changed again"


def test_another_folder_of_the_same_name_is_not_taken_for_it(data, tmp_path, monkeypatch):
    """Two folders with the same name and front matter, and other texts."""
    shutil.copytree(data, tmp_path / "other")
    rewrite_first_query(tmp_path / "other", "of the other")
    with HUB.source().loading():
        own = first_text(HUB.source())
    monkeypatch.setenv("MTEB_HYBRID_DATA", str(tmp_path / "other"))
    with HUB.source().loading():
        assert first_text(HUB.source()) == "of the other" != own


def test_the_cache_of_datasets_is_put_back(data, tmp_path):
    """Tables lie in our cache folder below the revision; afterwards the setting is as before, after an error too."""
    before, source = datasets.config.HF_DATASETS_CACHE, HUB.source()
    with source.loading():
        first_text(source)
    assert list((tmp_path / "cache" / "tables").glob(f"{source.revision}-*/**/*.arrow"))
    assert before == datasets.config.HF_DATASETS_CACHE
    assert not list(Path(before).rglob("*.arrow"))
    with pytest.raises(RuntimeError, match="inside"), source.loading():
        raise RuntimeError("inside")
    assert before == datasets.config.HF_DATASETS_CACHE
