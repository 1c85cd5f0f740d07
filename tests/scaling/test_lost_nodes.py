"""Nodes that are lost while a run is under way, and nodes that come."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from distributed_runs import on_ray, once_a_part
from recording_encoder import RecordingEncoder

pytest.importorskip("ray")

from ray_clusters import NODE, lose, simulated_cluster

from mteb_hybrid.scaling import watch

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("folders")]


def test_a_lost_node(here, tmp_path, caplog, monkeypatch):
    """With a node gone and no room for its worker, the other one does the rest; finished parts are not done again.

    Nor is the part that the other one is at: it goes on.
    """
    monkeypatch.setattr(watch, "_GRACE", 2.0)
    model = RecordingEncoder(tmp_path)
    model.pause = 0.05
    with simulated_cluster(2) as nodes:
        lost = threading.Thread(target=lose_when_begun, args=(nodes, model))
        lost.start()
        assert on_ray(model, tmp_path, 10) == here
        lost.join()
        assert len(nodes.worker_nodes) == 1
    assert "nodes were lost: the cluster has room for 1 workers of 2" in caplog.text
    # at most the part that was under way on the lost node was begun twice
    assert (model.encoded() - once_a_part(10)).total() <= 10


def lose_when_begun(nodes, model):
    """Take a node away once both have encoded something."""
    while len(model.processes()) < 3:
        time.sleep(0.1)
    lose(nodes, next(iter(nodes.worker_nodes)))


def test_a_node_that_comes_instead_of_a_lost_one(here, tmp_path, monkeypatch, caplog):
    """Nobody has room: it is said, the run waits for a node, and goes on."""
    monkeypatch.setattr(watch, "_GRACE", 1.0)
    model = RecordingEncoder(tmp_path)
    # nodes can only be added from the main thread
    with simulated_cluster(1) as nodes, ThreadPoolExecutor(1) as aside:
        run = aside.submit(on_ray, model, tmp_path, 10)
        while len(model.processes()) < 2 and not run.done():
            time.sleep(0.1)
        lose(nodes, next(iter(nodes.worker_nodes)))
        while "no node has room for a worker" not in caplog.text and not run.done():
            time.sleep(0.1)
        nodes.add_node(num_cpus=1, **NODE)
        assert run.result() == here
