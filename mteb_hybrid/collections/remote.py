"""Files of a collection: from a directory that has them, from the user's cache, or from their pinned address."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from mteb_hybrid.atomic import atomic_path
from mteb_hybrid.errors import CollectionError, DownloadError
from mteb_hybrid.file_names import user_path

if TYPE_CHECKING:
    from collections.abc import Mapping

DATA_VARIABLE = "MTEB_HYBRID_DATA"
CACHE_VARIABLE = "MTEB_HYBRID_CACHE"
_SHA256 = re.compile("[0-9a-f]{64}")


def cache_folder() -> Path:
    """Where downloads are kept: ``MTEB_HYBRID_CACHE``, or the user's cache folder of this system."""
    configured = os.environ.get(CACHE_VARIABLE)
    if configured:
        return user_path(configured)
    import pooch

    return Path(pooch.os_cache("mteb-hybrid"))


def data_folder() -> Path | None:
    """The directory named by ``MTEB_HYBRID_DATA`` that already holds the files, if there is one."""
    configured = os.environ.get(DATA_VARIABLE)
    return user_path(configured) if configured else None


@dataclass(frozen=True, slots=True)
class RemoteFiles:
    """Files at one pinned address, known by their SHA-256 sums.

    Attributes:
        folder: Their folder below the data or cache folder, such as ``xquad-r``.
        revision: The commit that the address points to; part of the cache path.
        base_url: Address of the folder, ending in a slash.
        sha256: Hex digest per file name.
    """

    folder: str
    revision: str
    base_url: str
    sha256: Mapping[str, str] = field(repr=False)

    def __post_init__(self) -> None:
        for name, digest in self.sha256.items():
            if not _SHA256.fullmatch(digest):  # an empty one, say, would be no check
                raise ValueError(f"{self.folder}/{name} has no SHA-256: {digest!r}")

    def fetch(self, name: str) -> Path:
        """Path of a verified file, downloaded first if need be (with a progress bar, whole or not at all).

        Raises:
            CollectionError: ``MTEB_HYBRID_DATA`` is set and the file is missing there or is not the pinned one; or no
                file of the name is pinned.
            DownloadError: The file could not be fetched, or what came is not the pinned file.
        """
        if name not in self.sha256:
            raise CollectionError(f"{self.folder} has no file {name!r}; it has {', '.join(self.sha256)}")
        folder = data_folder()
        if folder is not None:
            return self._verified(folder / self.folder / name)
        return self._download(name)

    def _verified(self, path: Path) -> Path:
        try:
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
        except OSError as error:
            raise CollectionError(
                f"{path} cannot be read ({error}). {DATA_VARIABLE} must name a directory that holds "
                f"{self.folder}/{path.name}; unset it to download the file"
            ) from error
        if digest != self.sha256[path.name]:
            raise CollectionError(
                f"{path} is not the pinned file: its SHA-256 is {digest}, expected {self.sha256[path.name]}. It was "
                f"cut off or altered; take it from {self.base_url}{path.name}, or unset {DATA_VARIABLE} to download it"
            )
        return path

    def _check(self, path: Path, name: str) -> None:
        if (digest := _sha256(path)) != self.sha256[name]:
            raise ValueError(f"its SHA-256 is {digest}, expected {self.sha256[name]}")

    def _download(self, name: str) -> Path:
        import pooch
        import requests

        folder = cache_folder() / self.folder / self.revision
        url = self.base_url + name
        cure = (
            f"Check the network and try again, or put the file into DIR/{self.folder}/{name} by hand and set "
            f"{DATA_VARIABLE}=DIR"
        )
        path = folder / name
        try:
            if path.is_file() and _sha256(path) == self.sha256[name]:
                return path
            with atomic_path(path) as temporary:
                pooch.HTTPDownloader(progressbar=True, timeout=60)(url, str(temporary), None)
                self._check(temporary, name)
        except requests.RequestException as error:
            raise DownloadError(f"{url} could not be fetched: {error}. {cure}") from error
        except ValueError as error:
            raise DownloadError(
                f"{url} sent other bytes than the pinned file, or no proper answer: {error}. {cure}"
            ) from error
        except OSError as error:
            raise DownloadError(
                f"{url} could not be stored in {folder}: {error}. {CACHE_VARIABLE} can name another folder. {cure}"
            ) from error
        return path


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
