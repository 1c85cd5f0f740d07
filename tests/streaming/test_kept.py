"""Kept embeddings: the very rows that were asked for, or none."""

from __future__ import annotations

import os

import numpy as np
import pytest

from mteb_hybrid.streaming.kept import KEEP_VARIABLE, KeptEmbeddings, keeps_embeddings


def embeddings(rows=4, seed=0):
    return np.random.default_rng(seed).normal(size=(rows, 3)).astype(np.float32)


def only_file(folder):
    (path,) = folder.iterdir()
    return path


def test_they_come_back_to_the_bit(tmp_path):
    """Rows from start to stop, float32, each range in its own file; the last ones saved hold."""
    kept = KeptEmbeddings(tmp_path / "corpus")
    kept.save(0, 4, embeddings(seed=1))
    kept.save(0, 4, embeddings())
    kept.save(4, 6, embeddings(2, seed=2))
    found = KeptEmbeddings(tmp_path / "corpus").load(0, 4)
    assert found is not None
    assert found.dtype == np.float32
    assert np.array_equal(found, embeddings())
    rest = kept.load(4, 6)
    assert rest is not None
    assert np.array_equal(rest, embeddings(2, seed=2))


@pytest.mark.parametrize(("start", "stop"), [(0, 3), (0, 5), (1, 4), (4, 8)])
def test_other_rows_are_not_there(tmp_path, start, stop):
    """A range that overlaps a kept one, as after a change of the chunk size, is encoded anew."""
    kept = KeptEmbeddings(tmp_path)
    kept.save(0, 4, embeddings())
    assert kept.load(start, stop) is None


def test_changing_what_was_loaded_does_not_change_the_file(tmp_path):
    """The array is memory-mapped, may be written to, and is private."""
    kept = KeptEmbeddings(tmp_path)
    kept.save(0, 4, embeddings())
    found = kept.load(0, 4)
    assert isinstance(found, np.memmap)
    found[:] = 0
    again = kept.load(0, 4)
    assert again is not None
    assert np.array_equal(again, embeddings())


@pytest.mark.parametrize("keep", [0, 5, 60, 130, -1])
def test_a_truncated_file_is_ignored(tmp_path, keep):
    """Cut off in the header or in the numbers: as if it were not there; saving again heals it."""
    kept = KeptEmbeddings(tmp_path)
    kept.save(0, 4, embeddings())
    path = only_file(tmp_path)
    path.write_bytes(path.read_bytes()[:keep])
    assert kept.load(0, 4) is None
    kept.save(0, 4, embeddings())
    assert kept.load(0, 4) is not None


@pytest.mark.parametrize(
    "foreign",
    [embeddings(3), embeddings()[0], embeddings().astype(np.float64), np.array(["a", "b", "c", "d"])],
    ids=["other rows", "one dimension", "float64", "text"],
)
def test_foreign_files_are_ignored(tmp_path, foreign):
    """A file of another shape or type under the right name."""
    kept = KeptEmbeddings(tmp_path)
    kept.save(0, 4, embeddings())
    np.save(only_file(tmp_path), foreign)
    assert kept.load(0, 4) is None


def test_nothing_is_unpickled(tmp_path):
    """A pickle under the right name, bare or in numpy's format, runs no code."""
    trace = tmp_path / "trace"

    class Explosive:
        def __reduce__(self):
            return os.mkdir, (str(trace),)

    kept = KeptEmbeddings(tmp_path / "corpus")
    kept.save(0, 4, embeddings())
    path = only_file(tmp_path / "corpus")
    np.save(path, np.array([Explosive()] * 4, dtype=object), allow_pickle=True)
    assert kept.load(0, 4) is None
    import pickle

    path.write_bytes(pickle.dumps(Explosive()))
    assert kept.load(0, 4) is None
    assert not trace.exists()


def test_nothing_half_written(tmp_path, monkeypatch):
    """If writing fails half-way the earlier file is as it was, and no other file is left."""
    kept = KeptEmbeddings(tmp_path)
    kept.save(0, 4, embeddings())

    def broken(file, header):
        file.write(b"half")
        raise OSError("disk full")

    with monkeypatch.context() as patched:
        patched.setattr(np.lib.format, "write_array_header_1_0", broken)
        for start in (0, 4):
            with pytest.raises(OSError, match="disk full"):
                kept.save(start, start + 4, embeddings(seed=1))
    found = kept.load(0, 4)
    assert found is not None
    assert np.array_equal(found, embeddings())
    only_file(tmp_path)


def test_without_a_folder_nothing_is_kept(tmp_path, monkeypatch):
    """Saving does nothing, and nothing is found."""
    monkeypatch.chdir(tmp_path)
    kept = KeptEmbeddings(None)
    kept.save(0, 4, embeddings())
    assert kept.load(0, 4) is None
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("value", "keeps"), [(None, False), ("", False), ("0", False), (" 0 ", False), ("1", True), ("yes", True)]
)
def test_the_variable(value, keeps, monkeypatch):
    """Nothing is kept unless the user asks for it."""
    if value is None:
        monkeypatch.delenv(KEEP_VARIABLE, raising=False)
    else:
        monkeypatch.setenv(KEEP_VARIABLE, value)
    assert keeps_embeddings() is keeps
