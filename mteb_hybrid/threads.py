"""Threads that work on parts of one task side by side, each in memory of its own.

Torch splits every operation among its threads, which then wait for each other, and numpy splits none. Threads of Python
that take whole parts wait for nobody: what they run is compiled and does not hold the interpreter's lock. Where other
processes are at work too that is many times as fast, since a thread of torch waits for each of the others to have its
turn, in every operation.
"""

from __future__ import annotations

import contextlib
import math
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

import torch

from mteb_hybrid.arrays import Mask, padded
from mteb_hybrid.exact import ExactArithmetic

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

Item = TypeVar("Item")

# beyond this many, workers have several of torch's threads each
_MOST = 16


class Worker:
    """The memory that one thread works in: fresh arrays of this size cost more than what is done with them.

    Attributes:
        arithmetic: Exact arithmetic.
        masks: Two masks.
    """

    def __init__(self, dimension: int, device: torch.device) -> None:
        self.arithmetic = ExactArithmetic(dimension, device)
        self.masks = Mask(), Mask()
        self._block = torch.empty(0, device=device)

    def block(self, rows: int, columns: int, dtype: torch.dtype) -> torch.Tensor:
        """Room for scores, shape (rows, padded columns), where the padding is -inf."""
        shape = (rows, padded(columns))
        if self._block.numel() < math.prod(shape) or self._block.dtype is not dtype:
            self.forget_block()
            self._block = torch.empty(math.prod(shape), dtype=dtype, device=self._block.device)
        block = self._block[: math.prod(shape)].view(shape)
        block[:, columns:] = -torch.inf
        return block

    def forget_block(self) -> None:
        """Give the room for scores back."""
        self._block = self._block[:0].clone()


def most_workers(device: torch.device) -> int:
    """How many workers are worth having: on a CPU as many as torch has threads, up to a point, and elsewhere one."""
    return min(_MOST, torch.get_num_threads()) if device.type == "cpu" else 1


@contextlib.contextmanager
def few_threads() -> Iterator[int]:
    """Within it torch has one thread, or as many as each of the most workers can have; their number."""
    threads = torch.get_num_threads()
    few = max(1, threads // _MOST)
    torch.set_num_threads(few)
    try:
        yield few
    finally:
        torch.set_num_threads(threads)  # of this thread, and of those that are yet to come


def side_by_side(work: Callable[[Item, Worker], object], items: Iterable[Item], workers: Sequence[Worker]) -> None:
    """Call ``work`` with every item and one of the workers, in any order, each with few threads of torch.

    Raises:
        Exception: What the first call that failed raised, after the others have come to their end.
    """
    with few_threads() as few:
        if len(workers) == 1:
            for item in items:
                work(item, workers[0])
            return
        left = deque(items)

        def run(worker: Worker) -> None:
            torch.set_num_threads(few)  # of this thread
            while left:
                try:
                    item = left.popleft()
                except IndexError:  # another one was faster
                    return
                work(item, worker)

        with ThreadPoolExecutor(len(workers)) as pool:
            for running in [pool.submit(run, worker) for worker in workers]:
                running.result()
