"""Collections that are data sets of the hub: their pinned address, or a folder with the hub's layout."""

from __future__ import annotations

import contextlib
import hashlib
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mteb_hybrid.collections.remote import DATA_VARIABLE, cache_folder, data_folder
from mteb_hybrid.errors import CollectionError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_READ = 1 << 16  # bytes at both ends of a file that tell it from others
_LOADING = threading.RLock()  # the cache of `datasets` is one for all threads


@dataclass(frozen=True, slots=True)
class HubCollection:
    """A collection with one corpus, one set of queries and one set of judgments per language.

    Attributes:
        path: Owner and name of the data set on the hub.
        revision: The commit that is read.
        languages: Two-letter codes of its languages, sorted.
        split: Name of the split.
    """

    path: str
    revision: str
    languages: tuple[str, ...]
    split: str

    @property
    def name(self) -> str:
        """The data set's name without its owner."""
        return self.path.rpartition("/")[2]

    def source(self) -> HubSource:
        """Where to read: ``MTEB_HYBRID_DATA/<name>`` if the variable is set, else the hub.

        Never raises: whether the folder is there is asked when it is read (`HubSource.check`).
        """
        folder = data_folder()
        return HubSource(self.path, self.revision, None) if folder is None else HubSource.of_folder(folder / self.name)


@dataclass(frozen=True, slots=True)
class HubSource:
    """Where a collection is read from.

    Attributes:
        path: What `datasets.load_dataset` takes.
        revision: The pinned commit, or ``local-`` and a digest of the folder's files. It goes into the results, so that
            nobody's own data passes for the hub's.
        folder: The folder; None for the hub.
    """

    path: str
    revision: str
    folder: Path | None

    @classmethod
    def of_folder(cls, folder: Path) -> HubSource:
        """A folder, which need not be there yet."""
        return cls(str(folder), f"local-{_digest(folder)}", folder)

    def check(self) -> None:
        """See that a folder is there.

        Raises:
            CollectionError: It is not.
        """
        if self.folder is not None and not (self.folder / "README.md").is_file():
            raise CollectionError(
                f"{self.folder} is not a data set in the hub's layout (README.md with its configs, and their files). "
                f"{DATA_VARIABLE} is set, so nothing is downloaded; put a copy of the data set there, or unset it"
            )

    @contextlib.contextmanager
    def loading(self) -> Iterator[None]:
        """While a folder is read: give `datasets` a cache of its own for this state of the folder.

        For a local folder its cache hangs on nothing but the front matter of README.md: it would serve the tables of an
        earlier state, or of another folder of the same name.
        """
        if self.folder is None:
            yield
            return
        import datasets

        with _LOADING:
            before = datasets.config.HF_DATASETS_CACHE
            datasets.config.HF_DATASETS_CACHE = cache_folder() / "tables" / f"{self.revision}-{_times(self.folder)}"
            try:
                yield
            finally:
                datasets.config.HF_DATASETS_CACHE = before


def _digest(folder: Path) -> str:
    """Names, sizes, beginnings and ends of a folder's files as 12 hex digits; a copy elsewhere has the same.

    Whole files may take minutes to read, and this is asked for whenever a task is made. The end of a Parquet file tells
    the sizes and the extremes of all its columns.
    """
    digest = hashlib.sha256()
    for path in _files(folder):
        size = path.stat().st_size
        digest.update(f"\n{path.relative_to(folder)} {size} ".encode("utf-8", "replace"))
        with path.open("rb") as file:
            digest.update(file.read(_READ))
            file.seek(max(0, size - _READ))
            digest.update(file.read(_READ))
    return digest.hexdigest()[:12]


def _times(folder: Path) -> str:
    """When the files of a folder were last written, and where it lies, as 12 hex digits."""
    digest = hashlib.sha256(str(folder.absolute()).encode("utf-8", "surrogateescape"))
    for path in _files(folder):
        digest.update(f"\n{path.stat().st_mtime_ns}".encode())
    return digest.hexdigest()[:12]


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())
