"""What is said, and when it is given up, where nobody works on the parts of a job."""

from __future__ import annotations

import pytest

from mteb_hybrid.errors import ClusterError
from mteb_hybrid.scaling import watch as module
from mteb_hybrid.scaling.cluster import Share
from mteb_hybrid.scaling.watch import StalledError, Watch
from mteb_hybrid.scaling.workers import Ledger

ray = pytest.importorskip("ray")


@pytest.fixture
def clock(monkeypatch):
    """The time, in a list, and a cluster with room for two workers, all of it held by others."""
    now = [1000.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    monkeypatch.setattr(ray, "get", lambda found, timeout=None: found)
    monkeypatch.setattr(ray, "nodes", lambda: [{"Alive": True, "Resources": {"CPU": 2.0}}])
    monkeypatch.setattr(ray, "available_resources", dict)
    monkeypatch.setattr(ray, "cluster_resources", lambda: {"CPU": 2.0})
    return now


class Handle:
    """A ledger in this process."""

    def __init__(self):
        self.ledger = Ledger(None, [])

    @property
    def quiet(self):
        return self

    def remote(self, number):
        return self.ledger.quiet(number)


def looked(clock, watch, seconds, step=1.0):
    """Let time pass, and look all the while."""
    for _ in range(int(seconds / step)):
        clock[0] += step
        watch.look()


def test_a_cluster_that_others_hold(clock, caplog):
    """It is said soon, not again and again; in the end the message says what is asked for, what is free, what to do."""
    watch = Watch(Handle(), 1, Share(1, 0), 2, patience=300)
    looked(clock, watch, 10)
    assert not caplog.messages
    looked(clock, watch, 280)
    assert len(caplog.messages) == 3
    assert "a worker needs 1 CPUs and 0 GPUs, and of the cluster there are free: 0 of 2 CPUs" in caplog.messages[0]
    assert "Waiting, for 300 seconds at most" in caplog.messages[0]
    with pytest.raises(ClusterError, match=r"no worker could begin for 301 seconds: .*0 of 2 CPUs.*--wait.*is kept"):
        looked(clock, watch, 20)


def test_signs_of_another_round_are_none_of_this(clock):
    """Workers of the round before may still be on their way out."""
    handle = Handle()
    watch = Watch(handle, 2, Share(1, 0), 2, patience=5)
    handle.ledger.sign(1)
    with pytest.raises(ClusterError):
        looked(clock, watch, 10)


@pytest.mark.parametrize(("workers", "seconds"), [(2, module._QUIET), (3, module._GRACE)])
def test_a_worker_that_has_nowhere_to_come_back_to(clock, workers, seconds):
    """Others have its place: the round ends some time after the last sign of life, sooner where nodes are lost."""
    handle = Handle()
    watch = Watch(handle, 1, Share(1, 0), workers)
    for _ in range(100):
        handle.ledger.sign(1)
        looked(clock, watch, 9)
    looked(clock, watch, seconds - 9)
    with pytest.raises(StalledError, match="the cluster has room for 2 workers"):
        looked(clock, watch, 2)


def test_lost_nodes(clock, caplog):
    """Those that are left go on, and it is said once; a node that is away for a moment is not lost."""
    handle = Handle()
    watch = Watch(handle, 1, Share(1, 0), 3)
    for _ in range(10):
        handle.ledger.sign(1)
        looked(clock, watch, 5)
    assert caplog.messages == ["nodes were lost: the cluster has room for 2 workers of 3"]
    watch = Watch(handle, 2, Share(1, 0), 3)
    caplog.clear()
    for cpus, seconds in ((1, 5), (0.5, 5), (1, 9)):  # with half a CPU there is room for four
        watch.share = Share(cpus, 0)
        handle.ledger.sign(2)
        looked(clock, watch, seconds)
    assert not caplog.messages


def test_results_that_take_long_here(clock):
    """Nobody works while counts are added and written; that is no stall, and the time does not count later."""
    handle = Handle()
    watch = Watch(handle, 1, Share(1, 0), 2)
    handle.ledger.sign(1)
    looked(clock, watch, 5)
    watch.rest()
    looked(clock, watch, 1000)
    watch.go_on()
    looked(clock, watch, 100)


def test_a_cluster_that_says_nothing(clock, monkeypatch):
    """The head is away for a moment: whatever comes of it, it is no reason to end."""
    watch = Watch(Handle(), 1, Share(1, 0), 2, patience=5)

    def away(found, timeout=None):
        raise ray.exceptions.GetTimeoutError("no answer")

    monkeypatch.setattr(ray, "get", away)
    looked(clock, watch, 20)


def test_tries_are_counted_over_rounds():
    """A part that ends every round is given up in the end, whatever else is finished meanwhile."""
    ledger = Ledger(None, [])
    assert [ledger.begin(7, number, f"worker {number}", object()) for number in (1, 2, 3)] == [1, 2, 3]
    assert ledger.begin(8, 3, "worker 3", object()) == 1
    assert len(ledger.workers(3)) == 1
