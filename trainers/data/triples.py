"""Numbers for (item, query language, passage language) triples, without a list of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Shape:
    """What a run of items has: how many there are, and their query and passage languages.

    Attributes:
        count: Number of items, at least 1.
        queries: Their query languages.
        passages: Their passage languages.
        collection: The collection that they are of.
    """

    count: int
    queries: tuple[str, ...]
    passages: tuple[str, ...]
    collection: str = "data"


@dataclass(frozen=True, slots=True)
class Decoded:
    """What rows are; every array int64 of shape (rows,).

    Attributes:
        item: Items, counted over all blocks.
        block: Their blocks.
        position: Their places within the blocks.
        query: Query languages as positions in `Triples.languages`.
        passage: Passage languages, likewise.
    """

    item: Ints
    block: Ints
    position: Ints
    query: Ints
    passage: Ints


class Triples:
    """All (item, query language, passage language) triples of blocks of items, numbered from 0.

    Rows lie block after block, in a block item after item, of an item query language after query language. So a number
    is decoded by arithmetic, and what is stored grows with the number of blocks, not of items.

    Args:
        shapes: The blocks, in order.

    Attributes:
        languages: All languages, sorted.
        items: Number of items.
        rows: Number of triples.
        item_start: First item of each block, int64, shape (blocks + 1,); the last entry is ``items``.
    """

    def __init__(self, shapes: Sequence[Shape]) -> None:
        self.shapes = tuple(shapes)
        self.languages = tuple(sorted({name for shape in shapes for name in (*shape.queries, *shape.passages)}))
        number = {language: code for code, language in enumerate(self.languages)}
        self.item_start = _starts([shape.count for shape in shapes])
        self._stride = np.array([len(shape.queries) * len(shape.passages) for shape in shapes], dtype=np.int64)
        self._row_start = _starts([shape.count * int(step) for shape, step in zip(shapes, self._stride, strict=True)])
        self.items = int(self.item_start[-1])
        self.rows = int(self._row_start[-1])
        width = len(self.languages)
        # place of a language pair among a block's own, and back; -1: the block does not have the pair
        self._place = np.full((len(shapes), width, width), -1, dtype=np.int64)
        self._counts = {
            "query": np.array([len(shape.queries) for shape in shapes], dtype=np.int64),
            "passage": np.array([len(shape.passages) for shape in shapes], dtype=np.int64),
        }
        self._codes = {role: np.full((len(shapes), width), -1, dtype=np.int64) for role in self._counts}
        for block, shape in enumerate(shapes):
            queries = np.array([number[name] for name in shape.queries], dtype=np.int64)
            passages = np.array([number[name] for name in shape.passages], dtype=np.int64)
            self._codes["query"][block, : len(queries)] = queries
            self._codes["passage"][block, : len(passages)] = passages
            places = np.arange(self._stride[block]).reshape(len(queries), len(passages))
            self._place[block, queries[:, None], passages[None, :]] = places

    def code(self, language: str) -> int:
        """A language's position in ``languages``; ValueError for one that is not there."""
        return self.languages.index(language)

    def blocks_with(self, query: int, passage: int) -> tuple[int, ...]:
        """Blocks whose items have a query in the one and a passage in the other language."""
        return tuple(np.flatnonzero(self._place[:, query, passage] >= 0).tolist())

    def encode(self, item: Ints, query: Ints, passage: Ints) -> Ints:
        """Rows of triples; the three arrays broadcast. The items must have the languages."""
        block = (
            np.searchsorted(self.item_start, item, side="right") - 1 if len(self.shapes) > 1 else np.zeros_like(item)
        )
        rows: Ints = self._row_start[block] + (item - self.item_start[block]) * self._stride[block]
        rows += self._place[block, query, passage]
        return rows

    def decode(self, row: Ints) -> Decoded:
        """What the rows are, int64 of shape (rows,), each in [0, ``rows``)."""
        block = np.searchsorted(self._row_start, row, side="right") - 1
        position, place = np.divmod(row - self._row_start[block], self._stride[block])
        query, passage = np.divmod(place, self._counts["passage"][block])
        return Decoded(
            item=self.item_start[block] + position,
            block=block,
            position=position,
            query=self._codes["query"][block, query],
            passage=self._codes["passage"][block, passage],
        )

    def another(self, block: Ints, language: Ints, row: Ints, role: Literal["query", "passage"]) -> Ints:
        """For rows of some blocks a further language that their items have, the same one where they have no other.

        Which one is fixed for a row, and as good as random among rows.

        Args:
            block: Blocks, int64 of shape (rows,).
            language: Languages that are not wanted, as positions in ``languages``, likewise.
            row: Numbers of the rows, likewise.
            role: Whose languages.
        """
        count, codes = self._counts[role][block], self._codes[role][block]
        chance = (row.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15) >> np.uint64(33)
        choice = (chance % np.maximum(count - 1, 1).astype(np.uint64)).astype(np.int64)
        own = np.argmax(codes == language[:, None], axis=1)
        choice += (choice >= own) & (count > 1)
        return codes[np.arange(len(block)), choice]


def _starts(counts: Sequence[int]) -> Ints:
    return np.concatenate([[0], np.cumsum(counts, dtype=np.int64)]).astype(np.int64)
