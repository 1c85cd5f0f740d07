"""What lies in MTEB's cache, and what the task's data is now: nothing of other data is served, mixed or lost."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import datasets
import mteb
import pytest
from encoders import CountingEncoder, hashed_vector, named_meta
from miracl_runs import Monolingual, Pooled, evaluate, write_data
from miracl_standin import Sources, write_standin

from mteb_hybrid.errors import CollectionError


@pytest.fixture(scope="module")
def copies(tmp_path_factory):
    """Two states of the data: other distractors."""
    folder = tmp_path_factory.mktemp("copies")
    write_data(folder / "one")
    write_standin(
        folder / "two" / "MIRACLRetrieval", ("fi", "sw", "te"), queries=10, distractors=60, sources=Sources.made_up()
    )
    return folder


@pytest.fixture(autouse=True)
def folders(copies, tmp_path, monkeypatch):
    monkeypatch.setenv("MTEB_HYBRID_DATA", str(copies / "one"))
    monkeypatch.setenv("MTEB_HYBRID_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "datasets")


@pytest.fixture
def cache(tmp_path):
    return mteb.ResultCache(tmp_path / "results")


def only(*subsets):
    task = Monolingual()
    task.hf_subsets = list(subsets)
    return task


def rows(result):
    return {row["hf_subset"]: round(row["ndcg_at_10"], 6) for row in result.scores["dev"]}  # as MTEB's JSON has it


def test_other_data_is_evaluated_and_what_was_there_comes_back(copies, cache, monkeypatch):
    """Two subsets on one state, one on another: neither serves the other's scores, and both stay on disk."""
    _, first = evaluate(CountingEncoder(), only("fi", "sw"), cache=cache)
    monkeypatch.setenv("MTEB_HYBRID_DATA", str(copies / "two"))
    _, second = evaluate(CountingEncoder(), only("sw"), cache=cache)
    assert second.dataset_revision != first.dataset_revision
    assert rows(second) == rows(evaluate(CountingEncoder(), only("sw"))[1])
    assert rows(second)["sw"] != rows(first)["sw"]
    monkeypatch.setenv("MTEB_HYBRID_DATA", str(copies / "one"))
    idle = CountingEncoder()
    _, again = evaluate(idle, only("fi", "sw"), cache=cache)
    assert rows(again) == rows(first)
    assert not idle.seen


def test_a_moved_and_touched_folder_is_the_same_data(copies, cache, tmp_path, monkeypatch):
    """Nothing is evaluated again for a copy elsewhere."""
    evaluate(CountingEncoder(), only("fi"), cache=cache)
    shutil.copytree(copies / "one", tmp_path / "elsewhere")
    monkeypatch.setenv("MTEB_HYBRID_DATA", str(tmp_path / "elsewhere"))
    idle = CountingEncoder()
    evaluate(idle, only("fi"), cache=cache)
    assert not idle.seen


def test_a_task_older_than_the_environment_is_filed_under_the_data_it_reads(copies, cache, monkeypatch):
    """A task made before the variable was set, as a benchmark's are, does not mix two states under one revision."""
    task = only("fi", "sw")
    evaluate(CountingEncoder(), only("fi"), cache=cache)
    monkeypatch.setenv("MTEB_HYBRID_DATA", str(copies / "two"))
    _, result = evaluate(CountingEncoder(), task, cache=cache)
    assert rows(result) == rows(evaluate(CountingEncoder(), only("fi", "sw"))[1])


def test_cached_results_need_no_data(cache, tmp_path, monkeypatch):
    """What is complete in the cache is served although the data cannot be had; what is missing stops before a run."""
    revision = only("fi").metadata.revision
    _, before = evaluate(CountingEncoder(), only("fi"), cache=cache)
    monkeypatch.setattr(Monolingual, "check", lambda self: pytest.fail("asked for data"))
    assert rows(evaluate(CountingEncoder(), only("fi"), cache=cache)[1]) == rows(before)
    monkeypatch.undo()
    monkeypatch.setenv("MTEB_HYBRID_DATA", str(tmp_path / "nowhere"))
    idle = CountingEncoder()
    with pytest.raises(CollectionError, match="nowhere"):
        evaluate(idle, only("fi"), cache=cache)
    assert not idle.seen
    (path,) = (tmp_path / "results").rglob("MIRACLMonolingualOfThree.json")
    assert json.loads(path.read_text())["dataset_revision"] == revision


