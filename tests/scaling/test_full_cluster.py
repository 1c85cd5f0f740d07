"""A cluster that other jobs hold: at the start, and when a worker is lost."""

from __future__ import annotations

import threading
import time

import pytest
from distributed_runs import on_ray, once_a_part, stand_in
from recording_encoder import RecordingEncoder, Trouble

pytest.importorskip("ray")

import ray
from ray_clusters import other_jobs

from mteb_hybrid.embeddings import clear_embeddings
from mteb_hybrid.errors import ClusterError
from mteb_hybrid.scaling import watch

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("folders")]


def test_no_room_at_all(two_nodes, tmp_path, monkeypatch, caplog):
    """It is said, and given up after the time that the user gave it; nothing of the run stays on the cluster."""
    monkeypatch.setattr(watch, "_SAY", 2.0)
    others = other_jobs(two_nodes)
    ray.get([one.ready.remote() for one in others])
    begun = time.monotonic()
    with pytest.raises(ClusterError, match=r"no worker could begin for \d+ seconds: .*free: 0 of 2 CPUs"):
        on_ray(RecordingEncoder(tmp_path), tmp_path, patience=6)
    assert time.monotonic() - begun < 60
    assert "no worker has begun yet" in caplog.text
    for one in others:
        ray.kill(one)
    wait_until(lambda: ray.available_resources().get("CPU", 0) == 2)


def test_other_jobs_take_the_places_of_workers(two_nodes, here, tmp_path, monkeypatch, caplog):
    """A worker is lost, and the others have nothing to do but its part: once there is room again, it is done."""
    clear_embeddings()
    monkeypatch.setattr(watch, "_QUIET", 8.0)
    last = stand_in("te").texts[-1]
    model = RecordingEncoder(tmp_path, Trouble(last, "kill", times=1))
    model.held = last  # until other jobs are queued
    answered = []

    def take_all_places():
        wait_until(lambda: len(model.processes()) > 2)
        others = other_jobs(two_nodes)
        time.sleep(5)
        (tmp_path / "go").touch()
        answered.extend(ray.get([one.ready.remote() for one in others], timeout=90))
        wait_until(lambda: "nobody works on them" in caplog.text)
        for one in others:
            ray.kill(one)

    aside = threading.Thread(target=take_all_places)
    aside.start()
    assert on_ray(model, tmp_path, 10) == here
    aside.join()
    assert answered == [True, True]
    assert "going on with 1 of" in caplog.text
    assert model.encoded() == once_a_part(10)


def wait_until(true, seconds=60):
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.1)
