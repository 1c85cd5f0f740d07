"""Where encoding and counting are done: in this process, unless another engine is in use."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from mteb.abstasks.task_metadata import TaskMetadata
    from mteb.types import PromptType

    from mteb_hybrid.counted import Ranking
    from mteb_hybrid.streaming.passes import CorpusPass
    from mteb_hybrid.tasks.embedder import Embedder


class Engine(Protocol):
    """Does the work of a run; ranks do not depend on which engine does it."""

    def prepare(self, embedder: Embedder, texts: Callable[[PromptType], list[str]]) -> None:
        """Before a subset: ``texts`` gives all texts of its task in a role, if encoding them together pays."""

    def encode(self, embedder: Embedder, texts: list[str], role: PromptType, metadata: TaskMetadata) -> Any:
        """What the model returns for distinct texts: an array or tensor, shape (len(texts), dimension)."""

    def count(self, embedder: Embedder, passes: Sequence[CorpusPass]) -> list[Ranking]:
        """The counts of corpora, in their order; what is finished is noted, and gone on with by any engine."""


class LocalEngine:
    """Does everything in this process."""

    def prepare(self, embedder: Embedder, texts: Callable[[PromptType], list[str]]) -> None:
        """Nothing: texts are encoded when they are needed."""

    def encode(self, embedder: Embedder, texts: list[str], role: PromptType, metadata: TaskMetadata) -> Any:
        """Encode here."""
        return embedder.call_model(texts, role, metadata)

    def count(self, embedder: Embedder, passes: Sequence[CorpusPass]) -> list[Ranking]:
        """One corpus after the other."""
        del embedder
        return [one.run() for one in passes]


_LOCAL: Engine = LocalEngine()
_in_use: list[Engine] = [_LOCAL]


def engine() -> Engine:
    """The engine that is in use."""
    return _in_use[-1]


@contextlib.contextmanager
def use(other: Engine) -> Iterator[None]:
    """Have another engine do the work, in all of this process, until the block ends."""
    _in_use.append(other)
    try:
        yield
    finally:
        _in_use.pop()