def test_tasks_from_a_generator_are_all_evaluated(cache):
    """Tasks are looked at before the run; an iterator is not used up by that."""
    result = mteb.evaluate(
        CountingEncoder(), (only(name) for name in ("fi", "te")), cache=None, show_progress_bar=False, co2_tracker=False
    )
    assert len(result.task_results) == 2


class Shifted(CountingEncoder):
    """Another model of the same name, without a revision, as MTEB makes its metadata for what it does not know."""

    def __init__(self, salt):
        super().__init__()
        self.mteb_model_meta = named_meta("no_model_name/available", revision="no_revision_available")
        self.salt = salt

    def vector(self, text):
        return hashed_vector(self.salt + text)


def test_models_that_share_name_and_no_revision_share_nothing(tmp_path, monkeypatch):
    """On a task that stays loaded, and with kept embeddings, a second model gets its own scores; nothing is on disk."""
    monkeypatch.setenv("MTEB_HYBRID_KEEP_EMBEDDINGS", "1")
    expected = [rows(evaluate(Shifted(salt), Pooled())[1]) for salt in "ab"]
    task = Pooled()
    task.load_data()
    found = [rows(evaluate(Shifted(salt), task)[1]) for salt in "ab"]
    assert found == expected
    assert expected[0] != expected[1]
    assert not (tmp_path / "cache" / "embeddings").exists()
    assert not (tmp_path / "cache" / "passes").exists()


def test_kept_embeddings_of_another_model_are_noticed(tmp_path, monkeypatch, caplog):
    """Same name and revision, other vectors: encoded anew with a warning, and scored right."""
    monkeypatch.setenv("MTEB_HYBRID_KEEP_EMBEDDINGS", "1")

    class Named(Shifted):
        def __init__(self, salt):
            super().__init__(salt)
            self.mteb_model_meta = named_meta("test/api")

    evaluate(Named("a"), only("fi"))
    kept = rows(evaluate(Named("b"), only("fi"))[1])
    assert "another model's" in caplog.text
    monkeypatch.delenv("MTEB_HYBRID_KEEP_EMBEDDINGS")
    assert kept == rows(evaluate(Named("b"), only("fi"))[1])


def test_a_changed_dataset_is_refused():
    """Corpora are streamed from where they lie: who edits task.dataset is told, instead of getting the old scores."""
    task = only("fi")
    task.load_data()
    split = task.dataset["fi"]["dev"]
    split["corpus"] = split["corpus"].select(range(5))
    with pytest.raises(CollectionError, match="changed after it was loaded"):
        evaluate(CountingEncoder(), task)


def test_a_path_given_in_the_metadata_is_read(copies, monkeypatch):
    """As with MTEB's own tasks: metadata.dataset["path"] may name a folder in the hub's layout."""
    monkeypatch.setenv("MTEB_HYBRID_DATA", str(copies / "two"))
    expected = rows(evaluate(CountingEncoder(), only("fi"))[1])
    monkeypatch.delenv("MTEB_HYBRID_DATA")
    task = only("fi")
    path = str(copies / "two" / "MIRACLRetrieval")
    task.metadata = task.metadata.model_copy(update={"dataset": task.metadata.dataset | {"path": path}})
    _, result = evaluate(CountingEncoder(), task)
    assert rows(result) == expected
    assert result.dataset_revision.startswith("local-")
    assert task.metadata.dataset["path"] == path


