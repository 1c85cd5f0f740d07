"""Where the workers of a training leave word for the command that started them. Needs Ray, and little else."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ray
from ray.train import UserCallback

if TYPE_CHECKING:
    from mteb_hybrid.errors import MtebHybridError

_SECONDS = 5  # until a new file is seen everywhere: network storage is not that slow


class Desk:
    """What workers have to say; an actor on the command's own machine, which no lost node takes away."""

    def __init__(self) -> None:
        self._starts = 0
        self._problem: MtebHybridError | None = None
        self._summary: dict[str, Any] | None = None

    def start(self) -> int:
        """Count a start of the workers; how many there were."""
        self._starts += 1
        return self._starts

    def sees(self, path: str) -> bool:
        """Whether a file is there on this machine."""
        return sees(path)

    def fail(self, problem: MtebHybridError) -> None:
        """Note down an error of ours, if it is the first one."""
        self._problem = self._problem or problem

    def finish(self, summary: dict[str, Any]) -> None:
        """Note down what the training did, once it is done."""
        self._summary = summary

    def word(self) -> tuple[int, MtebHybridError | None, dict[str, Any] | None]:
        """Number of starts, the first error, the summary."""
        return self._starts, self._problem, self._summary


class EndAtOurs(UserCallback):  # type: ignore[misc, unused-ignore]
    """Ends a training at an error of ours, where Ray would start the workers again.

    Args:
        desk: Where workers note such errors down.
    """

    def __init__(self, desk: Any) -> None:
        self._desk = desk

    def after_exception(self, run_context: Any, worker_exceptions: dict[int, Exception]) -> None:  # noqa: ARG002
        """Raise what a worker noted down: an error here ends the training for good."""
        _, problem, _ = ray.get(self._desk.word.remote())
        if problem is not None:
            without_tracebacks()
            raise problem


def without_tracebacks() -> None:
    """Let Ray Train say nothing more in this process: what is wrong is one line, which the command has."""
    logging.getLogger("ray.train").setLevel(logging.CRITICAL)


def sees(path: str) -> bool:
    """Whether a file is there, now or in some seconds."""
    deadline = time.monotonic() + _SECONDS
    while not (seen := Path(path).is_file()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return seen
