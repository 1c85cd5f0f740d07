"""Evaluation on a cluster of several nodes: the ranks of one process, also when a worker is killed or poisoned."""

from __future__ import annotations

import logging
import re
import time

import mteb
import pytest
from distributed_runs import on_ray, once_a_part, stand_in
from encoders import OwnSimilarityEncoder, PlainEncoder
from miracl_runs import LANGUAGES, Monolingual, Pooled, evaluate
from recording_encoder import RecordingEncoder, Trouble

pytest.importorskip("ray")

import ray

from mteb_hybrid.embeddings import clear_embeddings
from mteb_hybrid.errors import ClusterError, EmbeddingError
from mteb_hybrid.scaling import engine, workers
from mteb_hybrid.scaling.engine import RayEngine
from mteb_hybrid.tasks.engine import use

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("folders")]


@pytest.mark.parametrize(("shard", "count"), [(20, None), (1000, 1), (None, 2)])
def test_ranks_are_those_of_one_process(two_nodes, here, tmp_path, capsys, shard, count):
    """Every score and every row of every rank table; passages are encoded by workers, on both nodes, and once.

    How many of them are done, and at which rate, is shown.
    """
    model = RecordingEncoder(tmp_path)
    assert on_ray(model, tmp_path, shard, count=count) == here
    assert len(model.processes("document")) <= 3  # this one, which embeds the relevant passages, and two
    assert len(model.processes("document")) == 3 or shard != 20
    assert model.encoded() == once_a_part(shard or 1000)
    size = sum(len(stand_in(language).texts) for language in LANGUAGES)
    assert re.search(rf"100% {size}/{size} \[\d\d:\d\d<00:00, +[\d.]+psg/s\]", capsys.readouterr().err)


def test_a_corpus_for_each_language(two_nodes, tmp_path):
    """The monolingual task too, with a job for each of its corpora."""
    expected, _ = evaluate(RecordingEncoder(tmp_path), Monolingual())
    clear_embeddings()
    assert on_ray(RecordingEncoder(tmp_path), tmp_path, task=Monolingual)[0] == expected


def test_a_killed_worker(two_nodes, here, tmp_path, caplog):
    """Its part is done again and no other one; the log says so; the result is the same."""
    text = stand_in("sw").texts[5]
    model = RecordingEncoder(tmp_path, Trouble(text, "kill", times=1))
    assert on_ray(model, tmp_path, 10) == here
    assert model.encoded() == once_a_part(10)  # the killed call has left no trace
    assert "passages 0 to 10 of sw: 1 workers were lost, another has done it" in caplog.text


def test_what_workers_warn_of_is_said_here(two_nodes, here, tmp_path, caplog):
    """A batch that was too large for a worker's memory is halved there, and the user reads of it."""
    model = RecordingEncoder(tmp_path, Trouble(stand_in("sw").texts[5], "memory", times=1))
    assert on_ray(model, tmp_path, 1000) == here
    (said,) = [one for one in caplog.messages if "out of memory with batches of 32, going on with 16" in one]
    assert said.startswith("passages ")


def test_a_part_that_kills_every_worker(two_nodes, here, tmp_path, monkeypatch):
    """After some tries the run ends and says where; what others have finished is kept for the next run."""
    text = stand_in("te").texts[-1]
    model = RecordingEncoder(tmp_path, Trouble(text, "kill"))
    with pytest.raises(ClusterError, match=r"6 workers were lost .* passages 90 to \d+ of te.*--batch-size"):
        on_ray(model, tmp_path, 30)
    before = sum(model.encoded().values())
    clear_embeddings()
    model.trouble = None
    assert on_ray(model, tmp_path, 30) == here
    assert before > 100
    assert sum(model.encoded().values()) - before < 200  # the questions' passages once more, and what was left


