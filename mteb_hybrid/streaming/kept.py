"""Embeddings of whole corpora on disk, as memory-mapped files, for those who have the room and run several tasks."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mteb_hybrid.atomic import atomic_path

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

logger = logging.getLogger(__name__)

KEEP_VARIABLE = "MTEB_HYBRID_KEEP_EMBEDDINGS"


def keeps_embeddings() -> bool:
    """Whether the user wants corpora's embeddings kept: ``MTEB_HYBRID_KEEP_EMBEDDINGS=1``."""
    return os.environ.get(KEEP_VARIABLE, "").strip() not in ("", "0")


def _header(path: Path) -> tuple[tuple[int, int], int]:
    """Shape of a matrix of float32 on disk, and where its values begin.

    It is looked at before anything is mapped: some headers that are no matrix's end a process that maps them.

    Raises:
        ValueError: It is something else.
    """
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    with path.open("rb") as file:
        reader = readers.get(np.lib.format.read_magic(file))
        if reader is None:
            raise ValueError("its format is of another version of numpy")
        shape, by_column, kind = reader(file)
        if len(shape) != 2 or by_column or kind != np.float32:
            raise ValueError(f"it holds {kind} of shape {shape}, no float32 by row")
        return (shape[0], shape[1]), file.tell()


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
        path = self._path(start, stop)
        if not path.is_file():
            return None
        try:
            found, offset = _header(path)
        except Exception as error:  # noqa: BLE001 - numpy raises many kinds for a header that is none
            logger.warning("%s cannot be read (%s): encoding anew", path, error)
            return None
        (rows, width), held = found, path.stat().st_size - offset
        if rows != stop - start or width < 1 or held != 4 * rows * width:
            return None
        return np.memmap(path, dtype=np.float32, mode="c", offset=offset, shape=found)

    def save(self, start: int, stop: int, embeddings: NDArray[np.float32]) -> None:
        """Keep the embeddings of the rows from start to stop."""
        if self.folder is None:
            return
        with atomic_path(self._path(start, stop)) as path, path.open("wb") as file:
            # as np.save does, which says neither the file nor the reason where the disk is full
            embeddings = np.ascontiguousarray(embeddings, dtype=np.float32)
            np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(embeddings))
            file.write(embeddings.data)

    def _path(self, start: int, stop: int) -> Path:
        assert self.folder is not None
        return self.folder / f"{start:012d}-{stop:012d}.npy"
