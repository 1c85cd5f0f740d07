"""The real `mteb` command on the MIRACL tasks, in a subprocess and offline, as a user runs it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import datasets
import mteb
import pytest
from miracl_runs import evaluate, passes
from miracl_standin import LANGUAGES, Sources, write_standin

MTEB = str(Path(sys.executable).with_name("mteb"))
MODEL = "mteb-hybrid/char-ngram"
ROUNDED = 5e-7  # MTEB's JSON has six digits
SHARED = ("ndcg_at_10", "recall_at_100", "map", "mrr_at_10", "judged_at_10")


@pytest.fixture
def environment(tmp_path, monkeypatch):
    """Nothing from the network, and every cache below the test's folder; in this process too."""
    settings = {
        "MTEB_HYBRID_DATA": str(tmp_path / "data"),
        "MTEB_HYBRID_CACHE": str(tmp_path / "cache"),
        "MTEB_CACHE": str(tmp_path / "mteb"),
        "HF_HOME": str(tmp_path / "hf"),
        "HF_HUB_OFFLINE": "1",
        "HF_DATASETS_OFFLINE": "1",
        "COLUMNS": "400",  # MTEB's log is wrapped
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "hf" / "datasets")
    return {**os.environ, **settings}


def arguments(*tasks, languages=(), folder="out"):
    chosen = ["-l", *languages] if languages else []
    return [MTEB, "run", "-t", *tasks, *chosen, "-m", MODEL, "--output-folder", folder]


def finish(folder, environment, command):
    """Run to the end; what was said on the way."""
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=800, check=False
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said[-3000:]
    return said


def scores(folder, task):
    """Scores by subset of the one model in a results folder."""
    (path,) = (folder / "results").glob(f"*/*/{task}.json")
    content = json.loads(path.read_text())
    return {row["hf_subset"]: row for row in content["scores"]["dev"]}, content["dataset_revision"]


@pytest.fixture(scope="module")
def sources() -> Sources:
    """MIRACL's topics and judgments and NTREX's sentences where they are, else made-up ones."""
    miracl, ntrex = (os.environ.get(f"MTEB_HYBRID_TEST_{name}") for name in ("MIRACL", "NTREX"))
    return Sources.real(Path(miracl), Path(ntrex)) if miracl and ntrex else Sources.made_up()


@pytest.mark.slow
def test_two_languages_of_the_monolingual_task(tmp_path, environment, sources):
    """`mteb run -l swa tel` scores these two as a run in this process does, and files them under the folder's state."""
    write_standin(tmp_path / "data" / "MIRACLRetrieval", ["te", "fi", "sw"], queries=60, sources=sources)
    finish(tmp_path, environment, arguments("MIRACLMonolingual", languages=("swa", "tel")))
    found, revision = scores(tmp_path / "out", "MIRACLMonolingual")
    task = mteb.get_task("MIRACLMonolingual", languages=["swa", "tel"])
    expected, _ = evaluate(mteb.get_model(MODEL), task)
    assert set(found) == set(expected) == {"sw", "te"}
    assert revision == task.metadata.revision
    assert revision.startswith("local-")
    for subset, row in expected.items():
        shared = {name: row[name] for name in SHARED}
        assert {name: found[subset][name] for name in SHARED} == pytest.approx(shared, abs=ROUNDED)
        assert 0.1 < row["ndcg_at_10"] < 1
    assert not passes(tmp_path / "cache")


@pytest.mark.slow
def test_the_pooled_task_on_all_languages(tmp_path, environment, sources):
    """18 pooled subsets from one run; with monolingual scores from the same one, interference is their difference."""
    write_standin(tmp_path / "data" / "MIRACLRetrieval", list(LANGUAGES), queries=3, distractors=6, sources=sources)
    command = arguments("MIRACLMonolingual", "MIRACLMultilingual")
    finish(tmp_path, environment, [*command, "--prediction-folder", "predictions"])
    pooled, _ = scores(tmp_path / "out", "MIRACLMultilingual")
    alone, _ = scores(tmp_path / "out", "MIRACLMonolingual")
    assert set(pooled) == set(alone) == set(LANGUAGES)
    for language, row in pooled.items():
        for name in ("map", "ndcg_at_10", "recall_at_100"):
            difference = alone[language][name] - row[name]
            assert row[f"interference_{name}"] == pytest.approx(difference, abs=3 * ROUNDED)
        assert row["main_score"] == row["ndcg_at_10"] > 0
        assert 0 < row["exposure_fairness_at_100"] < 1
        assert not [name for name in row if name.startswith(("rank_distance", "language_preference", "mean_rank"))]
    tables = list((tmp_path / "predictions").rglob("dev.*.parquet"))
    assert len(tables) == 2 * 18
    assert not passes(tmp_path / "cache")


@pytest.mark.slow
@pytest.mark.parametrize("first", ["mteb", "ray"])
def test_a_run_killed_inside_a_corpus_goes_on(tmp_path, environment, first):
    """After kill -9 a second run says how much is counted, and ends with an uninterrupted run's scores.

    The chunk is another one then, which no score hangs on; and what a driver of workers has added up, one process goes
    on with.
    """
    made_up = Sources.made_up()
    write_standin(tmp_path / "data" / "MIRACLRetrieval", ["sw"], queries=20, distractors=4000, sources=made_up)
    command = arguments("MIRACLMonolingual", languages=("swa",))
    options = []
    if first == "ray":
        pytest.importorskip("ray")
        options = ["--ray", "local", "--workers", "1", "--cpus-per-worker", "1", "--shard", "10"]
    with tempfile.TemporaryDirectory(prefix="ray", dir="/tmp", ignore_cleanup_errors=True) as short:
        settings = {"MTEB_HYBRID_CHUNK": "2", "RAY_TMPDIR": short, "RAY_USAGE_STATS_ENABLED": "0"}
        process = subprocess.Popen(
            [f"{MTEB}-hybrid", *command[1:], *options] if options else command, cwd=tmp_path,
            env={**environment, **settings}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        deadline = time.monotonic() + 300
        while not counted(tmp_path) and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    assert counted(tmp_path)
    assert not list((tmp_path / "out").rglob("MIRACLMonolingual.json"))
    said = finish(tmp_path, {**environment, "MTEB_HYBRID_CHUNK": "700"}, command)
    already = said.partition("going on with ")[2].partition(" of ")[0]
    assert 0 < int(already.replace(",", "")) < 4000, said[-3000:]
    found, _ = scores(tmp_path / "out", "MIRACLMonolingual")
    expected, _ = evaluate(mteb.get_model(MODEL), mteb.get_task("MIRACLMonolingual", hf_subsets=["sw"]))
    shared = {name: expected["sw"][name] for name in SHARED}
    assert {name: found["sw"][name] for name in SHARED} == pytest.approx(shared, abs=ROUNDED)
    assert not passes(tmp_path / "cache")


def counted(folder) -> bool:
    """Whether a first chunk of a corpus has been counted."""
    return any(path.name.startswith("sw-") and path.suffix == ".npz" for path in passes(folder / "cache"))
