"""How MTEB's result files are written: whole, and with what another process has stored of the same task meanwhile.

MTEB empties a task's file and writes all that this process knows of it after every subset. A kill at that moment would
lose all subsets, another process would find half a file, and of two that evaluate different subsets the last would
win.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any

from mteb_hybrid import _mteb
from mteb_hybrid.atomic import NO_ROOM, atomic_path, locked
from mteb_hybrid.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from mteb.results import TaskResult

Mark = tuple[int, int] | None

# the files that this process adds to, as it has seen them last
_seen: dict[Path, Mark] = {}


def watch(path: Path) -> None:
    """From now on what others write into this file is kept beside what this process does."""
    _seen[path.absolute()] = _mark(path)


def forget() -> None:
    """A new run begins: what it writes replaces all that is there, unless it watches a file."""
    _seen.clear()


def write_whole() -> None:
    """Have MTEB write its result files by `_write`; a second call changes nothing."""
    _mteb.wrap_to_disk(_write)


@contextlib.contextmanager
def disk_errors(cache: Callable[[], Any]) -> Iterator[None]:
    """Within it MTEB writes into a cache, other files than a task's too, and need not say which one has no room.

    Args:
        cache: Gives the cache; asked only where that happened.

    Raises:
        StorageError: That happened; the message has the cache's folder.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in NO_ROOM or error.filename is not None or isinstance(error, StorageError):
            raise
        folder = getattr(cache(), "cache_path", "the folder of results")
        raise StorageError(
            f"{folder} has a file that cannot be written: {os.strerror(error.errno)}. Make room or choose another "
            "folder, and run the same again: what is finished is kept"
        ) from error


def _write(original: Callable[[TaskResult, Path], None], result: TaskResult, path: Path) -> None:
    with locked(path.parent):
        both = _with_others(result, path)
        with atomic_path(path) as temporary:
            original(both, temporary)
        # what was taken over is in the file alone, so that it must be looked for there again
        if path.absolute() in _seen and both is result:
            watch(path)


def _with_others(result: TaskResult, path: Path) -> TaskResult:
    """A result with the subsets that another process has stored since this one looked."""
    if path.absolute() not in _seen or _seen[path.absolute()] == _mark(path):
        return result
    try:
        stored = type(result).from_disk(path)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):  # nothing that could be kept
        return result
    if stored.dataset_revision != result.dataset_revision:
        return result
    scores: dict[str, list[Any]] = {split: list(rows) for split, rows in result.scores.items()}
    for split, rows in stored.scores.items():
        ours = {row["hf_subset"] for row in scores.setdefault(split, [])}
        scores[split] += [row for row in rows if row["hf_subset"] not in ours]
    return result.model_copy(update={"scores": scores})


def _mark(path: Path) -> Mark:
    """What changes when a file is written; None if there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns
