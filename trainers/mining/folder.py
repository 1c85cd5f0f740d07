"""What mining leaves on disk, so that a killed run goes on after the last finished language."""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np

from mteb_hybrid.atomic import atomic_path
from mteb_hybrid.errors import TrainingDataError
from mteb_hybrid.parsing import parse_json
from mteb_hybrid.streaming.kept import KeptEmbeddings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    Ints = NDArray[np.int64]

logger = logging.getLogger(__name__)

FORMAT = 1


@dataclass(frozen=True, slots=True)
class MiningFolder:
    """The folder of one model and one choice of negatives.

    Attributes:
        folder: Its folder; None keeps nothing.
        key: Model and settings by name, as JSON has them.
    """

    folder: Path | None
    key: Mapping[str, Any]

    def open(self) -> None:
        """Note whose folder it is, if it is nobody's.

        Raises:
            TrainingDataError: It belongs to another model or other settings, which the message names; or it cannot be
                written.
        """
        if self.folder is None:
            return
        path = self.folder / "key.json"
        key = json.loads(json.dumps({"format": FORMAT, **self.key}))
        if not path.exists():
            try:
                with atomic_path(path) as temporary:
                    temporary.write_text(json.dumps(key, indent=2, ensure_ascii=False), encoding="utf-8")
            except OSError as error:
                raise TrainingDataError(f"{self.folder} cannot be written: {error}; mine to another folder") from error
            return
        try:
            there = dict(parse_json(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise TrainingDataError(f"{path} cannot be read ({error}); mine to another folder, or delete it") from error
        names = [name for name in dict.fromkeys((*key, *there)) if key.get(name) != there.get(name)]
        if names:
            changes = ", ".join(f"{name} {there.get(name)!r} (now {key.get(name)!r})" for name in names)
            raise TrainingDataError(
                f"{self.folder} holds negatives mined with {changes}; mine to another folder, or delete this one"
            )

    def load(self, language: str, texts: str) -> Ints | None:
        """Candidates of each anchor of a finished language, int64; None if it is not finished, or its file is damaged.

        Args:
            language: The language.
            texts: Fingerprint of the texts that are mined from.

        Raises:
            TrainingDataError: The file is of other texts.
        """
        if self.folder is None:
            return None
        path = self._path(language)
        if not path.is_file():
            return None
        try:
            # opened here: numpy leaves it open where it is no archive
            with path.open("rb") as file, np.load(file, allow_pickle=False) as content:
                owner = str(content["owner"])
                found: Ints = _lists(content["found"])
        except Exception as error:  # noqa: BLE001 - numpy and zipfile raise many kinds for a damaged file
            logger.warning("%s cannot be read (%s): mining it anew", path, error)
            return None
        if owner != self._owner(texts):
            raise TrainingDataError(
                f"{path} holds negatives of other texts or settings; mine to another folder, or delete {self.folder}"
            )
        return found

    def save(self, language: str, texts: str, found: Ints) -> None:
        """Note that a language is finished."""
        if self.folder is None:
            return
        with atomic_path(self._path(language)) as path, path.open("wb") as file:
            np.savez_compressed(file, owner=np.array(self._owner(texts)), found=found.astype(np.int32))

    def kept(self, name: str, texts: str) -> KeptEmbeddings:
        """Where the embeddings of some texts are kept until they are no longer needed."""
        return KeptEmbeddings(None if self.folder is None else self._embeddings(name) / texts[:16])

    def discard(self, name: str) -> None:
        """Remove the embeddings of that name."""
        if self.folder is not None:
            shutil.rmtree(self._embeddings(name), ignore_errors=True)

    def _path(self, language: str) -> Path:
        assert self.folder is not None
        return self.folder / f"negatives-{quote(language, safe='')}.npz"

    def _embeddings(self, name: str) -> Path:
        assert self.folder is not None
        return self.folder / f"embeddings-{quote(name, safe='')}"

    def _owner(self, texts: str) -> str:
        """A digest of model, settings and texts: a file of another folder's is not taken for ours."""
        return hashlib.sha256(f"{json.dumps(self.key, sort_keys=True)} {texts}".encode()).hexdigest()


def _lists(found: Any) -> Ints:
    """Candidates by anchor, int64."""
    array = np.asarray(found)
    if array.ndim != 2 or not np.issubdtype(array.dtype, np.integer):
        raise ValueError(f"it holds {array.dtype} of {array.ndim} dimensions, no lists of candidates")
    return array.astype(np.int64)
