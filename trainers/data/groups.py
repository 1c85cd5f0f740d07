"""Which items share a text: they count as one wherever an item must not be a negative of itself."""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING, Any

import numpy as np
import xxhash
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from tqdm.auto import tqdm

from mteb_hybrid.errors import TrainingDataError
from mteb_hybrid.parsing import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    Ints = NDArray[np.int64]

_IN_MEMORY = 2**24
"""Hashes beyond this many lie in a temporary file and are compared part by part, in about as many bytes as this many
need: a few hundred MiB."""


def checked_texts(chunks: Iterable[Sequence[Any]], where: str, row: Callable[[int], int]) -> Iterator[list[str]]:
    """Texts without surrounding white space, chunk by chunk.

    Args:
        chunks: The texts, in order.
        where: What they are, for messages.
        row: The row of their table in which the n-th text lies, for messages.

    Raises:
        TrainingDataError: Something is no text, or an empty one.
    """
    offset = 0
    for chunk in chunks:
        stripped = [text.strip() if isinstance(text, str) else "" for text in chunk]
        if not all(stripped):
            place = stripped.index("")
            raise TrainingDataError(
                f"{where}: row {row(offset + place)} has {shown(chunk[place])} where a text should be"
            )
        yield stripped
        offset += len(chunk)


class TextGroups:
    """Collects the texts of items and says which items share one, in any role and language.

    Texts are compared without surrounding white space, by 64-bit hashes: among 100 million texts the odds of one false
    match are about 1 in 4,000, and it only keeps two items out of each other's batch.

    Args:
        items: Number of items.
        texts: Number of texts that will be added.
    """

    def __init__(self, items: int, texts: int) -> None:
        self._items = items
        self._first: list[int] = []
        self._start: list[int] = [0]
        self._in_memory = _IN_MEMORY
        self._file = tempfile.TemporaryFile() if texts > self._in_memory else None  # noqa: SIM115 - lives as we do
        self._hashes: NDArray[np.uint64] = (
            np.empty(texts, dtype=np.uint64)
            if self._file is None
            else np.memmap(self._file, dtype=np.uint64, mode="w+", shape=(texts,))
        )
        self._bar = tqdm(total=texts, desc="Looking for items that share a text", unit="text", delay=5, leave=False)

    def add(self, first_item: int, chunks: Iterable[Sequence[str]]) -> None:
        """Add one text for each of a run of items.

        Args:
            first_item: The item of the first text; the others follow.
            chunks: The texts, in order, as `checked_texts` gives them.
        """
        at = self._start[-1]
        offset = 0
        for chunk in chunks:
            # a lone surrogate cannot be encoded strictly, and is a text like others
            hashes = [xxhash.xxh3_64_intdigest(text.encode("utf-8", "surrogatepass")) for text in chunk]
            self._hashes[at + offset : at + offset + len(chunk)] = hashes
            offset += len(chunk)
            self._bar.update(len(chunk))
        self._first.append(first_item)
        self._start.append(at + offset)

    def groups(self, linked: Iterable[tuple[Ints, Ints]] = ()) -> Ints | None:
        """For every item the smallest item of its group, int64 of shape (items,); None if all stand alone.

        Args:
            linked: Further pairs of items that belong together, two arrays of one shape each.
        """
        self._bar.close()
        pairs = [*linked, *self._links()]
        if self._file is not None:
            self._file.close()
        first = np.concatenate([pair[0] for pair in pairs]) if pairs else np.empty(0, dtype=np.int64)
        second = np.concatenate([pair[1] for pair in pairs]) if pairs else np.empty(0, dtype=np.int64)
        if not len(first):
            return None
        members, compact = np.unique(np.concatenate([first, second]), return_inverse=True)
        ones = np.ones(len(first), dtype=np.int8)
        graph = coo_array((ones, (compact[: len(first)], compact[len(first) :])), shape=(len(members),) * 2)
        _, component = connected_components(graph, directed=False)
        smallest = np.full(component.max() + 1, self._items, dtype=np.int64)
        np.minimum.at(smallest, component, members)
        groups = np.arange(self._items, dtype=np.int64)
        groups[members] = smallest[component]
        return groups

    def _links(self) -> Iterator[tuple[Ints, Ints]]:
        """Pairs of items with an equal text: neighbours among the items of each text, which is enough to join them."""
        start, first = np.array(self._start), np.array(self._first)
        count = int(start[-1])
        bits = max(0, int(np.ceil(np.log2(max(1, count) / self._in_memory))))
        for part in range(2**bits):
            entries = self._entries(part, bits, count)
            hashes = self._hashes[entries]
            order = np.argsort(hashes, kind="stable")
            entries, hashes = entries[order], hashes[order]
            run = np.searchsorted(start, entries, side="right") - 1
            items = first[run] + entries - start[run]
            equal = (hashes[1:] == hashes[:-1]) & (items[1:] != items[:-1])
            yield items[:-1][equal], items[1:][equal]

    def _entries(self, part: int, bits: int, count: int) -> Ints:
        """Places of the texts whose hashes start with these bits."""
        if not bits:
            return np.arange(count)
        shift = np.uint64(64 - bits)
        found = [
            at + np.flatnonzero(self._hashes[at : at + self._in_memory][: count - at] >> shift == part)
            for at in range(0, count, self._in_memory)
        ]
        return np.concatenate(found)
