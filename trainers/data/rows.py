"""What a batch sampler knows of training data: the triples that it holds, and which items count as one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mteb_hybrid.errors import TrainingDataError
from mteb_hybrid.trainers.data.pool import Pool

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from mteb_hybrid.trainers.data.triples import Triples

    Ints = NDArray[np.int64]


@dataclass(frozen=True)
class TrainingRows:
    """The rows of a training set as triples of item, query language and passage language.

    Attributes:
        triples: Their numbering.
        groups: For every item the smallest item that counts as the same, int64; None if every item stands alone.
        order: The data set's row of every triple, if that is another; integers of shape (triples,).
        temperature: Collections are drawn in proportion to their number of items to the power of 1 / temperature.
        evaluation: Whether batches are fixed, as an evaluation set's.
    """

    triples: Triples
    groups: Ints | None = None
    order: NDArray[np.integer[Any]] | None = None
    temperature: float = 1.0
    evaluation: bool = False

    def __post_init__(self) -> None:
        if not (np.isfinite(self.temperature) and self.temperature > 0):
            raise TrainingDataError(f"temperature must be a number above 0, got {self.temperature!r}")

    def available(self, languages: Iterable[str] | None) -> set[tuple[int, int]]:
        """Language pairs, as codes, that at least one item has; by default in all languages.

        Raises:
            TrainingDataError: A language is not in the data.
        """
        known = self.triples.languages
        wanted = set(known if languages is None else languages)
        if unknown := sorted(wanted - set(known)):
            raise TrainingDataError(f"the data has no language {unknown[0]!r}; it has {', '.join(known)}")
        codes = [self.triples.code(language) for language in sorted(wanted)]
        return {(query, passage) for query in codes for passage in codes if self.triples.blocks_with(query, passage)}

    def pools(self, query: int, passage: int) -> list[tuple[Pool, float]]:
        """The pools that a place of this language pair draws from, with their probabilities.

        One pool of all items that have the pair; with a temperature other than 1, one for each collection.
        """
        blocks = self.triples.blocks_with(query, passage)
        if self.temperature == 1.0:
            return [(self._pool(blocks), 1.0)]
        by_collection: dict[str, list[int]] = {}
        for block in blocks:
            by_collection.setdefault(self.triples.shapes[block].collection, []).append(block)
        pools = [self._pool(tuple(members)) for members in by_collection.values()]
        weights = [pool.size ** (1.0 / self.temperature) for pool in pools]
        return [(pool, weight / sum(weights)) for pool, weight in zip(pools, weights, strict=True)]

    def _pool(self, blocks: tuple[int, ...]) -> Pool:
        starts = self.triples.item_start
        counts = [self.triples.shapes[block].count for block in blocks]
        return Pool(blocks, [int(starts[block]) for block in blocks], counts)

    def count_distinct(self, pairs: Iterable[tuple[int, int]], enough: int) -> int:
        """How many items that count as different have at least one of the language pairs; counted up to ``enough``."""
        pool = self._pool(self._blocks(pairs))
        if self.groups is None:
            return min(pool.size, enough)
        found: set[int] = set()
        for items in pool.chunks():
            found.update(self.groups[items].tolist())
            if len(found) >= enough:
                return enough
        return len(found)

    def count_items(self, pairs: Iterable[tuple[int, int]]) -> int:
        """How many items have at least one of the language pairs."""
        return self._pool(self._blocks(pairs)).size

    def encode(self, items: Ints, query: Ints, passage: Ints) -> NDArray[np.integer[Any]]:
        """The data set's rows of triples; the items must have the languages. All arrays have the same shape."""
        alone = self.triples.rows == self.triples.items  # every item is one row, so that they have the same numbers
        rows = items if alone else self.triples.encode(items, query, passage)
        return rows if self.order is None else self.order[rows]

    def _blocks(self, pairs: Iterable[tuple[int, int]]) -> tuple[int, ...]:
        return tuple(sorted({block for pair in pairs for block in self.triples.blocks_with(*pair)}))
