"""The real `mteb` command in a subprocess, as a user runs it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import mteb
import pytest

MTEB = str(Path(sys.executable).with_name("mteb"))
OUR_COMMAND = str(Path(sys.executable).with_name("mteb-hybrid"))


def command(folder, *arguments, **environment):
    return subprocess.run(
        [MTEB, *map(str, arguments)],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=800,
        check=False,
    )


def scores(folder, task):
    """Scores of the one model in a results folder, by subset."""
    (path,) = (folder / "results").glob(f"*/*/{task}.json")
    return {row["hf_subset"]: row for row in json.loads(path.read_text())["scores"]["test"]}


@pytest.fixture(scope="module")
def mini_run(tmp_path_factory):
    """One run of the three MiniQA-R tasks on two languages with the embedded baseline."""
    folder = tmp_path_factory.mktemp("mini")
    tasks = ["MiniQARMonolingual", "MiniQARCrossLingual", "MiniQARMultilingual"]
    done = command(
        folder, "run", "-t", *tasks, "-l", "deu", "eng", "-m", "mteb-hybrid/char-ngram",
        "--output-folder", "out", "--prediction-folder", "out/predictions",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return folder / "out"


def test_mteb_run_scores_all_three_settings(mini_run):
    """Installed and nothing else done: `mteb run` writes the scores of the subsets that the filter keeps."""
    assert set(scores(mini_run, "MiniQARMonolingual")) == {"de", "en"}
    assert len(scores(mini_run, "MiniQARCrossLingual")) == 38
    pooled = scores(mini_run, "MiniQARMultilingual")
    assert set(pooled) == {"de", "en"}
    assert pooled["de"]["main_score"] == pooled["de"]["map"]
    assert pooled["de"]["rank_distance"] >= 10


def test_the_baseline_is_strongly_biased(mini_run):
    """Character n-grams find German for German, and hardly anything else: what language bias looks like."""
    pooled = scores(mini_run, "MiniQARMultilingual")["de"]
    others = [value for name, value in pooled.items() if name.startswith("mean_rank_") and name != "mean_rank_de"]
    assert pooled["mean_rank_de"] < 20
    assert min(others) > 5 * pooled["mean_rank_de"]
    assert scores(mini_run, "MiniQARMonolingual")["de"]["map"] > 0.5


@pytest.mark.filterwarnings("ignore:`load_results` is deprecated:DeprecationWarning")
def test_results_are_read_back_by_mteb(mini_run, monkeypatch):
    """load_results, task_type and to_dataframe know our tasks."""
    monkeypatch.setenv("MTEB_CACHE", str(mini_run))
    for results in (mteb.load_results(download_latest=False), mteb.ResultCache(mini_run).load_results()):
        (model,) = results.model_results
        assert {result.task_type for result in model.task_results} == {"Retrieval"}
        assert {result.task_name for result in model.task_results} == {
            "MiniQARMonolingual", "MiniQARCrossLingual", "MiniQARMultilingual",
        }  # fmt: skip
        frame = results.to_dataframe()
        assert "MiniQARMultilingual" in set(frame["task_name"])


def test_a_table_a_subset_is_written(mini_run):
    """--prediction-folder holds one table for every subset that was run."""
    tables = list((mini_run / "predictions").rglob("*.parquet"))
    assert len(tables) == 2 + 38 + 2


def test_report_reads_the_run(mini_run):
    """The macro-average that `mteb-hybrid report` shows is the mean of the JSON's subsets."""
    shown = subprocess.run([OUR_COMMAND, "report", str(mini_run)], capture_output=True, text=True, check=True).stdout
    pooled = [row["map"] for row in scores(mini_run, "MiniQARMultilingual").values()]
    assert f"{sum(pooled) / len(pooled):.4f}" in shown


@pytest.mark.slow
def test_a_killed_run_goes_on_where_it_stopped(tmp_path, mini_run):
    """After kill -9 a second run computes what is missing, and ends with the scores of a run that was not killed."""
    arguments = ["run", "-t", "MiniQARCrossLingual", "-l", "deu", "eng", "-m", "mteb-hybrid/char-ngram",
                 "--output-folder", "out"]  # fmt: skip
    process = subprocess.Popen([MTEB, *arguments], cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 300
    while not finished_subsets(tmp_path) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    survived = mark_finished_subsets(tmp_path)
    assert len(survived) < 38
    done = command(tmp_path, *arguments)
    assert done.returncode == 0, done.stderr[-3000:]
    found = scores(tmp_path / "out", "MiniQARCrossLingual")
    assert {subset for subset, row in found.items() if row.get("marker") == MARKER} == survived
    expected = scores(mini_run, "MiniQARCrossLingual")
    assert {subset: row["map"] for subset, row in found.items()} == {s: row["map"] for s, row in expected.items()}


MARKER = 0.125


def finished_subsets(folder) -> bool:
    """Whether MTEB has stored a first subset."""
    try:
        return bool(scores(folder / "out", "MiniQARCrossLingual"))
    except ValueError:  # not there yet, or being written
        return False


def mark_finished_subsets(folder) -> set[str]:
    """Write a mark into every stored subset, to tell it from one that is computed again; their names."""
    (path,) = (folder / "out" / "results").glob("*/*/MiniQARCrossLingual.json")
    try:
        content = json.loads(path.read_text())
    except ValueError:  # MTEB does not write its JSON atomically, and the kill fell into that moment
        path.unlink()
        return set()
    rows = content["scores"]["test"]
    for row in rows:
        row["marker"] = MARKER
    path.write_text(json.dumps(content))
    return {row["hf_subset"] for row in rows}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:`load_results` is deprecated:DeprecationWarning", "ignore:.*Missing subsets")
def test_real_collection_and_real_encoder(tmp_path, lareqa_data, encoder_directory, monkeypatch):
    """`mteb run -m DIR`, which MTEB alone ends with NotImplementedError, on one language of the real XQuAD-R."""
    languages = {"th"}
    done = command(
        tmp_path, "run", "-t", "XQuADRMonolingual", "-l", "tha", "-m", encoder_directory,
        "--output-folder", "out", "--prediction-folder", "out/predictions",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    found = scores(tmp_path / "out", "XQuADRMonolingual")
    assert set(found) == languages
    assert all(row["map"] > 0.6 for row in found.values())
    assert len(list((tmp_path / "out" / "predictions").rglob("*.parquet"))) == 1
    monkeypatch.setenv("MTEB_CACHE", str(tmp_path / "out"))
    (model,) = mteb.load_results(download_latest=False).model_results
    assert model.model_name == f"local/{encoder_directory.name}"
    (result,) = model.task_results
    assert {row["hf_subset"] for row in result.scores["test"]} >= languages
    assert result.task_type == "Retrieval"
