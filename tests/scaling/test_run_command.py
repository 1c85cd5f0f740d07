"""`mteb-hybrid run`: the arguments, results and files of `mteb run`, and the options that are ours."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from distributed_runs import once_a_part, relevant_texts
from recording_command import MODEL, TASK, started
from recording_encoder import RecordingEncoder
from typer.testing import CliRunner

from mteb_hybrid import cli

BIN = Path(sys.executable).parent
TASKS = ["MiniQARMonolingual", "MiniQARMultilingual"]
NGRAMS = ("-m", "mteb-hybrid/char-ngram", "-t", *TASKS, "-l", "deu", "eng")
# with a task whose corpora are streamed: what is small is encoded and ranked without any worker
RECORDED = ("-m", MODEL, "-t", *TASKS, TASK, "-l", "deu", "eng", "fin", "swa", "tel")


def refused(*arguments: str) -> str:
    done = CliRunner().invoke(cli.app, ["run", *arguments])
    assert done.exit_code == 2
    return " ".join(done.output.replace("│", " ").split())


def test_options_of_a_cluster_need_one():
    """Workers without a cluster are a misunderstanding, not a wish to be passed over."""
    assert "--workers, --shard say how to work on a Ray cluster" in refused(
        "--workers", "2", "--shard", "10", "-m", "x", "-t", "y"
    )


def test_parameters_of_an_index_need_one():
    """How to search goes with what to search."""
    assert "name it with --faiss INDEX" in refused("--faiss-parameters", "nprobe=1", "-m", "x", "-t", "y")


@pytest.mark.slow
def test_an_index_is_an_experiment_of_the_model(tmp_path):
    """`--faiss` scores through FAISS, and files the results beside the exact ones."""
    pytest.importorskip("faiss")
    found = run("mteb-hybrid", tmp_path / "faiss", *NGRAMS, "--faiss", "HNSW4", "--faiss-parameters", "efSearch=2")
    results = {name: content for name, content in found.items() if name.endswith("MiniQARMultilingual.json")}
    ((name, content),) = results.items()
    assert "experiments/faiss_HNSW4__faiss_parameters_efSearch=2" in name
    assert all(0 < row["faiss_recall_of_relevant"] < 1 for row in content["scores"]["test"])


def test_nothing_to_evaluate():
    """Without arguments of `mteb run` the message says which there are."""
    assert "--model MODEL --tasks TASK" in refused()


def test_mteb_refuses_what_it_does_not_know():
    """An option that neither knows is MTEB's to refuse."""
    done = subprocess.run(
        [BIN / "mteb-hybrid", "run", "-m", "x", "--no-such"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "unrecognized arguments: --no-such" in done.stderr


def run(program, folder, *options):
    """Everything that a run of the command writes, by file, without what changes from run to run."""
    folder.mkdir()
    options = ["run", *options, "--output-folder", "out", "--prediction-folder", "out/predictions"]
    with tempfile.TemporaryDirectory(prefix="ray", dir="/tmp", ignore_cleanup_errors=True) as short:
        process = started(RecordingEncoder(folder), program, *options, cwd=folder, RAY_TMPDIR=short)
        assert process.wait(timeout=600) == 0, (folder / "said.txt").read_text(encoding="utf-8")[-3000:]
    found = {}
    for path in sorted((folder / "out").rglob("*.json")):
        content = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(content, dict):
            for changing in ("evaluation_time", "evaluation_phases", "kg_co2_emissions", "date"):
                content.pop(changing, None)
        found[path.relative_to(folder).as_posix()] = content
    for path in sorted((folder / "out").rglob("*.parquet")):
        found[path.relative_to(folder).as_posix()] = pq.read_table(path).to_pylist()
    return found


@pytest.mark.slow
def test_the_same_files_as_mteb_run(folders, tmp_path):
    """Without our options it is `mteb run`; on a cluster it differs in time only: all scores, names and tables.

    Other processes have encoded all of a streamed corpus but the relevant passages, in the parts that were asked for.
    """
    pytest.importorskip("ray")
    expected = run("mteb", tmp_path / "mteb", *RECORDED)
    assert run("mteb-hybrid", tmp_path / "plain", *RECORDED) == expected
    cluster = ("--ray", "local", "--workers", "1", "--cpus-per-worker", "1", "--shard", "10")
    assert run("mteb-hybrid", tmp_path / "ray", *RECORDED, *cluster) == expected
    assert len([name for name in expected if TASK in name]) == 4  # scores, and a table for each subset

    model, passages = RecordingEncoder(tmp_path / "ray"), once_a_part(10)
    assert passages != once_a_part(1000)
    assert {text: n for text, n in model.encoded().items() if text in passages} == passages
    (driver,) = model.processes("query")
    assert model.encoded(by=driver).keys() & passages.keys() == relevant_texts()
