"""Threads of Python that share the parts of a task."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch
from ranking_problems import (
    _torch_settings,  # noqa: F401 - for every test here
    make_problem,
    same,
)

from mteb_hybrid.ranking import RankCounter
from mteb_hybrid.threads import Worker, most_workers, side_by_side

CPU = torch.device("cpu")


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_every_part_is_taken_once(workers):
    """However many workers there are, each item is worked on once, by one of them."""
    team = [Worker(3, CPU) for _ in range(workers)]
    taken = []
    side_by_side(lambda item, worker: taken.append((item, team.index(worker))), range(100), team)
    assert sorted(item for item, _ in taken) == list(range(100))


def test_workers_work_at_the_same_time():
    """Two workers meet at a barrier that one alone would wait at for ever."""
    barrier = threading.Barrier(2, timeout=30)
    side_by_side(lambda _item, _worker: barrier.wait(), range(2), [Worker(3, CPU), Worker(3, CPU)])


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize(("threads", "few"), [(1, 1), (4, 1), (64, 4)])
def test_workers_have_few_threads_of_torch(threads, few, workers):
    """One each, or several where there are more than workers can be; afterwards this thread and new ones have all."""
    torch.set_num_threads(threads)
    during = []
    team = [Worker(3, CPU) for _ in range(workers)]
    side_by_side(lambda _item, _worker: during.append(torch.get_num_threads()), range(8), team)
    assert set(during) == {few}
    assert torch.get_num_threads() == threads
    later = []
    thread = threading.Thread(target=lambda: later.append((torch.ones(10) + 1, torch.get_num_threads())[1]))
    thread.start()
    thread.join()
    assert later == [threads]


@pytest.mark.parametrize("workers", [1, 2])
def test_errors_arrive(workers):
    """What goes wrong in a worker is raised where the work was asked for, and the threads are given back."""
    torch.set_num_threads(3)

    def work(item: int, _worker: Worker) -> None:
        if item == 7:
            raise KeyError(item)

    with pytest.raises(KeyError, match="7"):
        side_by_side(work, range(20), [Worker(3, CPU) for _ in range(workers)])
    assert torch.get_num_threads() == 3


def test_how_many_workers():
    """As many as torch has threads on a CPU, but no crowd; one on any other device."""
    torch.set_num_threads(2)
    assert most_workers(CPU) == 2
    torch.set_num_threads(64)
    assert 2 < most_workers(CPU) < 64
    assert most_workers(torch.device("cuda")) == 1


def test_little_work_is_for_one_worker():
    """Where a product takes no time, neither do workers; a large one is for all of them."""
    torch.set_num_threads(2)
    asked = np.ones((1000, 2), dtype=np.float32)
    counter = RankCounter(asked, np.arange(1000), asked, np.arange(1000), device="cpu")
    assert len(counter._at_work(1000)) == 1
    assert len(counter._at_work(1_000_000)) == 2


@pytest.mark.parametrize("similarity", ["cosine", "dot"])
@pytest.mark.parametrize("queries", [1, 2, 70])
def test_ranks_do_not_depend_on_the_workers(queries, similarity, monkeypatch):
    """One thread, two, more than there are queries, and a changing number give the same result to the last bit."""
    monkeypatch.setattr("mteb_hybrid.ranking._WORKER_BLOCKS", 0.01)
    rng = np.random.default_rng(queries)
    passages = rng.normal(size=(3000, 20)).astype(np.float32)
    asked = (passages[:queries] + rng.normal(size=(queries, 20))).astype(np.float32)
    problem = make_problem(rng, asked, passages, similarity)
    torch.set_num_threads(1)
    alone = problem.count(top_k=20)
    for threads in (2, 5):
        torch.set_num_threads(threads)
        assert len(problem.counter(block_elements=1 << 13)._at_work(3000)) == threads
        assert same(alone, problem.count(top_k=20, block_elements=1 << 13))
    counter = problem.counter(top_k=20)
    for threads, part in zip((1, 4, 2), np.array_split(np.arange(3000), 3), strict=True):
        torch.set_num_threads(threads)
        counter.count(passages[part], problem.order[part], problem.segment[part])
    assert same(alone, counter.result())


def test_rooms_of_changing_shape():
    """The padding of a block is -inf whatever was in the room before, and a room can be given back."""
    worker = Worker(3, CPU)
    worker.block(4, 40, torch.float32)[:] = 1
    block = worker.block(3, 17, torch.float32)
    assert block.shape == (3, 32)
    assert (block[:, 17:] == -torch.inf).all()
    assert worker.block(3, 17, torch.float64).dtype is torch.float64
    worker.forget_block()
    assert worker._block.untyped_storage().nbytes() == 0
    room = worker.block(2, 5, torch.float64)
    assert worker.block(2, 5, torch.float64).data_ptr() == room.data_ptr()  # large enough, and used again
    assert room.shape == (2, 16)
    assert room.untyped_storage().nbytes() == 2 * 16 * 8
    assert Worker(3, torch.device("meta")).block(2, 5, torch.float64).device.type == "meta"
