"""One pass over a corpus: every chunk is read, encoded and counted once, for all questions that search it."""

from __future__ import annotations

import hashlib
import logging
import os
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

import numpy as np
from tqdm.auto import tqdm

from mteb_hybrid.errors import EmbeddingError
from mteb_hybrid.ranking import RankCounter
from mteb_hybrid.streaming.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from mteb_hybrid.counted import Ranking
    from mteb_hybrid.exact import Similarity
    from mteb_hybrid.streaming.corpus import Corpus
    from mteb_hybrid.streaming.kept import KeptEmbeddings
    from mteb_hybrid.streaming.progress import Progress

logger = logging.getLogger(__name__)

CHUNK_VARIABLE = "MTEB_HYBRID_CHUNK"
DEFAULT_CHUNK = 10_000
# relative difference beyond which embeddings of one text cannot come from one model
_SAME_MODEL = 0.02


class Encoder(Protocol):
    """Embeds passages."""

    def __call__(self, texts: list[str]) -> NDArray[np.float32]:
        """Embeddings of distinct texts: float32, shape (len(texts), dimension), finite and without zero rows."""


@dataclass(frozen=True)
class Questions:
    """Embedded questions and their relevant passages, the same for all corpora of a pool.

    Attributes:
        queries: float32, shape (queries, dimension).
        pair_query: int64, shape (pairs,): query of each (query, relevant passage) pair.
        pair_order: int64, shape (pairs,): tie-break position of its passage, see `Corpus.order`.
        pair_text: int64, shape (pairs,): its passage's text as a position in ``texts``.
        texts: The distinct texts of the relevant passages.
        relevant: float32, shape (len(texts), dimension): their embeddings. Whenever one of these texts stands in a
            chunk it has this embedding: an encoder's output hangs on the batch in its last bits, and a passage must not
            stand above itself.
        similarity: ``cosine`` or ``dot``.
        top_k: How many best passages to keep per query.
    """

    queries: NDArray[np.float32]
    pair_query: NDArray[np.int64]
    pair_order: NDArray[np.int64]
    pair_text: NDArray[np.int64]
    texts: dict[str, int]
    relevant: NDArray[np.float32]
    similarity: Similarity
    top_k: int

    def digest(self) -> str:
        """A digest of all embeddings, to the bit."""
        return self._digest

    @cached_property
    def _digest(self) -> str:
        # once: it is asked for at every note of what is counted
        digest = hashlib.sha256(self.queries.tobytes())
        digest.update(self.relevant.tobytes())
        return digest.hexdigest()[:12]

    def counter(self) -> RankCounter:
        """A counter for these questions."""
        return RankCounter(
            self.queries, self.pair_query, self.relevant[self.pair_text], self.pair_order,
            similarity=self.similarity, top_k=self.top_k,
        )  # fmt: skip


