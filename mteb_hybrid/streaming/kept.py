"""Embeddings of whole corpora on disk, as memory-mapped files, for those who have the room and run several tasks."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mteb_hybrid.atomic import atomic_path

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

KEEP_VARIABLE = "MTEB_HYBRID_KEEP_EMBEDDINGS"


def keeps_embeddings() -> bool:
    """Whether the user wants corpora's embeddings kept: ``MTEB_HYBRID_KEEP_EMBEDDINGS=1``."""
    return os.environ.get(KEEP_VARIABLE, "").strip() not in ("", "0")


@dataclass(frozen=True, slots=True)
class KeptEmbeddings:
    """The embeddings of one corpus by one encoder, a file a chunk: float32, 4 x dimension bytes a passage.

    Attributes:
        folder: Their folder; None keeps nothing.
    """

    folder: Path | None

    def load(self, start: int, stop: int) -> NDArray[np.float32] | None:
        """Embeddings of the rows from start to stop, memory-mapped; None if these very rows are not there."""
        if self.folder is None:
            return None
        try:
            found: NDArray[np.float32] = np.load(self._path(start, stop), mmap_mode="c", allow_pickle=False)
        except (OSError, ValueError, EOFError):
            return None
        return found if found.ndim == 2 and len(found) == stop - start and found.dtype == np.float32 else None

    def save(self, start: int, stop: int, embeddings: NDArray[np.float32]) -> None:
        """Keep the embeddings of the rows from start to stop."""
        if self.folder is None:
            return
        with atomic_path(self._path(start, stop)) as path, path.open("wb") as file:
            np.save(file, embeddings, allow_pickle=False)

    def _path(self, start: int, stop: int) -> Path:
        assert self.folder is not None
        return self.folder / f"{start:012d}-{stop:012d}.npy"
