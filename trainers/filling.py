"""Putting items at the places of a step, none twice, along random orders that visit every item equally often."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mteb_hybrid.trainers.streams import ItemStream

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from mteb_hybrid.trainers.plan import Plan
    from mteb_hybrid.trainers.rows import TrainingRows
    from mteb_hybrid.trainers.streams import Pool

    Ints = NDArray[np.int64]

_CHUNK_PLACES = 2**15


class StepFiller:
    """The steps of one epoch: for every place of a step a row of the data.

    By definition a step is filled place by place: a place takes the next item of the stream of its language pair; an
    item that is already in the step is skipped, and is the first that the stream offers to the next place. If every
    item of the stream is in the step already, the place draws another of its streams, and then another language pair.
    What is computed is the same, but many steps at a time, since most steps meet no item twice.

    Pairs that the same items have share a stream. Where all items have all languages there is one stream, and an epoch
    visits each item once. A stream goes on where it is expected to have stopped in the epoch before.

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
        self._streams: list[ItemStream] = []
        width = len(rows.triples.languages)
        self._of_pair: dict[tuple[int, int], list[tuple[int, float]]] = {}
        self._only_stream = np.full((width, width), -1, dtype=np.int64)
        self._make_streams()

    def _make_streams(self) -> None:
        shares = self._plan.shares()
        number: dict[tuple[int, ...], int] = {}
        pools: list[Pool] = []
        expected: list[float] = []
        for pair, share in shares.items():
            several = self._rows.pools(*pair)
            for pool, probability in several:
                if pool.blocks not in number:
                    number[pool.blocks] = len(pools)
                    pools.append(pool)
                    expected.append(0.0)
                stream = number[pool.blocks]
                expected[stream] += share * probability
                self._of_pair.setdefault(pair, []).append((stream, probability))
            if len(several) == 1:
                self._only_stream[pair] = self._of_pair[pair][0][0]
        drawn = self._epoch * self._steps * self._places
        self._streams = [
            ItemStream(pool, self._seed, round(drawn * min(1.0, share)))
            for pool, share in zip(pools, expected, strict=True)
        ]

    def __iter__(self) -> Iterator[list[int]]:
        """Rows of the data set, step after step, each a list with one row per place."""
        chunk = max(1, _CHUNK_PLACES // self._places)
        for number, first in enumerate(range(0, self._steps, chunk)):
            rng = np.random.default_rng([self._seed, self._epoch, number])
            yield from self._chunk(rng, first, min(chunk, self._steps - first))

    def _chunk(self, rng: np.random.Generator, first: int, steps: int) -> Iterator[list[int]]:
        cross, query, passage = self._plan.draw(rng, steps, self._places)
        stream = self._draw_streams(rng, query, passage)
        behind = any(stream.skipped for stream in self._streams)
        items = self._straight(stream)
        rows = self._rows.dataset_rows(self._rows.triples.encode(items, query, passage)).tolist()
        clash = self._clashes(items)
        counts = None
        straight = not behind
        for step in range(steps):
            if straight and not clash[step]:
                yield rows[step]
                continue
            if counts is None:
                starts = [one.cursor for one in self._streams]
                counts = self._counts_before(stream)
            if straight:  # the streams have not been moved yet
                for one, start, count in zip(self._streams, starts, counts[step], strict=True):
                    one.cursor = start + int(count)
            yield self._one_by_one(first + step, bool(cross[step]), stream[step], query[step], passage[step])
            # nothing skipped and as many draws as places: the streams stand where they would have stood
            straight = not behind and all(
                not one.skipped and one.cursor == start + count
                for one, start, count in zip(self._streams, starts, counts[step + 1], strict=True)
            )
        if straight:
            totals = np.bincount(stream.ravel(), minlength=len(self._streams))
            for one, start, count in zip(
                self._streams, [one.cursor for one in self._streams] if counts is None else starts, totals, strict=True
            ):
                one.cursor = start + int(count)

    def _draw_streams(self, rng: np.random.Generator, query: Ints, passage: Ints) -> Ints:
        """The stream of each place, int64 of the shape of ``query``."""
        stream = self._only_stream[query, passage]
        if self._rows.temperature != 1.0:
            chance = rng.random(query.shape)
            for (first, second), several in self._of_pair.items():
                here = (query == first) & (passage == second)
                upper = np.cumsum([probability for _, probability in several])
                drawn = np.minimum(np.searchsorted(upper, chance[here], side="right"), len(several) - 1)
                stream[here] = np.array([one for one, _ in several])[drawn]
        return stream

    def _straight(self, stream: Ints) -> Ints:
        """The items if no stream skips anything, int64 of the shape of ``stream``."""
        if len(self._streams) == 1:
            only = self._streams[0]
            return only.at(only.cursor, stream.size).reshape(stream.shape)
        items = np.empty(stream.shape, dtype=np.int64)
        for number, one in enumerate(self._streams):
            here = stream == number
            items[here] = one.at(one.cursor, int(here.sum()))
        return items

    def _clashes(self, items: Ints) -> NDArray[np.bool_]:
        """Whether a step has an item twice, bool of shape (steps,)."""
        if len(self._streams) == 1 and self._rows.groups is None:
            only = self._streams[0]
            if only.cursor % only.pool.size + items.size <= only.pool.size:  # within one pass nothing comes twice
                return np.zeros(len(items), dtype=np.bool_)
        groups = items if self._rows.groups is None else self._rows.groups[items]
        ordered = np.sort(groups, axis=1)
        clashes: NDArray[np.bool_] = (ordered[:, 1:] == ordered[:, :-1]).any(axis=1)
        return clashes

    def _counts_before(self, stream: Ints) -> Ints:
        """Places of each stream before each step, int64 of shape (steps + 1, streams)."""
        steps, width = len(stream), len(self._streams)
        keys = np.arange(steps)[:, None] * width + stream
        counts = np.bincount(keys.ravel(), minlength=steps * width).reshape(steps, width)
        return np.concatenate([np.zeros((1, width), dtype=np.int64), np.cumsum(counts, axis=0)])

    def _one_by_one(self, step: int, cross: bool, streams: Ints, queries: Ints, passages: Ints) -> list[int]:
        """One step by the definition."""
        taken: set[int] = set()
        items = np.empty(self._places, dtype=np.int64)
        query, passage = queries.copy(), passages.copy()
        for place in range(self._places):
            item = self._streams[streams[place]].take_free(taken, self._rows.groups)
            if item is None:
                item, query[place], passage[place] = self._elsewhere(
                    step, place, cross, int(query[place]), int(passage[place]), taken
                )
            items[place] = item
        rows: list[int] = self._rows.dataset_rows(self._rows.triples.encode(items, query, passage)).tolist()
        return rows

    def _elsewhere(
        self, step: int, place: int, cross: bool, query: int, passage: int, taken: set[int]
    ) -> tuple[int, int, int]:
        """An item for a place whose stream has none left: of its pair if there is one, else of another pair."""
        rng = np.random.default_rng([self._seed, self._epoch, step, place])
        choice = self._plan.choice(cross)
        one_language = not cross and not self._plan.mixed
        with_weights = rng.random(len(choice)) ** (1.0 / choice.probabilities)  # a weighted shuffle: the largest first
        order = [(query, passage)]
        if not one_language:
            order += [(int(first), int(second)) for first, second in choice.pairs[np.argsort(-with_weights)]]
        for first, second in order:
            for stream, _ in self._of_pair[first, second]:
                item = self._streams[stream].take_free(taken, self._rows.groups)
                if item is not None:
                    return item, first, second
        raise AssertionError("the sampler has checked that a step can be filled")
