"""Mining language by language: what is embedded, searched, kept on disk, and done where negatives are missing."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from mteb_hybrid.embeddings import checked_embeddings
from mteb_hybrid.errors import TrainingDataError
from mteb_hybrid.trainers.data.texts import narrow
from mteb_hybrid.trainers.mining.search import Choice, find_negatives
from mteb_hybrid.trainers.mining.search_pool import RoleTexts, Search, fill_at_random

if TYPE_CHECKING:
    from collections.abc import Mapping

    from datasets import Dataset
    from numpy.typing import NDArray

    from mteb_hybrid.trainers.data.parallel_dataset import ParallelDataset
    from mteb_hybrid.trainers.mining.folder import MiningFolder

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float32]

logger = logging.getLogger(__name__)

_TOGETHER = 100_000
"""Texts that are embedded at a time, and kept on disk in one file where there is a folder."""
_POOL = "all languages"
"""Name under which the embeddings of a multilingual pool are kept."""


@dataclass(frozen=True, slots=True)
class Negatives:
    """The negatives of one language: of the items with a passage in it, or in a multilingual pool with a query.

    Attributes:
        table: Holds the passages in column ``text``.
        rows: The table's rows, int32 or int64, shape (items, negatives), the items in the view's order; an item that is
            to lose the language has a -1.
        mined: For how many of the items as many were mined as were asked for.
    """

    table: Dataset
    rows: NDArray[np.integer[Any]]
    mined: int


@dataclass
class Miner:
    """Mines the negatives of one language after the other.

    Attributes:
        view: The items.
        model: A SentenceTransformer.
        pool: Whether passages of one language are searched, or of all.
        choice: Which passages become negatives.
        prompts: Put in front of texts in each role; None: what the model puts there.
        batch_size: Texts that are encoded at a time.
        use_faiss: Search with FAISS.
        verbose: Show what sentence-transformers prints and draws.
        missing: What happens where too few negatives are found: ``random``, ``drop`` or ``error``.
        seed: For random ones.
        kept: What is on disk.
    """

    view: ParallelDataset
    model: Any
    pool: Literal["monolingual", "multilingual"]
    choice: Choice
    prompts: Mapping[str, str | None]
    batch_size: int
    use_faiss: bool
    verbose: bool
    missing: Literal["random", "drop", "error"]
    seed: int
    kept: MiningFolder
    _pool_embeddings: Floats | None = field(default=None, init=False)

    @property
    def languages(self) -> list[str]:
        """Languages to mine: those of passages, in a multilingual pool those of queries."""
        pooled = self.pool == "multilingual"
        return sorted({x for block in self.view.blocks for x in (block.queries if pooled else block.passages)})

    def mine(self, language: str) -> Negatives:
        """The negatives of a language, from disk if they were mined already.

        Raises:
            TrainingDataError: Some are missing, and must not be or cannot be drawn at random.
        """
        pooled = self.pool == "multilingual"
        passages = self._pooled if pooled else RoleTexts.of(self.view, "passage", [language])
        queries = RoleTexts.of(self.view, "query", [language])
        rows = self.view.training_rows
        search = Search.of(queries, passages, rows.triples.items, rows.groups)
        fingerprint = search.fingerprint()
        of_anchor = self.kept.load(language, fingerprint)
        if of_anchor is None:
            of_anchor = self._search(language, search)
            self.kept.save(language, fingerprint, of_anchor)
        if not pooled:
            self.kept.discard(language)
        found, item = self._of_items(search, of_anchor)
        mined = int((found >= 0).all(axis=1).sum())
        if mined < len(found):
            self._settle(language, search, found, item)
        rows_found = np.where(found < 0, -1, passages.row[passages.distinct[1][found]])
        return Negatives(passages.dataset, narrow(rows_found), mined)

    def finish(self) -> None:
        """Remove what was kept for languages that were to come."""
        self._pool_embeddings = None
        self.kept.discard(_POOL)

    @cached_property
    def _pooled(self) -> RoleTexts:
        """The passages of all languages."""
        return RoleTexts.of(self.view, "passage", self.view.languages)

    def _search(self, language: str, search: Search) -> Ints:
        """Candidates of each anchor, int64, shape (anchors, negatives); -1 where there is none."""
        right = np.diff(search.positives[1])
        if not right.any():
            return np.full((len(right), self.choice.num_negatives), -1, dtype=np.int64)
        if self.pool == "monolingual":
            passages = self._embed("passage", search.passages, language)
        else:
            if self._pool_embeddings is None:
                self._pool_embeddings = self._embed("passage", search.passages, _POOL)
            passages = self._pool_embeddings
        queries = self._embed("query", search.queries, None)
        return find_negatives(search, queries, passages, self.choice, use_faiss=self.use_faiss, verbose=self.verbose)

    def _of_items(self, search: Search, of_anchor: Ints) -> tuple[Ints, Ints]:
        """Candidates of each item that gets negatives, and these items."""
        if self.pool == "multilingual":
            return of_anchor[search.queries.distinct[0]], search.queries.item
        anchor = np.full(len(search.item_family), -1, dtype=np.int64)
        anchor[search.queries.item] = search.queries.distinct[0]
        items = search.passages.item
        found = np.full((len(items), self.choice.num_negatives), -1, dtype=np.int64)
        asked = anchor[items] >= 0
        found[asked] = of_anchor[anchor[items[asked]]]
        return found, items

    def _settle(self, language: str, search: Search, found: Ints, item: Ints) -> None:
        """Do what is wanted where negatives are missing; changes ``found``."""
        lacking = int((found < 0).any(axis=1).sum())
        what = "passages" if self.pool == "monolingual" else "queries"
        message = (
            f"{lacking:,} of {len(found):,} {what} in {language!r} have fewer than {self.choice.num_negatives} hard "
            "negatives"
        )
        advice = "widen range_max, loosen margins and scores, or pass missing='random' or 'drop'"
        if self.missing == "error":
            raise TrainingDataError(f"{message}: {advice}")
        if self.missing == "drop":
            logger.warning("%s and are left out", message)
            return
        logger.warning("%s: random passages stand in", message)
        family = search.item_family[item]
        fill_at_random(search, found, family, np.random.default_rng([self.seed, *language.encode()]))
        assert not search.is_family(family[:, None], found).any()
        if (found < 0).any():
            raise TrainingDataError(
                f"{message}, and the view has no {self.choice.num_negatives} passages to draw at random that are not "
                "of the same item or share a text with it: give more items, or pass missing='drop'"
            )

    def _embed(self, role: Literal["query", "passage"], texts: RoleTexts, keep_as: str | None) -> Floats:
        """Embeddings of the different texts, float32 of length 1, shape (different texts, dimension).

        Args:
            role: Their role.
            texts: The texts.
            keep_as: Name under which they are kept on disk until they are no longer needed; None: they are not.
        """
        encode = self.model.encode_query if role == "query" else self.model.encode_document
        kept = None if keep_as is None else self.kept.kept(keep_as, texts.fingerprint())
        places = texts.distinct[1]
        embeddings: Floats | None = None
        for start in range(0, len(places), _TOGETHER):
            stop = min(start + _TOGETHER, len(places))
            part = None if kept is None else kept.load(start, stop)
            if part is None:
                read = texts.read(places[start:stop])
                raw = encode(
                    read, prompt=self.prompts[role], batch_size=self.batch_size, show_progress_bar=self.verbose,
                    normalize_embeddings=True, convert_to_numpy=True,
                )  # fmt: skip
                part = checked_embeddings(raw, read, f"mining hard negatives, {role}: the model")
                if kept is not None:
                    kept.save(start, stop, part)
            if embeddings is None:
                embeddings = np.empty((len(places), part.shape[1]), dtype=np.float32)
            embeddings[start:stop] = part
        assert embeddings is not None
        return embeddings
