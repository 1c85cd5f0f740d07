"""Putting items at the places of a step, none twice, along random orders that visit every item equally often."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mteb_hybrid.trainers.sampling.ahead import Ahead
from mteb_hybrid.trainers.sampling.streams import ItemStream

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from mteb_hybrid.trainers.data.pool import Pool
    from mteb_hybrid.trainers.data.rows import TrainingRows
    from mteb_hybrid.trainers.sampling.plan import Plan

    Ints = NDArray[np.int64]
    Small = NDArray[np.integer[Any]]

_CHUNK_PLACES = 2**15
_FIRST_REACH = 16


class StepFiller:
    """The steps of one epoch: for every place of a step a row of the data.

    By definition a step is filled place by place: a place takes the next item of the stream of its language pair; an
    item that is already in the step is skipped, and is the first that the stream offers to the next place. If every
    item of the stream is in the step already, the place draws another of its streams, and then another language pair.
    What is computed is the same, but many steps at a time, since most steps meet no item twice.

    Pairs that the same items have share a stream. A stream goes on where it is expected to have stopped in the epoch
    before. Where all items have all languages there is one stream, whose passes are whole steps.

    Args:
        rows: The data.
        plan: Probabilities of the language pairs.
        places: Number of places of a step.
        steps: Number of steps of an epoch.
        seed: An integer at least 0.
        epoch: The epoch, from 0.
    """

    def __init__(self, rows: TrainingRows, plan: Plan, *, places: int, steps: int, seed: int, epoch: int) -> None:
        self._rows = rows
        self._plan = plan
        self._places = places
        self._steps = steps
        self._seed = seed
        self._epoch = epoch
        self._reach = _FIRST_REACH
        self._queries, self._passages = plan.pairs[:, 0].copy(), plan.pairs[:, 1].copy()
        self._streams_of: list[list[tuple[int, float]]] = [[] for _ in plan.pairs]  # and their probabilities
        self._streams = self._make_streams()
        self._only_stream = np.array(
            [several[0][0] if several else 0 for several in self._streams_of],
            dtype=np.min_scalar_type(len(self._streams)),
        )
        blocks = [block for stream in self._streams for block in stream.pool.blocks]
        self._apart = rows.groups is None and len(blocks) == len(set(blocks))  # no two streams can clash

    def _make_streams(self) -> list[ItemStream]:
        number: dict[tuple[int, ...], int] = {}
        pools: list[Pool] = []
        expected: list[float] = []
        for code, share in enumerate(self._plan.shares):
            if share <= 0:
                continue
            query, passage = self._plan.pairs[code].tolist()
            for pool, probability in self._rows.pools(query, passage):
                if pool.blocks not in number:
                    number[pool.blocks] = len(pools)
                    pools.append(pool)
                    expected.append(0.0)
                stream = number[pool.blocks]
                expected[stream] += share * probability
                self._streams_of[code].append((stream, probability))
        drawn = self._epoch * self._steps * self._places
        # passes of one stream alone end with a step, so that no step has items of two
        length = None if len(pools) > 1 else pools[0].size - pools[0].size % self._places
        return [
            ItemStream(pool, self._seed, round(drawn * min(1.0, share)), length)
            for pool, share in zip(pools, expected, strict=True)
        ]

    def __iter__(self) -> Iterator[list[int]]:
        """Rows of the data set, step after step, each a list with one row per place."""
        chunk = max(1, _CHUNK_PLACES // self._places)
        for number, first in enumerate(range(0, self._steps, chunk)):
            rng = np.random.default_rng([self._seed, self._epoch, number])
            steps = min(chunk, self._steps - first)
            cross, codes = self._plan.draw(rng, first, steps, self._places)
            yield from self._fill(first, cross, codes, self._draw_streams(rng, codes))

    def _draw_streams(self, rng: np.random.Generator, codes: Small) -> Small:
        """The stream of each place, of the shape of ``codes``."""
        stream = self._only_stream[codes]
        if self._rows.temperature != 1.0:
            chance = rng.random(codes.shape)
            for code, several in enumerate(self._streams_of):
                if len(several) > 1:
                    here = codes == code
                    upper = np.cumsum([probability for _, probability in several])
                    drawn = np.minimum(np.searchsorted(upper, chance[here], side="right"), len(several) - 1)
                    stream[here] = np.array([one for one, _ in several])[drawn]
        return stream

    def _fill(self, first: int, cross: NDArray[np.bool_], codes: Small, stream: Small) -> Iterator[list[int]]:
        """Steps of given kinds, pairs and streams, the first of them number ``first`` of the epoch."""
        ahead: Ahead | None = None
        step = 0
        while step < len(codes):
            if ahead is None:
                seen = stream[step : step + self._reach]
                ahead = Ahead(self._streams, seen, step, apart=self._apart, groups=self._rows.groups)
            clear = slice(step, ahead.clear_until(step))
            items = ahead.items[clear.start - ahead.start : clear.stop - ahead.start]
            yield from self._rows.encode(items, self._queries[codes[clear]], self._passages[codes[clear]]).tolist()
            ahead.move(clear.stop)
            step = clear.stop
            if step == ahead.end:
                ahead = None
                self._reach = min(2 * self._reach, _CHUNK_PLACES)
            else:
                yield self._one_by_one(first + step, bool(cross[step]), codes[step], stream[step])
                step += 1
                if not ahead.fits(step):  # a place has drawn elsewhere: where that is common, look less far
                    ahead = None
                    self._reach = _FIRST_REACH

    def _one_by_one(self, step: int, cross: bool, codes: Small, streams: Small) -> list[int]:
        """One step by the definition."""
        taken: set[int] = set()
        items = np.empty(self._places, dtype=np.int64)
        codes = codes.copy()
        for place, stream in enumerate(streams.tolist()):
            item = self._streams[stream].take_free(taken, self._rows.groups)
            if item is None:
                item, codes[place] = self._elsewhere(step, place, cross, int(codes[place]), taken)
            items[place] = item
        rows: list[int] = self._rows.encode(items, self._queries[codes], self._passages[codes]).tolist()
        return rows

    def _elsewhere(self, step: int, place: int, cross: bool, code: int, taken: set[int]) -> tuple[int, int]:
        """An item for a place whose stream has none left: of its pair if there is one, else of another pair."""
        others = self._plan.others(np.random.default_rng([self._seed, self._epoch, step, place]), cross)
        for other in [code, *others]:
            for stream, _ in self._streams_of[other]:
                item = self._streams[stream].take_free(taken, self._rows.groups)
                if item is not None:
                    return item, other
        raise AssertionError("the sampler has checked that a step can be filled")
