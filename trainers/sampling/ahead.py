"""What the next steps would get if no item had to be skipped, and which of them have an item twice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from mteb_hybrid.trainers.sampling.streams import ItemStream

    Ints = NDArray[np.int64]


class Ahead:
    """The items of some steps, taken from their streams without skipping; the streams stay where they are.

    They are what the steps get, but for those steps that have an item twice or draw from a stream that has skipped one.
    A stream that has made up for what it skipped goes on as if it never had.

    Args:
        streams: All streams.
        stream: The stream of every place, small integers of shape (steps, places).
        start: Number of the first of these steps.
        apart: Whether no two streams share an item, and every item counts as one of its own.
        groups: Group of every item, int64; None if every item is its own.

    Attributes:
        items: The items, int64 of shape (steps, places).
        start: Number of the first step.
        end: Number of the step after the last one.
    """

    def __init__(
        self,
        streams: Sequence[ItemStream],
        stream: NDArray[np.integer[Any]],
        start: int,
        *,
        apart: bool,
        groups: Ints | None,
    ) -> None:
        self.start = start
        self.end = start + len(stream)
        self._streams = streams
        self._stream = stream
        self._drawn = np.array([one.drawn for one in streams])
        self._totals = self._before(self.end)
        self._order = None if len(streams) == 1 else np.argsort(stream, axis=None, kind="stable")
        drawn = [one.peek(count) for one, count in zip(streams, self._totals.tolist(), strict=True)]
        if self._order is None:
            self.items = drawn[0].reshape(stream.shape)
        else:
            self.items = np.empty(stream.shape, dtype=np.int64)
            self.items.ravel()[self._order] = np.concatenate(drawn)
        suspects = self._ends_of_passes() if apart else np.arange(len(stream))
        self._clashes = start + suspects[_has_twins(self.items[suspects], groups)]

    def clear_until(self, step: int) -> int:
        """The first step from this one on that must be filled place by place; ``end`` if none must."""
        place = int(np.searchsorted(self._clashes, step))
        stop = int(self._clashes[place]) if place < len(self._clashes) else self.end
        behind = np.array([one.behind > 0 for one in self._streams])
        if behind.any():
            uses = behind[self._stream[step - self.start : stop - self.start]].any(axis=1)
            stop = step + int(uses.argmax()) if uses.any() else stop
        return stop

    def fits(self, step: int) -> bool:
        """Whether as much is drawn from the streams as if all steps before this one had got these items."""
        expected = (self._drawn + self._before(step)).tolist()
        return all(one.drawn == number for one, number in zip(self._streams, expected, strict=True))

    def move(self, step: int) -> None:
        """Draw what the steps before this one get."""
        for one, number in zip(self._streams, (self._drawn + self._before(step)).tolist(), strict=True):
            one.drawn = number

    def _before(self, step: int) -> Ints:
        """How many items of each stream the steps before this one draw."""
        return np.bincount(self._stream[: step - self.start].ravel(), minlength=len(self._streams))

    def _ends_of_passes(self) -> Ints:
        """Positions of the steps that draw from a stream at the end of a pass and the beginning of the next."""
        found = set()
        first = 0
        places = self._stream.shape[1]
        for one, drawn, total in zip(self._streams, self._drawn.tolist(), self._totals.tolist(), strict=True):
            for number in range(one.length - drawn % one.length, total, one.length):
                if number:
                    before, after = (
                        first + place if self._order is None else int(self._order[first + place])
                        for place in (number - 1, number)
                    )
                    if before // places == after // places:
                        found.add(after // places)
            first += total
        return np.array(sorted(found), dtype=np.int64)


def _has_twins(items: Ints, groups: Ints | None) -> NDArray[np.bool_]:
    """Whether a row has an item twice, or two of one group; bool of shape (rows,)."""
    ordered = np.sort(items if groups is None else groups[items], axis=1)
    twins: NDArray[np.bool_] = (ordered[:, 1:] == ordered[:, :-1]).any(axis=1)
    return twins
