"""The CSV file of an evaluator: a row for each evaluation, as sentence-transformers' evaluators keep one.

These append. Here the file is written whole, so that nothing leaves half a row in it, and what a training that goes on
from a checkpoint measures takes the place of what was noted down of the steps after it.
"""

from __future__ import annotations

import csv
import math
from typing import TYPE_CHECKING

from mteb_hybrid.atomic import atomic_path

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_OUTSIDE = -1  # epoch or steps that are none: outside of a training, and steps at the end of an epoch
_PLACE = ("epoch", "steps")


def add_row(file: Path, epoch: float, steps: int, scores: Mapping[str, float]) -> None:
    """Add the scores of an evaluation to a file, which is made with its folder if it is missing.

    Rows of the same or later steps, in the same or a later epoch, are removed: a training that goes on comes to these
    steps again. At step 0 nothing goes on, and no later rows are removed. What was evaluated outside of a training
    stays, and removes nothing. Rows that are not whole are removed. Columns that only the file has, or only the scores,
    have empty cells.

    Args:
        file: The file.
        epoch: Epoch of the training; -1 outside of one.
        steps: Steps of the training; -1 at the end of an epoch.
        scores: What was measured, by column.

    Raises:
        StorageError: The file cannot be written.
        OSError: It cannot be read.
    """
    columns, rows = _read(file)
    kept = [row for row in rows if not _is_overtaken(row, epoch, steps)]
    new = {"epoch": epoch, "steps": steps, **scores}
    with atomic_path(file) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, dict.fromkeys([*columns, *new]))
        writer.writeheader()
        writer.writerows([*kept, new])


def _read(file: Path) -> tuple[list[str], list[dict[str, str]]]:
    """Columns and whole rows of a file; none where it is missing, or is no such table."""
    if not file.is_file():
        return [], []
    with file.open(encoding="utf-8", errors="replace", newline="") as stream:
        reader = csv.DictReader(stream)
        columns = list(reader.fieldnames or ())
        if tuple(columns[:2]) != _PLACE:
            return [], []
        return columns, [row for row in reader if _is_whole(row)]


def _is_whole(row: Mapping[str | None, str | None]) -> bool:
    """Whether a row has a cell for each column and no more, and says where it belongs."""
    try:
        return None not in row and None not in row.values() and all(float(row[name] or "") >= -1 for name in _PLACE)
    except ValueError:
        return False


def _is_overtaken(row: Mapping[str, str], epoch: float, steps: int) -> bool:
    """Whether a training that evaluates here comes to the place of a row again, or has just come to it."""
    then_epoch, then_steps = float(row["epoch"]), float(row["steps"])
    if _OUTSIDE in (then_epoch, epoch):
        return False
    if steps == 0:
        return then_steps == 0
    return then_epoch >= epoch and _reached(then_steps) >= _reached(steps)


def _reached(steps: float) -> float:
    """Steps as they are compared: the end of an epoch comes after all steps."""
    return math.inf if steps == _OUTSIDE else steps
