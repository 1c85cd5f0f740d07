"""The tasks of a run: which of them are ours, and what is evaluated together."""

from __future__ import annotations

import contextlib
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from mteb_hybrid.tasks.base import AbsTaskRankedRetrieval

_together: ContextVar[tuple[Evaluated, ...]] = ContextVar("tasks that are evaluated together", default=())


def all_tasks(tasks: Any) -> Iterator[Any]:
    """Every task of a task, several tasks, a benchmark or an aggregate of tasks."""
    inner = getattr(getattr(tasks, "metadata", None), "tasks", None)  # an aggregate holds its tasks in its metadata
    if not inner and not hasattr(tasks, "__iter__"):
        yield tasks
        return
    for task in inner or tasks:
        yield from all_tasks(task)


def our_tasks(tasks: Any) -> Iterator[AbsTaskRankedRetrieval]:
    """Our tasks among a task, several tasks, a benchmark or an aggregate of tasks."""
    from mteb_hybrid.tasks.base import AbsTaskRankedRetrieval

    yield from (task for task in all_tasks(tasks) if isinstance(task, AbsTaskRankedRetrieval))


@dataclass(frozen=True, slots=True)
class Evaluated:
    """A task of a run, and what of it is evaluated.

    Attributes:
        task: The task.
        subsets: Names of its subsets, but for those whose results are in the cache.
    """

    task: AbsTaskRankedRetrieval
    subsets: frozenset[str]


@contextlib.contextmanager
def together(evaluated: Iterable[Evaluated]) -> Iterator[None]:
    """Within it, `evaluated_together` gives these tasks: what one of them works out may serve another."""
    token = _together.set(tuple(evaluated))
    try:
        yield
    finally:
        _together.reset(token)


def evaluated_together() -> tuple[Evaluated, ...]:
    """Our tasks in the `mteb.evaluate` that is running; none outside of it."""
    return _together.get()