@pytest.mark.parametrize("left", [0, 1, 0.5, 0.99, "{}", "[1]", "\udcff"])
def test_half_a_result_is_set_aside(cache, caplog, left):
    """MTEB's file was cut off when a run was killed: the next one says so, and evaluates again."""
    _, first = evaluate(CountingEncoder(), only("sw"), cache=cache)
    (path,) = cache.cache_path.rglob("MIRACLMonolingualOfThree.json")
    whole = path.read_bytes()
    cut = left.encode(errors="surrogateescape") if isinstance(left, str) else whole[: int(left * len(whole))]
    path.write_bytes(whole[:1] if left == 1 else cut)
    broken = path.read_bytes()
    _, second = evaluate(CountingEncoder(), only("sw"), cache=cache)
    assert rows(second) == rows(first)
    assert path.with_name(f"{path.name}.broken").read_bytes() == broken
    assert "cannot be read" in caplog.text
    assert str(path) in caplog.text
    idle = CountingEncoder()
    _, third = evaluate(idle, only("sw"), cache=cache)
    assert rows(third) == rows(first)
    assert not idle.seen


@pytest.mark.parametrize("left", [None, "", "{"])
def test_a_lost_note_of_the_model_is_written_again(cache, left):
    """MTEB writes it after the result: a kill between the two hides the result from MTEB's own reader for good."""
    evaluate(CountingEncoder(), only("sw"), cache=cache)
    (note,) = cache.cache_path.rglob("model_meta.json")
    whole = json.loads(note.read_text())
    if left is None:
        note.unlink()
    else:
        note.write_text(left)
    idle = CountingEncoder()
    evaluate(idle, only("sw"), cache=cache)
    assert json.loads(note.read_text()) == whole
    assert not idle.seen


def test_results_are_written_whole(cache, monkeypatch):
    """MTEB fails while it writes a later subset: the earlier ones are still there, and nothing else is."""
    evaluate(CountingEncoder(), only("sw"), cache=cache)
    (path,) = cache.cache_path.rglob("MIRACLMonolingualOfThree.json")
    before = path.read_bytes()

    def half(content, file, **options):
        file.write("{")
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(json, "dump", half)
        with pytest.raises(KeyboardInterrupt):
            evaluate(CountingEncoder(), only("sw", "te"), cache=cache)
    assert path.read_bytes() == before
    assert {one.name for one in path.parent.iterdir()} <= {path.name, "model_meta.json", "run_settings.jsonl"}


class Meanwhile(CountingEncoder):
    """While it encodes, another process stores something."""

    def __init__(self, then):
        super().__init__()
        self.then = then

    def encode(self, inputs, **options):
        then, self.then = self.then, None
        if then is not None:
            then()
        return super().encode(inputs, **options)


OTHER = """
import mteb, sys
from encoders import CountingEncoder
from miracl_runs import Monolingual
task = Monolingual()
task.hf_subsets = ["te"]
mteb.evaluate(CountingEncoder(), task, cache=mteb.ResultCache(sys.argv[1]), show_progress_bar=False, co2_tracker=False)
"""


@pytest.mark.slow
@pytest.mark.parametrize("stored", [["sw"], ["fi", "sw"]])
def test_two_processes_store_subsets_of_one_task(cache, stored):
    """The one that ends last keeps what the other has stored since it began; a run that overwrites keeps nothing."""

    def other():
        tests = Path(__file__).parents[1]
        done = subprocess.run(
            [sys.executable, "-c", OTHER, str(cache.cache_path)], cwd=tests, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr[-2000:]

    evaluate(Meanwhile(other), only(*stored), cache=cache)
    idle = CountingEncoder()
    _, both = evaluate(idle, only(*stored, "te"), cache=cache)
    assert not idle.seen
    assert rows(both) == rows(evaluate(CountingEncoder(), only(*stored, "te"))[1])
    evaluate(CountingEncoder(), only("sw"), cache=cache, overwrite_strategy="always")
    (path,) = cache.cache_path.rglob("MIRACLMonolingualOfThree.json")
    assert [row["hf_subset"] for row in json.loads(path.read_text())["scores"]["dev"]] == ["sw"]
