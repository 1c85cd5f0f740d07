"""What a pass over corpora leaves on disk, so that a killed run goes on after the last finished chunk."""

from __future__ import annotations

import contextlib
import json
import logging
import shutil
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mteb_hybrid.atomic import atomic_path
from mteb_hybrid.counted import Ranking
from mteb_hybrid.streaming.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

logger = logging.getLogger(__name__)

FORMAT = 2  # 1 knew only how many of the first rows were counted
_FORGOTTEN = 30 * 24 * 3600  # seconds after which nobody will go on with an unfinished pass


def sweep(root: Path) -> None:
    """Remove the folders of passes that nobody has gone on with for a month."""
    for folder in root.glob("*"):
        with contextlib.suppress(OSError):
            if time.time() - folder.stat().st_mtime > _FORGOTTEN:
                shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class Progress:
    """The folder of one pass: one encoder, one set of questions, any number of corpora.

    Attributes:
        folder: Its folder; None keeps nothing.
    """

    folder: Path | None

    def describe(self, key: Mapping[str, Any]) -> None:
        """Write what the folder belongs to, for people."""
        if self.folder is not None:
            with _unless_removed(self.folder / "key.json") as path:
                path.write_text(json.dumps(key, indent=2, ensure_ascii=False, default=str), encoding="utf-8")

    def load_anchors(self) -> dict[str, NDArray[np.float32]] | None:
        """Embeddings of the questions and of their relevant passages with which counting began; None if it did not."""
        matrix = (np.dtype(np.float32), 2)
        found: dict[str, NDArray[np.float32]] | None = self._load("anchors.npz", queries=matrix, relevant=matrix)
        return found

    def save_anchors(self, queries: NDArray[np.float32], relevant: NDArray[np.float32]) -> None:
        """Keep them: counts made with others, that differ in the last bits, do not add up with these."""
        self._save("anchors.npz", queries=queries, relevant=relevant)

    def load(self, corpus: str) -> Tally | None:
        """What is counted of a corpus; None if it was not begun, or its file is damaged."""
        integer, number = np.dtype(np.int64), np.dtype(np.float64)
        found = self._load(
            f"{corpus}.npz", rows=(integer, 2), above=(integer, 2), top_order=(integer, 2), top_scores=(number, 2)
        )
        if found is None:
            return None
        return Tally(found["rows"], Ranking(found["above"], found["top_order"], found["top_scores"]))

    def save(self, corpus: str, tally: Tally) -> None:
        """Note what is counted of a corpus."""
        ranking = tally.ranking
        self._save(
            f"{corpus}.npz",
            rows=tally.rows,
            above=ranking.above,
            top_order=ranking.top_order,
            top_scores=ranking.top_scores,
        )

    def discard(self) -> None:
        """Remove everything: another model's, or no longer needed."""
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _load(self, name: str, **fields: tuple[np.dtype[Any], int]) -> Any:
        """Arrays of a file, each of the type and the number of dimensions that it must have; None if it is not so."""
        if self.folder is None or not (self.folder / name).is_file():
            return None
        try:
            # opened here: numpy leaves it open where it is no archive
            with (self.folder / name).open("rb") as file, np.load(file, allow_pickle=False) as content:
                if int(content["format"]) != FORMAT:
                    return None
                return {field: _array(content[field], *kind) for field, kind in fields.items()}
        except Exception as error:  # noqa: BLE001 - numpy and zipfile raise many kinds for a damaged file
            logger.warning("%s cannot be read (%s): counting anew", self.folder / name, error)
            return None

    def _save(self, name: str, **arrays: Any) -> None:
        if self.folder is None:
            return
        with _unless_removed(self.folder / name) as path, path.open("wb") as file:
            np.savez(file, format=np.int64(FORMAT), **arrays)


@contextlib.contextmanager
def _unless_removed(path: Path) -> Iterator[Path]:
    """As `atomic_path`; nothing is written where another process, that made the same pass, takes the folder away."""
    try:
        with atomic_path(path) as temporary:
            yield temporary
    except FileNotFoundError:
        logger.info("%s was removed while it was written: another process has done the same", path)


def _array(found: Any, dtype: np.dtype[Any], ndim: int) -> NDArray[Any]:
    """What was read, if it is an array of this type and number of dimensions."""
    array: NDArray[Any] = np.asarray(found)
    if array.dtype != dtype or array.ndim != ndim:
        raise ValueError(f"it holds {array.dtype} of {array.ndim} dimensions, not {dtype} of {ndim}")
    return array