def test_a_poisoned_part(two_nodes, here, tmp_path):
    """The message of one process, with its kind; finished parts are kept, and one process goes on with them."""
    text = stand_in("te").texts[-1]
    model = RecordingEncoder(tmp_path, Trouble(text, "nan"))
    with pytest.raises(EmbeddingError, match=r"passages 100 to \d+ of te: .* NaN"):
        on_ray(model, tmp_path, 20)
    before = model.encoded()
    clear_embeddings()
    (tmp_path / "healed").mkdir()
    healed = RecordingEncoder(tmp_path / "healed")
    scores, _ = evaluate(healed, Pooled())
    assert scores == here[0]
    # every passage is encoded by one run or the other, and hardly any by both, but for the relevant ones
    assert set(before) | set(healed.encoded()) == set(once_a_part(20))
    assert sum((before & healed.encoded()).values()) < len(once_a_part(20)) / 2


def test_workers_end_with_a_run_that_fails(two_nodes, tmp_path):
    """Where one part is poisoned, a worker that is at another one for long does not hold its place to the end of it."""
    part = stand_in("te")
    judged = {passage for grades in part.judged.values() for passage in grades}
    model = RecordingEncoder(tmp_path, Trouble(part.texts[-1], "nan"))
    # one that no other process than a worker encodes, shortly before the poisoned one
    model.held = [text for one, text in zip(part.ids, part.texts, strict=True) if one not in judged][-8]
    begun = time.monotonic()
    with pytest.raises(EmbeddingError):
        on_ray(model, tmp_path, 10)
    assert time.monotonic() - begun < 90  # else it was not held
    deadline = time.monotonic() + 20
    while ray.available_resources().get("CPU", 0) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_settings_of_ray_data_stay_the_users(two_nodes, tmp_path):
    """A run leaves them as they were."""
    context = ray.data.DataContext.get_current()
    before = context.enable_progress_bars, context.print_on_execution_start, logging.getLogger("ray.data").level
    assert before[:2] == (True, True)
    on_ray(RecordingEncoder(tmp_path), tmp_path, 1000)
    after = context.enable_progress_bars, context.print_on_execution_start, logging.getLogger("ray.data").level
    assert after == before
    assert context.custom_execution_callback_classes == []


def test_an_error_in_a_model(two_nodes, tmp_path):
    """An exception that is not ours has its traceback in the message, and is not tried again."""
    model = RecordingEncoder(tmp_path, Trouble(stand_in("fi").texts[3], "raise"))
    with pytest.raises(ClusterError, match=r"(?s)failed on passages 0 to 20 of fi.*KeyError: \"a bug in"):
        on_ray(model, tmp_path)
    assert len(list(tmp_path.glob("trouble-*"))) == 1


@pytest.mark.parametrize("encoder", [PlainEncoder, OwnSimilarityEncoder])
def test_texts_in_memory(two_nodes, tmp_path, monkeypatch, encoder):
    """MiniQA-R, encoded by workers in one job for a role; an encoder of any class, of any similarity.

    Ranks are counted here, in one pass for all subsets that ask in a language, as without a cluster.
    """
    tasks = mteb.get_tasks(["MiniQARMonolingual", "MiniQARCrossLingual", "MiniQARMultilingual"])
    options = {"cache": None, "show_progress_bar": False, "co2_tracker": False}
    here = [one.scores for one in mteb.evaluate(encoder(), tasks, **options).task_results]
    monkeypatch.setattr(engine, "_TEXTS", 16)
    jobs = []
    run = RayEngine._run
    monkeypatch.setattr(RayEngine, "_run", lambda self, *args: jobs.append(args[1]) or run(self, *args))
    model = encoder()
    with use(RayEngine()):
        there = [one.scores for one in mteb.evaluate(model, tasks, **options).task_results]
    assert there == here
    assert len(jobs) == 2
    assert model.encoded == 0


def test_problems_keep_their_kind():
    """Ours come back as they were; others with their traceback."""
    with pytest.raises(EmbeddingError) as ours:
        fail(EmbeddingError("zero embedding"))
    assert repr(workers.Problem.of(ours.value).error("x")) == repr(ours.value)
    try:
        fail(IndexError("deep inside"))
    except IndexError as error:
        problem = workers.Problem.of(error).error("passages 3 to 5")
    assert isinstance(problem, ClusterError)
    for part in ("passages 3 to 5", "deep inside", "test_engine.py"):
        assert part in str(problem)


def fail(error):
    raise error
