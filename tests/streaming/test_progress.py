"""What a pass leaves on disk: read back to the bit, or not at all."""

from __future__ import annotations

import json
import os
import time

import numpy as np
import pytest

from mteb_hybrid.counted import Ranking
from mteb_hybrid.streaming.progress import Progress, sweep
from mteb_hybrid.streaming.tally import Tally


def counted(seed=0, pairs=7, queries=3, k=5) -> Ranking:
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(queries, k))
    scores[0, -1] = -np.inf
    return Ranking(rng.integers(2**40, size=(pairs, 1)), rng.integers(-1, 2**62, size=(queries, k)), scores)


def tally(rows=10, seed=0) -> Tally:
    return Tally(np.array([[0, rows]]), counted(seed))


def equal(one: Ranking, other: Ranking) -> bool:
    names = ("above", "top_order", "top_scores")
    arrays = [(getattr(one, name), getattr(other, name)) for name in names]
    return all(a.dtype == b.dtype and np.array_equal(a, b) for a, b in arrays)


def files(folder) -> set[str]:
    return {path.name for path in folder.rglob("*") if path.is_file()}


class Explosive:
    """Refuses to be written, and leaves a trace where it is unpickled."""

    def __init__(self, trace):
        self.trace = trace

    def __reduce__(self):
        return os.mkdir, (str(self.trace),)


def test_counts_come_back_to_the_bit(tmp_path):
    """Rows, counts, positions and scores with their types; the last save of a corpus holds, corpora stay apart."""
    progress = Progress(tmp_path / "pass")
    assert progress.load("sw-1") is None
    progress.save("sw-1", tally(10, 1))
    progress.save("sw-1", tally(2**40, 2))
    progress.save("te-1", tally(5, 3))
    again = Progress(tmp_path / "pass")
    for name, rows, seed in (("sw-1", 2**40, 2), ("te-1", 5, 3)):
        found = again.load(name)
        assert found is not None
        assert found.rows.tolist() == [[0, rows]]
        assert equal(found.ranking, counted(seed))
    assert again.load("sw-2") is None


def test_anchors_come_back_to_the_bit(tmp_path):
    """Embeddings of questions and relevant passages, also where there are none of the latter."""
    progress = Progress(tmp_path / "pass")
    assert progress.load_anchors() is None
    queries = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    for relevant in (queries[:2] * 7, np.empty((0, 4), dtype=np.float32)):
        progress.save_anchors(queries, relevant)
        found = progress.load_anchors()
        assert found is not None
        assert found["queries"].dtype == found["relevant"].dtype == np.float32
        assert np.array_equal(found["queries"], queries)
        assert np.array_equal(found["relevant"], relevant)


@pytest.mark.parametrize("keep", [0, 1, 100, -1])
def test_a_truncated_file_is_counted_anew(tmp_path, keep, caplog):
    """Whatever is cut off, nothing is loaded and a warning names the file; saving again heals it."""
    progress = Progress(tmp_path)
    progress.save("sw", tally(10))
    whole = (tmp_path / "sw.npz").read_bytes()
    (tmp_path / "sw.npz").write_bytes(whole[:keep])
    assert progress.load("sw") is None
    assert "sw.npz" in caplog.text
    assert "counting anew" in caplog.text
    progress.save("sw", tally(10))
    assert progress.load("sw") is not None


def test_every_flipped_byte_is_noticed_or_harmless(tmp_path):
    """A bit error somewhere in the file never gives other counts: it is refused, or what is read is the same."""
    progress = Progress(tmp_path)
    progress.save("sw", tally(10))
    whole = (tmp_path / "sw.npz").read_bytes()
    refused = 0
    for place in range(0, len(whole), 7):
        (tmp_path / "sw.npz").write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
        found = progress.load("sw")
        refused += found is None
        assert found is None or (found.size == 10 and equal(found.ranking, counted()))
    assert refused > len(whole) // 7 // 2


