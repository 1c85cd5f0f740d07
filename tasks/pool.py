"""A pool of passages that is held in memory: the corpora of the parallel collections."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mteb_hybrid.errors import CollectionError
from mteb_hybrid.parsing import shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Pool:
    """The passages of one subset as columns and arrays.

    Attributes:
        ids: Ids of the passages.
        texts: Their texts.
        row: Id to position.
        languages: Names of the pool's languages.
        language: int64, shape (passages,): each passage's language as a position in ``languages``.
        order: int64, shape (passages,): tie-break positions, see `mteb_hybrid.ranking.tie_order`.
        contents: Language to a digest of the ids and texts of its passages.
    """

    ids: list[str]
    texts: list[str]
    row: dict[str, int]
    languages: tuple[str, ...]
    language: NDArray[np.int64]
    order: NDArray[np.int64]
    contents: dict[str, bytes]

    @classmethod
    def of(cls, corpus: Any, where: str) -> Pool:
        """Read the corpus of a ``RetrievalSplitData`` of MTEB.

        Args:
            corpus: It.
            where: Task and subset, for messages.

        Raises:
            CollectionError: An empty corpus or a duplicate id.
        """
        from mteb_hybrid.ranking import tie_order  # torch waits until there is something to rank

        columns = corpus[:]  # whole columns at once: iterating is slow
        ids = columns["id"]
        row = _rows(ids, where)
        languages = tuple(dict.fromkeys(columns["language"]))
        position = {name: i for i, name in enumerate(languages)}
        language = np.array([position[label] for label in columns["language"]], dtype=np.int64)
        texts = columns["text"]
        rows = {name: np.flatnonzero(language == i).tolist() for name, i in position.items()}
        contents = {name: _digest([ids[i] for i in own], [texts[i] for i in own]) for name, own in rows.items()}
        return cls(ids, texts, row, languages, language, tie_order(ids), contents)

    @classmethod
    def joined(cls, pools: Sequence[Pool], where: str) -> Pool:
        """The passages of several pools, one after another; arguments and errors as in `of`."""
        from mteb_hybrid.ranking import tie_order

        ids = [passage for pool in pools for passage in pool.ids]
        languages = tuple(dict.fromkeys(name for pool in pools for name in pool.languages))
        # as positions in the languages of all of them
        language = [np.array([languages.index(name) for name in pool.languages])[pool.language] for pool in pools]
        contents = {name: content for pool in pools for name, content in pool.contents.items()}
        texts = [text for pool in pools for text in pool.texts]
        return cls(ids, texts, _rows(ids, where), languages, np.concatenate(language), tie_order(ids), contents)

    def sizes(self) -> dict[str, int]:
        """Number of passages per language of the pool."""
        counts = np.bincount(self.language, minlength=len(self.languages))
        return {language: int(count) for language, count in zip(self.languages, counts, strict=True)}

    def rows(self, passage_ids: Sequence[str]) -> NDArray[np.int64]:
        """Rows of passages, int64; KeyError with the first unknown one."""
        return np.fromiter(map(self.row.__getitem__, passage_ids), dtype=np.int64, count=len(passage_ids))

    def languages_of(self, passage_ids: Sequence[str]) -> NDArray[np.int64]:
        """Positions in ``languages`` of passages' languages, int64; KeyError with the first unknown passage."""
        return self.language[self.rows(passage_ids)]

    def language_of(self, passage_id: str) -> int:
        """Position in ``languages`` of a passage's language; KeyError for an unknown passage."""
        return int(self.language[self.row[passage_id]])


def _rows(ids: list[str], where: str) -> dict[str, int]:
    row = {passage: position for position, passage in enumerate(ids)}
    if not ids:
        raise CollectionError(f"{where}: the corpus is empty; it must have a passage")
    if len(row) != len(ids):
        twice, count = Counter(ids).most_common(1)[0]
        raise CollectionError(f"{where}: passage id {shown(twice)} is in the corpus {count} times; ids must differ")
    return row


def _digest(*columns: list[str]) -> bytes:
    """A digest of columns of texts."""
    digest = hashlib.blake2b(digest_size=16)
    for column in (list(map(str, column)) for column in columns):  # ids of data made by hand may be numbers
        digest.update(np.array([len(column), *map(len, column)]).tobytes())
        digest.update("".join(column).encode(errors="surrogatepass"))
    return digest.digest()