@dataclass
class CorpusPass:
    """Counts one corpus for some questions, going on where an earlier run was killed.

    Attributes:
        corpus: The passages.
        questions: Who searches them.
        encode: Embeds passages.
        progress: Where it is noted what is counted.
        kept: Where embeddings are kept, if they are.
        describe: Model and task, for messages and the progress bar.
    """

    corpus: Corpus
    questions: Questions
    encode: Encoder
    progress: Progress
    kept: KeptEmbeddings
    describe: str
    _trusted: bool = field(default=False, repr=False)  # kept embeddings have turned out to be the encoder's

    def run(self) -> Ranking:
        """Passages of this corpus above each relevant passage, and the best of this corpus.

        Raises:
            EmbeddingError: The encoder's output cannot be ranked; the message names the rows. What was finished stays.
        """
        tally, counter = self.earlier(), self.questions.counter()
        counter.restore(tally.ranking)
        # None: a bar on a terminal, and nothing in a log file
        label = f"{self.describe}: {self.corpus.language}"
        with tqdm(total=len(self.corpus), initial=tally.size, desc=label, unit="psg", disable=None) as bar:
            for first, end in tally.missing(len(self.corpus)):
                for start, stop in self.count(counter, first, end):
                    tally = tally.grown(start, stop, counter.result())
                    self.note(tally)
                    bar.update(stop - start)
        return tally.ranking

    def earlier(self) -> Tally:
        """What earlier runs have counted."""
        size, fresh = len(self.corpus), self.questions.counter().result()
        tally = self.progress.load(self._name)
        if tally is None or not tally.fits(size, fresh):
            return Tally.of_nothing(fresh)
        if 0 < tally.size < size:
            logger.warning(
                "%s: going on with %s of %s passages of %s counted",
                self.describe, f"{tally.size:,}", f"{size:,}", self.corpus.language,
            )  # fmt: skip
        return tally

    def note(self, tally: Tally) -> None:
        """Keep what is counted, for a later run."""
        self.progress.save(self._name, tally)

    def count(self, counter: RankCounter, start: int, end: int) -> Iterator[tuple[int, int]]:
        """Count the rows from start to end, chunk by chunk.

        Yields:
            The first row of a chunk that was counted, and the one after its last.

        Raises:
            EmbeddingError: As `run`.
        """
        for corpus, first, last in self.corpus.pieces(start, chunk_passages(), end):
            embeddings = self._embedded(corpus.texts(slice(first, last)), first, last)
            counter.count(embeddings, corpus.order(np.arange(first, last)))
            del corpus
            yield first, last

    @property
    def _name(self) -> str:
        # with the embeddings' digest: counts that were taken with others, differing in a bit, do not add up with these
        return f"{self.corpus.language}-{self.corpus.identity()}-{self.questions.digest()}"

    def _embedded(self, texts: list[str], start: int, stop: int) -> NDArray[np.float32]:
        """Embeddings of the rows from start to stop, from disk if they were kept."""
        kept = self.kept.load(start, stop)
        if kept is not None and self._are_ours(texts, kept):
            return self._with_relevant(texts, kept)
        embeddings = self._with_relevant(texts, self._encoded(texts, start, stop))
        self.kept.save(start, stop, embeddings)
        return embeddings

    def _encoded(self, texts: list[str], start: int, stop: int) -> NDArray[np.float32]:
        """Embeddings of the rows from start to stop; each distinct text is encoded once, relevant passages are not."""
        known, width = self.questions.texts, self.questions.queries.shape[1]
        unknown = {text: row for row, text in enumerate(dict.fromkeys(text for text in texts if text not in known))}
        try:
            encoded = self.encode(list(unknown)) if unknown else np.empty((0, width), dtype=np.float32)
        except EmbeddingError as error:
            raise EmbeddingError(f"passages {start:,} to {stop:,} of {self.corpus.language}: {error}") from error
        if encoded.shape[1] != width:
            raise EmbeddingError(
                f"{self.describe} returned passages of dimension {encoded.shape[1]} for rows {start:,} to {stop:,} "
                f"of {self.corpus.language}, its queries have {width}; one model must give both the same dimension"
            )
        embeddings = np.empty((len(texts), width), dtype=np.float32)
        new = np.array([unknown.get(text, -1) for text in texts])
        embeddings[new >= 0] = encoded[new[new >= 0]]
        return embeddings

    def _are_ours(self, texts: list[str], kept: NDArray[np.float32]) -> bool:
        """Whether kept embeddings are this encoder's: seen on relevant passages among them, or on a first text."""
        if kept.shape[1] != self.questions.queries.shape[1]:
            return False
        rows = [row for row, text in enumerate(texts) if text in self.questions.texts]
        if not rows and self._trusted:
            return True
        if rows:
            expected = self.questions.relevant[[self.questions.texts[texts[row]] for row in rows]]
        else:
            rows, expected = [0], self.encode(texts[:1])
        if same_model(kept[rows], expected):
            self._trusted = True
            return True
        logger.warning("%s: the embeddings kept on disk are another model's; encoding anew", self.describe)
        return False

    def _with_relevant(self, texts: list[str], embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
        """Every text of a relevant passage gets the embedding that the thresholds were taken with."""
        known = np.array([self.questions.texts.get(text, -1) for text in texts])
        embeddings[known >= 0] = self.questions.relevant[known[known >= 0]]
        return embeddings


def same_model(before: NDArray[np.float32], now: NDArray[np.float32]) -> bool:
    """Whether two matrices can be embeddings of the same texts by one model, but for rounding and batches."""
    if before.shape != now.shape:
        return False
    return bool((np.linalg.norm(before - now, axis=1) <= _SAME_MODEL * np.linalg.norm(now, axis=1)).all())


def chunk_passages() -> int:
    """Passages of a chunk: ``MTEB_HYBRID_CHUNK``, 10,000 unless set. Scores do not depend on it."""
    configured = os.environ.get(CHUNK_VARIABLE, "").strip()
    try:
        return max(1, int(configured)) if configured else DEFAULT_CHUNK
    except ValueError:
        logger.warning("%s must be a number of passages, not %r; using %d", CHUNK_VARIABLE, configured, DEFAULT_CHUNK)
        return DEFAULT_CHUNK
