"""Training triples of a question's, a relevant and a negative passage's ids, read from a file of any size."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from mteb_hybrid.errors import TrainingDataError
from mteb_hybrid.trainers.data.builders.files import parse_tsv, tables

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    Ints = NDArray[np.int64]

logger = logging.getLogger(__name__)

_COLUMNS = ("query", "positive", "negative")
_FORM = "three whole numbers (question, relevant passage, negative passage) with tabs between them"


def read_triples(path: Path, negatives: int, max_items: int | None) -> NDArray[np.int32]:
    """The items of a file of triples: pairs of question and relevant passage, with their first different negatives.

    A pair with fewer negatives than asked for is left out, because every row of a batch needs equally many. Items come
    in the order in which the file completes them, so that the first ones are known before the rest is read.

    Args:
        path: Lines of three ids, in any order; a pair stands in as many lines as it has negatives.
        negatives: Negatives of each item, at least 0.
        max_items: Only the first so many; the file is read no further than needed.

    Returns:
        Ids of question, relevant passage and negatives, int32 of shape (items, 2 + negatives).

    Raises:
        TrainingDataError: The file cannot be read, a line is malformed, or no pair has so many negatives.
    """
    needed = max(negatives, 1)  # without negatives, a pair is complete in the first of its lines
    waiting = _Lines.none()
    known = np.empty(0, dtype=np.int64)  # pairs that are complete, sorted
    complete: list[_Lines] = []
    read = 0
    for table in tables(path, parse_tsv(dict.fromkeys(_COLUMNS, pa.int32())), _FORM):
        new = _Lines.of(table, read)
        read += len(new.pair)
        waiting = waiting.join(new.select(~_among(new.pair, known))).first(needed)
        done = waiting.complete(needed)
        complete.append(waiting.select(done))
        waiting = waiting.select(~done)
        known = np.union1d(known, complete[-1].pair)
        if max_items is not None and len(known) >= max_items:
            break
    else:
        if len(waiting.pair):
            few = len(np.unique(waiting.pair))
            logger.warning("%s: %d pairs have fewer than %d negatives and are left out", path, few, negatives)
    found = [part.items(needed) for part in complete]
    items = np.concatenate([ids for ids, _ in found]) if found else np.empty((0, 2 + needed), dtype=np.int32)
    if not len(items):
        raise TrainingDataError(
            f"{path} has no pair of question and relevant passage with {negatives} negatives; ask for fewer"
        )
    order = np.argsort(np.concatenate([line for _, line in found]))[:max_items]
    return np.ascontiguousarray(items[order, : 2 + negatives])


class _Lines:
    """Lines of a file of triples; all arrays int64 of shape (lines,).

    Attributes:
        pair: Question and relevant passage in one number.
        negative: The negative passage.
        line: Number of the line.
    """

    def __init__(self, pair: Ints, negative: Ints, line: Ints) -> None:
        self.pair, self.negative, self.line = pair, negative, line

    @classmethod
    def none(cls) -> _Lines:
        """No line."""
        return cls(*(np.empty(0, dtype=np.int64) for _ in range(3)))

    @classmethod
    def of(cls, table: pa.Table, first: int) -> _Lines:
        """The lines of a table, the first of which has the number ``first``."""
        query, positive, negative = (table.column(name).to_numpy().astype(np.int64) for name in _COLUMNS)
        return cls(query << 32 | positive & 0xFFFFFFFF, negative, first + np.arange(len(query)))

    def select(self, which: NDArray[np.bool_] | Ints) -> _Lines:
        """Some of the lines."""
        return _Lines(self.pair[which], self.negative[which], self.line[which])

    def join(self, other: _Lines) -> _Lines:
        """These lines and others."""
        ours, theirs = (self.pair, self.negative, self.line), (other.pair, other.negative, other.line)
        return _Lines(*(np.concatenate(both) for both in zip(ours, theirs, strict=True)))

    def first(self, count: int) -> _Lines:
        """The first ``count`` lines of each pair with different negatives, sorted by pair and line."""
        ordered = self.select(np.lexsort((self.line, self.negative, self.pair)))
        again = (ordered.pair[1:] == ordered.pair[:-1]) & (ordered.negative[1:] == ordered.negative[:-1])
        distinct = ordered.select(np.append(True, ~again)[: len(ordered.pair)])
        by_line = distinct.select(np.lexsort((distinct.line, distinct.pair)))
        return by_line.select(np.arange(len(by_line.pair)) - np.searchsorted(by_line.pair, by_line.pair) < count)

    def complete(self, count: int) -> NDArray[np.bool_]:
        """Which lines are of pairs that have ``count`` lines; the lines are sorted by pair."""
        start = np.searchsorted(self.pair, self.pair)
        end = np.searchsorted(self.pair, self.pair, side="right")
        complete: NDArray[np.bool_] = end - start == count
        return complete

    def items(self, count: int) -> tuple[NDArray[np.int32], Ints]:
        """Ids of pairs with ``count`` lines each, sorted by pair, and the last line of each pair."""
        pair, line = self.pair[::count], self.line[count - 1 :: count]
        ids = np.column_stack([pair >> 32, pair << 32 >> 32, self.negative.reshape(-1, count)])
        return ids.astype(np.int32), line


def _among(values: Ints, known: Ints) -> NDArray[np.bool_]:
    """Which values are among those that are known, sorted."""
    if not len(known):
        return np.zeros(len(values), dtype=np.bool_)
    found: NDArray[np.bool_] = known[np.minimum(np.searchsorted(known, values), len(known) - 1)] == values
    return found
