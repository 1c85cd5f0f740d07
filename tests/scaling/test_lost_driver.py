"""A driver that is lost, on a cluster that outlives it."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from distributed_runs import once_a_part, relevant_texts, stand_in, tables
from miracl_runs import passes
from recording_encoder import RecordingEncoder

pytest.importorskip("ray")

import ray
from recording_command import MODEL, TASK, started

pytestmark = pytest.mark.slow

ROUNDED = 5e-7  # MTEB's JSON has six digits


def test_a_killed_driver(here, two_nodes, tmp_path):
    """The same command again does what is left and nothing else, with the result of one process.

    The workers of the first one are gone, though one of them was at a passage for long: their places are free.
    """
    model = RecordingEncoder(tmp_path)
    relevant, expected = relevant_texts(), once_a_part(10)
    model.held = next(text for text in stand_in("sw").texts if expected[text] == 1 and text not in relevant)
    arguments = ["run", "-m", MODEL, "-t", TASK, "--output-folder", "out", "--prediction-folder", "out/tables",
                 "--ray", two_nodes.address, "--shard", "10"]  # fmt: skip
    first = started(model, "mteb-hybrid", *arguments, cwd=tmp_path)
    try:
        wait_until(lambda: first.poll() is not None or sum(map(len, counted().values())) >= 120, 200)
    finally:
        first.kill()
    assert first.wait() == -signal.SIGKILL, said(model)[-3000:]
    wait_until(lambda: ray.available_resources().get("CPU", 0) == 2)
    rows, encoded = counted(), model.encoded()
    assert not list(tmp_path.rglob(f"{TASK}.json"))

    (tmp_path / "go").touch()
    again = started(model, "mteb-hybrid", *arguments, cwd=tmp_path)
    assert again.wait(timeout=200) == 0, said(model)[-3000:]
    assert model.encoded() - encoded == once_a_part(10, rows)
    assert tables(tmp_path / "out" / "tables") == here[1]
    (file,) = tmp_path.rglob(f"{TASK}.json")
    for row in json.loads(file.read_text(encoding="utf-8"))["scores"]["dev"]:
        numbers = {name: value for name, value in here[0][row["hf_subset"]].items() if isinstance(value, float)}
        assert {name: row[name] for name in numbers} == pytest.approx(numbers, abs=ROUNDED)
    assert f"going on with {len(rows['sw'])} of {len(stand_in('sw').texts)} passages of sw" in said(model)
    wait_until(lambda: ray.available_resources().get("CPU", 0) == 2)


def counted():
    """Rows that are counted, by language."""
    found = {}
    for path in passes(Path(os.environ["MTEB_HYBRID_CACHE"])):
        if path.suffix == ".npz" and path.name != "anchors.npz":
            ranges = np.load(path)["rows"].tolist()
            found[path.name.partition("-")[0]] = {row for first, stop in ranges for row in range(first, stop)}
    return found


def said(model):
    """What the command says."""
    return (model.folder / "said.txt").read_text(encoding="utf-8")


def wait_until(true, seconds=60):
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)
