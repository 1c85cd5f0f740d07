"""What is done to all blocks of training items together: grouping, selecting, restricting."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mteb_hybrid.errors import TrainingDataError
from mteb_hybrid.trainers.data.groups import TextGroups, checked_texts

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from mteb_hybrid.trainers.data.rows import TrainingRows
    from mteb_hybrid.trainers.data.texts import Block
    from mteb_hybrid.trainers.data.triples import Triples

    Ints = NDArray[np.int64]


def negative_columns(blocks: Sequence[Block]) -> list[str]:
    """Names of the columns of negatives: none, ``negative``, or ``negative_1``, ``negative_2``, ...

    Raises:
        TrainingDataError: Blocks or languages have different numbers of negatives, which no batch can mix.
    """
    counts = {
        (len(block.negatives.get(language, ())), f"{block.collection}, {language}")
        for block in blocks
        for language in (block.queries if block.negatives_by == "query" else block.passages)
    }
    if len({count for count, _ in counts}) > 1:
        (most, there), (fewest, here) = max(counts), min(counts)
        raise TrainingDataError(
            f"every item needs equally many negatives in every language of its passages: {most} in {there}, but "
            f"{fewest} in {here}. Give all of them as many, or none"
        )
    number = min(counts)[0]
    return ["negative"] if number == 1 else [f"negative_{place}" for place in range(1, number + 1)]


def group_texts(blocks: Sequence[Block], triples: Triples) -> Ints | None:
    """Groups of items that share a text, see `mteb_hybrid.trainers.data.groups.TextGroups.groups`.

    Raises:
        TrainingDataError: A text is missing or empty.
    """
    texts = sum(block.count * (len(block.queries) + len(block.passages)) for block in blocks)
    groups = TextGroups(triples.items, texts)
    for block, first in zip(blocks, triples.item_start.tolist(), strict=False):
        for role, by_language in (("query", block.queries), ("passage", block.passages)):
            for language, several in by_language.items():
                where = f"{block.collection}, {role} in {language!r}"
                groups.add(first, checked_texts(several.chunks(block.count), where, several.row))
        for language, negatives in block.negatives.items():
            for several in negatives:
                where = f"{block.collection}, negative in {language!r}"
                for _ in checked_texts(several.chunks(block.count), where, several.row):
                    pass  # any item may have them: they say nothing about which items are the same
    return groups.groups()


def select_items(blocks: Sequence[Block], rows: TrainingRows, items: Ints) -> tuple[list[Block], Ints | None]:
    """The blocks of some items, ascending, and their groups."""
    start = rows.triples.item_start
    selected = []
    for number, block in enumerate(blocks):
        first, last = np.searchsorted(items, start[number : number + 2])
        if first < last:
            selected.append(block.select(items[first:last] - start[number]))
    return selected, regroup(rows.groups, items)


def restrict_blocks(
    blocks: Sequence[Block], rows: TrainingRows, languages: Iterable[str]
) -> tuple[list[Block], Ints | None]:
    """The blocks in some languages, and the groups of the items that are left.

    Raises:
        TrainingDataError: Nothing is left.
    """
    wanted = list(languages)
    start = rows.triples.item_start
    kept = [(number, block.restrict(wanted)) for number, block in enumerate(blocks)]
    left = [block for _, block in kept if block is not None]
    if not left:
        there = sorted({language for block in blocks for role in (block.queries, block.passages) for language in role})
        raise TrainingDataError(
            f"no item has both a query and a passage in {', '.join(wanted) or 'no language'}: name some of "
            f"{', '.join(there)}"
        )
    items = np.concatenate([np.arange(start[number], start[number + 1]) for number, block in kept if block is not None])
    return left, regroup(rows.groups, items)


def regroup(groups: Ints | None, items: Ints) -> Ints | None:
    """Groups of some items, in any order, each named by its smallest item in the new numbering."""
    if groups is None:
        return None
    _, first, inverse = np.unique(groups[items], return_index=True, return_inverse=True)
    regrouped: Ints = first[inverse].astype(np.int64)
    return regrouped if len(first) < len(items) else None