@pytest.mark.parametrize(
    "content",
    [
        {"rows": np.int64(3)},
        {"format": np.int64(2), "rows": np.int64(3)},
        {"format": np.int64(1), "rows": np.int64(3), "above": [[1]], "top_order": [[1]], "top_scores": [[1.0]]},
    ],
    ids=["no format", "fields missing", "another format"],
)
def test_foreign_files_are_ignored(tmp_path, content):
    """A file of another kind or another version of the format is as if it were not there."""
    np.savez(tmp_path / "sw.npz", **content)
    assert Progress(tmp_path).load("sw") is None
    (tmp_path / "sw.npz").unlink()
    (tmp_path / "sw.npz").mkdir()
    assert Progress(tmp_path).load("sw") is None


def test_nothing_is_unpickled(tmp_path):
    """A file with a pickle in it, under the right names, runs no code."""
    trace = tmp_path / "trace"
    explosive = np.array([Explosive(trace)], dtype=object)
    fields = {"format": np.int64(2), "rows": np.int64(1), "above": explosive, "top_order": explosive}
    np.savez(tmp_path / "sw.npz", **fields, top_scores=explosive)
    np.savez(tmp_path / "anchors.npz", format=np.int64(2), queries=explosive, relevant=explosive)
    assert Progress(tmp_path).load("sw") is None
    assert Progress(tmp_path).load_anchors() is None
    assert not trace.exists()


def test_nothing_half_written(tmp_path, monkeypatch):
    """If writing fails half-way the earlier file is as it was, and no other file is left."""
    progress = Progress(tmp_path)
    progress.save("sw", tally(10, 1))

    def broken(file, **arrays):
        file.write(b"half")
        raise OSError("disk full")

    with monkeypatch.context() as patched:
        patched.setattr(np, "savez", broken)
        with pytest.raises(OSError, match="disk full"):
            progress.save("sw", tally(20, 2))
        with pytest.raises(OSError, match="disk full"):
            progress.save("te", tally(20, 2))
    assert files(tmp_path) == {"sw.npz"}
    found = progress.load("sw")
    assert found is not None
    assert found.size == 10


def test_without_a_folder_nothing_is_kept(tmp_path, monkeypatch):
    """Every operation is there and does nothing."""
    monkeypatch.chdir(tmp_path)
    progress = Progress(None)
    progress.describe({"model": "m"})
    progress.save("sw", tally(10))
    progress.save_anchors(np.ones((1, 2), np.float32), np.ones((1, 2), np.float32))
    assert progress.load("sw") is None
    assert progress.load_anchors() is None
    progress.discard()
    assert not files(tmp_path)


def test_the_key_is_readable_and_all_goes_at_once(tmp_path):
    """`describe` writes JSON for people, whatever is in it; `discard` removes the folder, and again is no error."""
    progress = Progress(tmp_path / "pass")
    progress.describe({"model": "mödel", "prompts": (1, {2})})
    text = (tmp_path / "pass" / "key.json").read_text(encoding="utf-8")
    assert json.loads(text)["model"] == "mödel"
    assert "mödel" in text
    progress.save("sw", tally(10))
    progress.discard()
    progress.discard()
    assert not (tmp_path / "pass").exists()
    assert tmp_path.exists()


def test_sweep_removes_what_nobody_went_on_with(tmp_path):
    """Folders untouched for a month go; younger ones, and a root that is not there, are left alone."""
    for name in ("old", "young"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "anchors.npz").write_bytes(b"")
    month = time.time() - 31 * 24 * 3600
    os.utime(tmp_path / "old", (month, month))
    sweep(tmp_path)
    sweep(tmp_path / "missing")
    assert [path.name for path in tmp_path.iterdir()] == ["young"]


def test_taken_away_while_it_is_written(tmp_path, monkeypatch, caplog):
    """Another process that made the same pass removes the folder: nothing is noted then, and nothing fails."""
    progress = Progress(tmp_path / "pass")
    savez = np.savez

    def interrupted(file, **arrays):
        savez(file, **arrays)
        Progress(tmp_path / "pass").discard()

    with monkeypatch.context() as patched, caplog.at_level("INFO"):
        patched.setattr(np, "savez", interrupted)
        progress.save("fi", tally())
    assert "another process" in caplog.text
    assert files(tmp_path) == set()
    progress.save("fi", tally())
    found = progress.load("fi")
    assert found is not None
    assert equal(found.ranking, tally().ranking)
