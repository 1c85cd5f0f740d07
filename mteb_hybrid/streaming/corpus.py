"""One language's corpus as chunks of a memory-mapped table."""

from __future__ import annotations

import hashlib
import pickle
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mteb_hybrid.errors import CollectionError
from mteb_hybrid.parsing import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

_AGAIN = "remove it from the cache of datasets and load it again"
_SCAN = 100_000  # rows of the id column that are looked through at once
_REMAPPED = 100_000  # rows that are read through one memory map
_SAMPLED = 1000  # rows that tell a corpus from another version of it
# a passage is numbered by (corpus, row); 2^40 rows and 2^22 corpora
_ROW_BITS, _BITS = 40, 62
_MASK = np.uint64((1 << _BITS) - 1)
_FACTOR = 0x1B03738712FAD5C9 | 1
_INVERSE = pow(_FACTOR, -1, 1 << _BITS)
_HALF = np.uint64(_BITS // 2)


class TitledText(str):
    """A passage as most models read it, that also knows its parts, for those that read these.

    Attributes:
        heading: The title, empty if it has none.
        body: The text without it.
    """

    heading: str
    body: str

    @classmethod
    def of(cls, title: str, body: str) -> TitledText:
        """Join title and body as MTEB does: a space between them, stripped."""
        text = cls(f"{title} {body}".strip() if title else body.strip())
        text.heading, text.body = title, body
        return text


@dataclass(frozen=True)
class Corpus:
    """The passages of one language; nothing of their size is ever held in memory.

    Attributes:
        name: Name of the collection, for messages.
        language: Two-letter code.
        number: Position of the language among all languages of the collection, in [0, 2^22): tells passages of
            different corpora apart, also between tasks.
        table: A `datasets.Dataset` with columns ``id``, ``text`` and, if it has one, ``title``.
        revision: What the data is a version of.
    """

    name: str
    language: str
    number: int
    table: Any
    revision: str
    _identity: list[str] = field(default_factory=list, repr=False)

    def __len__(self) -> int:
        return len(self.table)

    def pieces(self, start: int, step: int, end: int | None = None) -> Iterator[tuple[Corpus, int, int]]:
        """The corpus from a row on, piece by piece; each through memory maps that are closed before the next ones open.

        Pages that were read stay mapped, and count as the process's memory, until their map is closed.

        Args:
            start: The first row.
            step: Rows of a piece; pieces end at multiples of it.
            end: The row after the last one; None for the corpus's end.

        Yields:
            A corpus to read the piece from, and the piece's first row and the one after its last.
        """
        mapped, corpus = 0, self.reopened()
        end = len(self) if end is None else end
        while start < end:
            stop = min(end, (start // step + 1) * step)
            yield corpus, start, stop
            mapped, start = mapped + stop - start, stop
            if mapped >= _REMAPPED:
                del corpus  # before the next maps open
                mapped, corpus = 0, self.reopened()

    def reopened(self) -> Corpus:
        """The same corpus through new memory maps, where it is memory-mapped."""
        return replace(self, table=reopened(self.table))

    def texts(self, rows: slice | Sequence[int]) -> list[str]:
        """Texts of some passages as a model reads them: title, a space and text, stripped, as in MTEB."""
        columns = self.table[rows]
        titles, bodies = columns.get("title"), columns["text"]
        if any(body is None for body in bodies):
            first = self.ids(rows if not isinstance(rows, slice) else range(*rows.indices(len(self))))[
                bodies.index(None)
            ]
            raise CollectionError(f"{self._where}: passage {shown(first)} has no text; {_AGAIN}")
        if titles is None:
            return [body.strip() for body in bodies]
        return [TitledText.of(title or "", body) for title, body in zip(titles, bodies, strict=True)]

    def ids(self, rows: Sequence[int]) -> list[str]:
        """Ids of some passages."""
        return list(self.table.select(rows)["id"]) if len(rows) else []

    def order(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Tie-break positions: a fixed permutation that favours no language and no place in the corpus.

        Ids would have to be sorted, all of them in memory, for trec_eval's order; MIRACL's ids begin with the number of
        the article, so that order is arbitrary too. The same passage has the same position in every task.

        Args:
            rows: int64, shape (passages,).

        Returns:
            int64 in [0, 2^62), shape (passages,), unique over all corpora of the collection.
        """
        number = (np.uint64(self.number) << np.uint64(_ROW_BITS)) | rows.astype(np.uint64)
        return _scatter(number).astype(np.int64)

    def find(self, ids: Iterable[str]) -> dict[str, int]:
        """Rows of passages by id.

        Raises:
            CollectionError: An id is not in the corpus, or is there twice.
        """
        wanted = sorted(set(ids))
        values = pa.array(wanted, type=pa.string())
        rows: dict[str, int] = {}
        for corpus, start, stop in self.pieces(0, _SCAN):
            table = corpus.table.select_columns(["id"]).with_format("arrow")
            column = table[start:stop]["id"].combine_chunks().cast(pa.string())
            del corpus, table
            place = pc.index_in(column, value_set=values)
            hits = np.flatnonzero(np.asarray(pc.is_valid(place)))
            for row, value in zip(hits.tolist(), place.take(pa.array(hits)).to_pylist(), strict=True):
                if wanted[value] in rows:
                    raise CollectionError(
                        f"{self._where}: passage id {shown(wanted[value])} stands there twice; {_AGAIN}"
                    )
                rows[wanted[value]] = start + row
        missing = [one for one in wanted if one not in rows]
        if missing:
            raise CollectionError(
                f"{self._where}: {len(missing)} relevant passages are missing, the first is {shown(missing[0])}. The "
                f"corpus is incomplete; {_AGAIN}"
            )
        return rows

    def identity(self) -> str:
        """Tells this corpus from others and from other versions of it: revision, length and a sample of the rows."""
        if not self._identity:
            digest = hashlib.sha256(f"{self.name}/{self.language}/{self.number}/{self.revision}/{len(self)}".encode())
            rows = np.unique(np.linspace(0, len(self) - 1, min(_SAMPLED, len(self)), dtype=np.int64)).tolist()
            for passage_id, text in zip(self.ids(rows), self.texts(rows), strict=True):
                digest.update(f"\n{len(passage_id)} {passage_id} {len(text)} {text}".encode("utf-8", "surrogatepass"))
            self._identity.append(digest.hexdigest()[:24])
        return self._identity[0]

    @property
    def _where(self) -> str:
        return f"corpus {self.language} of {self.name} ({self.revision})"


def reopened(table: Any) -> Any:
    """A `datasets.Dataset` through new memory maps; itself if it is in memory."""
    if not getattr(table, "cache_files", None):
        return table
    return pickle.loads(pickle.dumps(table))  # noqa: S301 - made a moment ago, here


def passage_of(order: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The corpus number and the row of passages from their tie-break positions; the inverse of `Corpus.order`."""
    number = _gather(order.astype(np.uint64)).astype(np.int64)
    return number >> _ROW_BITS, number & ((1 << _ROW_BITS) - 1)


def _scatter(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """A permutation of [0, 2^62): products with an odd number and shifts by half the width, each of them invertible."""
    with np.errstate(over="ignore"):
        for _ in range(2):
            x = (x * np.uint64(_FACTOR)) & _MASK
            x = x ^ (x >> _HALF)
    return x


def _gather(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    with np.errstate(over="ignore"):
        for _ in range(2):
            x = x ^ (x >> _HALF)
            x = (x * np.uint64(_INVERSE)) & _MASK
    return x
