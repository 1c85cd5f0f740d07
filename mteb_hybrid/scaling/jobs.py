"""The two kinds of work of an evaluation: encoding texts, and counting rows of corpora."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from mteb.types import PromptType

from mteb_hybrid import _mteb
from mteb_hybrid.embeddings import checked_embeddings
from mteb_hybrid.streaming.progress import Progress
from mteb_hybrid.tasks.embedder import Embedder

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import numpy as np
    from mteb.abstasks.task_metadata import TaskMetadata
    from numpy.typing import NDArray

    from mteb_hybrid.counted import Ranking
    from mteb_hybrid.scaling.tables import SentTable
    from mteb_hybrid.streaming.passes import CorpusPass


@dataclass(slots=True)
class Subset:
    """An `Embedder` without its model; remembers from part to part which batches a worker's memory has room for."""

    metadata: TaskMetadata
    split: str
    name: str
    options: dict[str, Any]

    @classmethod
    def of(cls, embedder: Embedder) -> Subset:
        """What an embedder knows besides its model."""
        return cls(embedder.metadata, embedder.split, embedder.subset, embedder.options)

    @contextlib.contextmanager
    def embedder(self, model: Any) -> Iterator[Embedder]:
        """The embedder, with a worker's copy of the model, for one part."""
        embedder = Embedder(model, self.metadata, self.split, self.name, self.options)
        try:
            yield embedder
        finally:
            self.options = embedder.options


@dataclass(frozen=True)
class EncodeJob:
    """Encodes texts; a part is a list of them.

    Attributes:
        subset: The subset that they are of.
        role: Queries or passages.
        watched: Whether to watch if the encoder looks at what names the task.
    """

    subset: Subset
    role: PromptType
    watched: bool

    def run(self, model: Any, part: list[str]) -> tuple[NDArray[np.float32], bool]:
        """Embeddings, float32, shape (texts, dimension), and whether the encoder has looked at what names the task.

        Raises:
            EmbeddingError: The embeddings cannot be ranked; the message names the text.
        """
        metadata, has_looked = _mteb.watch_metadata(self.subset.metadata)
        with self.subset.embedder(model) as embedder:
            raw = embedder.call_model(part, self.role, metadata if self.watched else self.subset.metadata)
        return checked_embeddings(raw, part, f"{embedder.describe} ({self.role.value})"), has_looked()


@dataclass(frozen=True)
class CountJob:
    """Counts rows of corpora; a part is the position of a corpus, its first row and the one after its last.

    Attributes:
        subset: The subset that is ranked.
        passes: A pass over each corpus, without encoder, progress and table.
        tables: The tables of the corpora.
    """

    subset: Subset
    passes: tuple[CorpusPass, ...]
    tables: tuple[SentTable, ...]

    @classmethod
    def of(cls, embedder: Embedder, passes: Sequence[CorpusPass], tables: Mapping[str, SentTable]) -> CountJob:
        """The job of passes over corpora whose tables are sent, by language."""
        bare = [
            replace(one, corpus=replace(one.corpus, table=None), encode=_nowhere, progress=Progress(None))
            for one in passes
        ]
        return cls(Subset.of(embedder), tuple(bare), tuple(tables[one.corpus.language] for one in passes))

    def run(self, model: Any, part: tuple[int, int, int]) -> Ranking:
        """The counts of these rows alone.

        Raises:
            EmbeddingError: The embeddings cannot be ranked; the message names rows and text.
        """
        number, start, stop = part
        one = self.passes[number]
        corpus, counter = replace(one.corpus, table=self.tables[number].open(stop)), one.questions.counter()
        with self.subset.embedder(model) as embedder:
            encode = partial(embedder.embed_once, role=PromptType.document)
            for _ in replace(one, corpus=corpus, encode=encode).count(counter, start, stop):
                pass
        return counter.result()


def _nowhere(texts: list[str]) -> Any:
    raise AssertionError(f"a worker has its own encoder for {len(texts)} texts")
