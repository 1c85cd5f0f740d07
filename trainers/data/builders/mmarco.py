"""Items from mMARCO (Bonifacio et al. 2021, arXiv 2108.13897): MS MARCO, machine-translated into 13 languages."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from mteb_hybrid.collections.remote import DATA_VARIABLE, data_folder
from mteb_hybrid.errors import DownloadError, TrainingDataError
from mteb_hybrid.file_names import is_folder, user_path
from mteb_hybrid.trainers.data.builders.files import existing, parse_tsv, rows_of, tables, texts_by_id
from mteb_hybrid.trainers.data.builders.triple_file import read_triples
from mteb_hybrid.trainers.data.texts import Block, Texts, column_texts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from datasets import Dataset
    from numpy.typing import NDArray

MMARCO = "unicamp-dl/mmarco"
MMARCO_REVISION = "4618200568100aa0bf7fbf494d8d022e7ecab9a6"

_NAMES = {
    "ar": "arabic",
    "de": "german",
    "en": "english",
    "es": "spanish",
    "fr": "french",
    "hi": "hindi",
    "id": "indonesian",
    "it": "italian",
    "ja": "japanese",
    "nl": "dutch",
    "pt": "portuguese",
    "ru": "russian",
    "vi": "vietnamese",
    "zh": "chinese",
}
_TRIPLES = "data/triples.train.ids.small.tsv"
_QUERIES = "data/google/queries/train/{}_queries.train.tsv"
_PASSAGES = "data/google/collections/{}_collection.tsv"
_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+")
_PARSE = parse_tsv({"id": pa.int32(), "text": pa.string()})


@dataclass(frozen=True, slots=True)
class _Files:
    """Files of a folder, or of a data set repository of the hub.

    Attributes:
        folder: The folder; None for the hub.
        repository: Owner and name on the hub.
        revision: The commit there.
    """

    folder: Path | None
    repository: str
    revision: str

    @classmethod
    def of(cls, source: Path | str, revision: str) -> _Files:
        """A folder, ``MTEB_HYBRID_DATA/<name>`` if the variable is set, or the hub."""
        folder = user_path(source)
        if isinstance(source, Path) or is_folder(folder) or not _REPOSITORY.fullmatch(source):
            return cls(folder, "", "")
        data = data_folder()
        return cls(None if data is None else data / source.partition("/")[2], source, revision)

    def path(self, name: str) -> Path:
        """Path of a file, fetched into the hub's cache first if need be."""
        if self.folder is not None:
            layout = f"a copy of the hub's {MMARCO} is asked for, with {_TRIPLES} and folder data/google"
            if self.repository:
                layout += f". {DATA_VARIABLE} is set, so nothing is downloaded; put the file there, or unset it"
            return existing(self.folder / name, layout)
        from huggingface_hub import constants, hf_hub_download

        try:
            return Path(hf_hub_download(self.repository, name, repo_type="dataset", revision=self.revision))
        except Exception as error:  # of several HTTP libraries, by version of the hub's client, without a common base
            address = f"{constants.ENDPOINT}/datasets/{self.repository}/resolve/{self.revision}/{name}"
            raise DownloadError(
                f"{address} could not be fetched: {type(error).__name__}: {' '.join(str(error).split())}. Check the "
                f"network, the name and the commit; or put the repository's files into a folder "
                f"DIR/{self.repository.partition('/')[2]} and set {DATA_VARIABLE}=DIR"
            ) from error

    def languages(self) -> list[str]:
        """Codes of the languages that a folder has passages in."""
        if self.folder is None:
            raise TrainingDataError(f"name the languages to download, each 3 to 8 GB: languages=[...], of {_known()}")
        return [code for code, name in _NAMES.items() if (self.folder / _PASSAGES.format(name)).is_file()]


def mmarco_blocks(
    source: Path | str,
    languages: Iterable[str] | None,
    *,
    revision: str,
    negatives: int,
    max_items: int | None,
    name: str,
) -> list[Block]:
    """One item for each question and relevant passage of the training triples, in all of the languages.

    Raises:
        TrainingDataError: A language is unknown, a file is missing or malformed, an id is unknown or comes twice, or
            there is no item with so many negatives.
        DownloadError: A file could not be fetched.
    """
    if negatives < 0 or (max_items is not None and max_items < 1):
        raise TrainingDataError(f"negatives must be at least 0, max_items at least 1; got {negatives} and {max_items}")
    files = _Files.of(source, revision)
    codes = sorted(set(files.languages() if languages is None else map(_code, languages)))
    if not codes:
        where = f" in {files.folder}, which should hold files of" if languages is None else "; name"
        raise TrainingDataError(f"{name}: there is no language{where} some of {_known()}")
    triples = files.path(_TRIPLES)
    ids = read_triples(triples, negatives, max_items)
    queries: dict[str, Texts] = {}
    passages: dict[str, Sequence[Texts]] = {}
    known: dict[bytes, NDArray[np.int32]] = {}  # files in the same order share their rows
    for code in codes:
        queries[code] = _texts(files.path(_QUERIES.format(_NAMES[code])), triples, ids[:, :1], known)[0]
        passages[code] = _texts(files.path(_PASSAGES.format(_NAMES[code])), triples, ids[:, 1:], known)
    return [
        Block(
            len(ids),
            queries,
            {code: several[0] for code, several in passages.items()},
            {code: tuple(several[1:]) for code, several in passages.items()} if negatives else {},
            collection=name,
        )
    ]


def _code(language: str) -> str:
    """The code of a language that is given by code or by the name that mMARCO's files have."""
    for code, name in _NAMES.items():
        if language in (code, name):
            return code
    raise TrainingDataError(f"mMARCO has no language {language!r}; it has {_known()}")


def _known() -> str:
    return ", ".join(f"{code} ({name})" for code, name in _NAMES.items())


def _texts(path: Path, triples: Path, ids: NDArray[np.int32], known: dict[bytes, NDArray[np.int32]]) -> list[Texts]:
    """The texts of the ids of each column, int32 of shape (items, columns)."""
    dataset: Dataset = texts_by_id(path, lambda: _lines(path), pa.array(np.unique(ids)))
    texts = []
    for column in np.ascontiguousarray(ids.T):
        rows = rows_of(dataset, pa.array(column), path, triples)
        texts.append(column_texts(dataset, "text", known.setdefault(rows.tobytes(), rows)))
    return texts


def _lines(path: Path) -> Iterator[pa.Table]:
    return tables(path, _parse, "an id (a whole number), a tab and a text")


def _parse(block: bytes) -> pa.Table:
    try:
        return _PARSE(block)
    except pa.ArrowInvalid:
        # mMARCO's own loader strips white space at the end of a line, and so tabs that follow the text
        return _PARSE(b"\n".join(line.rstrip() if line.count(b"\t") > 1 else line for line in block.split(b"\n")))
