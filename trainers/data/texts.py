"""Where the texts of training items lie, and runs of items that exist in the same languages."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from datasets import Dataset
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Texts:
    """The texts of one role in one language for the items of a block, read from their Arrow table on demand.

    Attributes:
        dataset: Holds them in ``column``; memory-mapped if it was loaded from disk.
        column: Name of the column.
        rows: The table's row of each item: the first item's row if the items lie one after the other, else an array,
            int32 or int64, shape (items,).
    """

    dataset: Dataset
    column: str
    rows: int | NDArray[np.integer[Any]] = 0

    def read(self, positions: NDArray[np.int64]) -> list[str]:
        """Texts of the items at these positions of the block, int64 of shape (n,)."""
        rows = self._rows(positions)
        texts: list[str] = self.dataset[rows.tolist()][self.column]
        return texts

    def chunks(self, count: int, size: int = 10_000) -> Iterator[list[str]]:
        """The texts of the block's ``count`` items in order, ``size`` at a time."""
        for start in range(0, count, size):
            stop = min(start + size, count)
            if isinstance(self.rows, int):  # a slice is read without gathering
                yield self.dataset[self.rows + start : self.rows + stop][self.column]
            else:
                yield self.dataset[self.rows[start:stop].tolist()][self.column]

    def select(self, positions: NDArray[np.int64]) -> Texts:
        """The texts of some of the items, in the order of ``positions``."""
        return replace(self, rows=narrow(self._rows(positions)))

    def row(self, position: int) -> int:
        """The table's row of the item at this position of the block."""
        return position + self.rows if isinstance(self.rows, int) else int(self.rows[position])

    def _rows(self, positions: NDArray[np.int64]) -> NDArray[np.integer[Any]]:
        rows: NDArray[np.integer[Any]] = positions + self.rows if isinstance(self.rows, int) else self.rows[positions]
        return rows


def column_texts(dataset: Dataset, column: str, rows: int | NDArray[np.integer[Any]] = 0) -> Texts:
    """Texts that lie in one column of a data set, whose other columns are never read."""
    return Texts(dataset.select_columns([column]).with_format(None), column, rows)


def narrow(rows: NDArray[np.integer[Any]]) -> NDArray[np.integer[Any]]:
    """Numbers of rows in as few bytes as a large table leaves them: int32 if they fit, else int64."""
    return rows.astype(np.int32 if not len(rows) or rows.max() < 2**31 else np.int64)


@dataclass(frozen=True, slots=True)
class Block:
    """Items that exist in the same languages: a row of training data is one of them, a query and a passage language.

    Attributes:
        count: Number of items.
        queries: Their queries by language.
        passages: Their positive passages by language.
        negatives: Their negative passages by language, equally many for each; empty where there are none.
        collection: The collection that they are of.
        negatives_by: Whose language that is: the passage's (the negatives are in it as well) or the query's (they may
            be in any).
    """

    count: int
    queries: Mapping[str, Texts]
    passages: Mapping[str, Texts]
    negatives: Mapping[str, tuple[Texts, ...]] = field(default_factory=dict)
    collection: str = "data"
    negatives_by: Literal["passage", "query"] = "passage"

    def select(self, positions: NDArray[np.int64]) -> Block:
        """The block of some of the items, in the order of ``positions``; texts that lie in the same rows share them."""
        made: dict[tuple[bool, int], Texts] = {}

        def part(texts: Texts) -> Texts:
            key = (True, texts.rows) if isinstance(texts.rows, int) else (False, id(texts.rows))
            if key not in made:
                made[key] = texts.select(positions)
            return replace(texts, rows=made[key].rows)

        return replace(
            self,
            count=len(positions),
            queries={language: part(texts) for language, texts in self.queries.items()},
            passages={language: part(texts) for language, texts in self.passages.items()},
            negatives={language: tuple(map(part, several)) for language, several in self.negatives.items()},
        )

    def restrict(self, languages: Iterable[str]) -> Block | None:
        """The block in some of its languages; None if no query or no passage is left."""
        kept = set(languages)
        queries = {language: texts for language, texts in self.queries.items() if language in kept}
        passages = {language: texts for language, texts in self.passages.items() if language in kept}
        negatives = {language: texts for language, texts in self.negatives.items() if language in kept}
        if not queries or not passages:
            return None
        return replace(self, queries=queries, passages=passages, negatives=negatives)
