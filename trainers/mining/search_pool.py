"""What hard negatives are mined from: queries, the passages that are searched, and which of them belong together."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal, Self

import numpy as np
import xxhash
from datasets import Dataset, concatenate_datasets
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

if TYPE_CHECKING:
    from collections.abc import Collection

    from numpy.typing import NDArray

    from mteb_hybrid.trainers.data.parallel_dataset import ParallelDataset
    from mteb_hybrid.trainers.data.texts import Texts

    Ints = NDArray[np.int64]

COLUMN = "text"


@dataclass(frozen=True)
class RoleTexts:
    """The queries or the passages of a view in some languages: language after language, in one the items in order.

    Attributes:
        dataset: Holds them in column ``text``: the items' own tables one after the other, memory-mapped as they are.
        row: Row of each text in it, int64, shape (texts,).
        item: Item of each text, likewise.
        digest: 64-bit hash of each text without surrounding white space, uint64, likewise.
    """

    dataset: Dataset
    row: Ints
    item: Ints
    digest: NDArray[np.uint64]

    @classmethod
    def of(cls, view: ParallelDataset, role: Literal["query", "passage"], languages: Collection[str]) -> Self:
        """Gather them; every text is read once."""
        starts = view.training_rows.triples.item_start.tolist()
        start_of: dict[tuple[int, str], int] = {}  # first row of each table, by the object and its column
        tables: list[Dataset] = []
        rows, items, digests = [], [], []
        total = 0
        for language in languages:
            for block, first in zip(view.blocks, starts, strict=False):
                texts = (block.queries if role == "query" else block.passages).get(language)
                if texts is None:
                    continue
                key = (id(texts.dataset), texts.column)
                if key not in start_of:
                    start_of[key] = total
                    tables.append(_table(texts, tables))
                    total += len(texts.dataset)
                within = np.arange(block.count) + texts.rows if isinstance(texts.rows, int) else texts.rows
                rows.append(start_of[key] + within.astype(np.int64))
                items.append(np.arange(first, first + block.count))
                digests += [_digests(chunk) for chunk in texts.chunks(block.count)]
        if not tables:
            none = np.empty(0, dtype=np.int64)
            return cls(Dataset.from_dict({COLUMN: []}), none, none, none.astype(np.uint64))
        dataset = tables[0] if len(tables) == 1 else concatenate_datasets(tables)
        return cls(dataset, np.concatenate(rows), np.concatenate(items), np.concatenate(digests))

    @cached_property
    def distinct(self) -> tuple[Ints, Ints]:
        """Equal texts, numbered as they first occur: the number of each text, and the first place of each number.

        Two arrays, int64 of shapes (texts,) and (distinct texts,).
        """
        _, first, inverse = np.unique(self.digest, return_index=True, return_inverse=True)
        order = np.argsort(first)
        number = np.empty(len(order), dtype=np.int64)
        number[order] = np.arange(len(order))
        return number[inverse], first[order].astype(np.int64)

    def read(self, places: Ints) -> list[str]:
        """The texts at some places, int64 in [0, texts) of shape (n,)."""
        texts: list[str] = self.dataset[self.row[places].tolist()][COLUMN]
        return texts

    def fingerprint(self) -> str:
        """A digest of the texts, in their order, and of whose they are; 64 hex digits."""
        return hashlib.sha256(self.digest.tobytes() + self.item.tobytes()).hexdigest()


@dataclass(frozen=True)
class Search:
    """One search for negatives: the queries of one language against the passages of one or all.

    Equal queries are one anchor, equal passages one candidate. Anchors, candidates and items fall into families: an
    item is in one with its queries, its passages, the items that the view counts as the same, and everything of equal
    text. What is in an anchor's family is no negative of it.

    Attributes:
        queries: The queries.
        passages: The passages that are searched.
        families: Number of families.
        item_family: Family of each item of the view, int64, shape (items,).
        anchor_family: Family of each anchor, int64, shape (anchors,).
        candidate_family: Family of each candidate, int64, shape (candidates,).
    """

    queries: RoleTexts
    passages: RoleTexts
    families: int
    item_family: Ints
    anchor_family: Ints
    candidate_family: Ints

    @classmethod
    def of(cls, queries: RoleTexts, passages: RoleTexts, items: int, groups: Ints | None) -> Self:
        """Find the families.

        Args:
            queries: The queries.
            passages: The passages that are searched.
            items: Number of items of the view.
            groups: For every item the smallest item that counts as the same, int64; None if every item stands alone.
        """
        (anchor, first_anchor), (candidate, first_candidate) = queries.distinct, passages.distinct
        # a graph of items, then candidates, then anchors: what is connected is a family
        anchors_from = items + len(first_candidate)
        nodes = anchors_from + len(first_anchor)
        ends = [(passages.item, items + candidate), (queries.item, anchors_from + anchor)]
        if groups is not None:
            ends.append((np.arange(items), groups))
        left, right = (np.concatenate(side) for side in zip(*ends, strict=True))
        graph = coo_array((np.ones(len(left), dtype=np.int8), (left, right)), shape=(nodes, nodes))
        families, family = connected_components(graph, directed=False)
        item, of_candidate, of_anchor = np.split(family.astype(np.int64), [items, anchors_from])
        return cls(queries, passages, int(families), item, of_anchor, of_candidate)

    @cached_property
    def positives(self) -> tuple[Ints, Ints]:
        """Which candidates are right answers of each anchor: those of all items with this query, each once.

        Returns:
            Candidates, anchor after anchor, int64; and where each anchor's start, int64 of shape (anchors + 1,).
        """
        (anchor, first_anchor), (candidate, first_candidate) = self.queries.distinct, self.passages.distinct
        order = np.argsort(self.passages.item, kind="stable")
        items = self.passages.item[order]
        start = np.searchsorted(items, self.queries.item)
        counts = np.searchsorted(items, self.queries.item, side="right") - start
        # the places start, start + 1, ... of each query's item, one query after the other
        places = np.arange(counts.sum()) + np.repeat(start - np.cumsum(counts) + counts, counts)
        pairs = np.unique(np.repeat(anchor, counts) * len(first_candidate) + candidate[order[places]])
        anchors, candidates = np.divmod(pairs, len(first_candidate))
        return candidates, np.searchsorted(anchors, np.arange(len(first_anchor) + 1))

    def is_family(self, family: Ints, candidates: Ints) -> NDArray[np.bool_]:
        """Whether candidates are of a family; those below 0 are of none. The arrays broadcast."""
        found: NDArray[np.bool_] = (self.candidate_family[candidates] == family) & (candidates >= 0)
        return found

    def fingerprint(self) -> str:
        """A digest of everything that the result hangs on but model and settings; 64 hex digits."""
        parts = (self.queries.fingerprint(), self.passages.fingerprint())
        return hashlib.sha256("".join(parts).encode() + self.item_family.tobytes()).hexdigest()


def fill_at_random(search: Search, found: Ints, family: Ints, rng: np.random.Generator) -> None:
    """Put random candidates in the places that are below 0, as far as there are any: not of the family, none twice.

    Args:
        search: Holds the candidates.
        found: Candidates of some rows, int64, shape (rows, negatives); changed.
        family: Family of each row, int64, shape (rows,).
        rng: Draws them.
    """
    pool = len(search.candidate_family)
    lacking = np.flatnonzero((found < 0).any(axis=1))
    for _ in range(30):  # each round fills nearly all places, unless the pool is tiny or all of one family
        if not len(lacking):
            return
        rows = found[lacking]
        drawn = np.where(rows < 0, rng.integers(0, pool, rows.shape), rows)
        wrong = search.is_family(family[lacking][:, None], drawn)
        for place in range(1, drawn.shape[1]):
            wrong[:, place] |= (drawn[:, :place] == drawn[:, place, None]).any(axis=1)
        # what is found stands before the places to be filled, and stays so: all after a wrong one is drawn again
        found[lacking] = np.where(np.logical_or.accumulate(wrong & (rows < 0), axis=1), -1, drawn)
        lacking = lacking[(found[lacking] < 0).any(axis=1)]
    for row in lacking.tolist():
        others = np.setdiff1d(np.flatnonzero(search.candidate_family != family[row]), found[row])
        places = np.flatnonzero(found[row] < 0)[: len(others)]
        found[row, places] = rng.permutation(others)[: len(places)]


def _digests(texts: list[str]) -> NDArray[np.uint64]:
    """Hashes as those by which the view's items were grouped."""
    return np.array(
        [xxhash.xxh3_64_intdigest(text.strip().encode("utf-8", "surrogatepass")) for text in texts], dtype=np.uint64
    )


def _table(texts: Texts, others: list[Dataset]) -> Dataset:
    """The table of some texts with their column alone, named and typed as in the other tables."""
    table = texts.dataset.select_columns([texts.column]).with_format(None)
    if texts.column != COLUMN:
        table = table.rename_column(texts.column, COLUMN)
    if others and table.features != others[0].features:  # short and long strings, say
        table = table.cast(others[0].features)
    return table
