"""A user's own parallel collection in BEIR's layout: a folder for each language, or one pooled folder.

::

    handbook/en/corpus.jsonl      {"_id": "d1", "title": "", "text": "..."}
    handbook/en/queries.jsonl     {"_id": "q1", "text": "..."}; translations share their _id
    handbook/en/qrels/test.tsv    query-id, corpus-id, score
    handbook/de/...

    handbook/corpus.jsonl         {"_id": "d1", "text": "...", "language": "en"}
    handbook/queries.jsonl        {"_id": "q1-de", "text": "...", "language": "de", "question": "q1"}
    handbook/qrels/test.tsv       documents of any language
"""

from __future__ import annotations

import functools
import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import xxhash

from mteb_hybrid.atomic import atomic_path
from mteb_hybrid.collections.base import ParallelCollection
from mteb_hybrid.collections.beir_files import find_files
from mteb_hybrid.collections.beir_notes import find_notes
from mteb_hybrid.collections.beir_parts import digest_of, read_parts
from mteb_hybrid.collections.remote import cache_folder
from mteb_hybrid.errors import CollectionError
from mteb_hybrid.file_names import is_file_name, user_path
from mteb_hybrid.parsing import parse_json, shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mteb_hybrid.collections.base import LanguagePart
    from mteb_hybrid.collections.beir_files import BeirFiles, Folders

_LAYOUT = 1  # of what is read from the files; another number, and results of before are of other data
_SURVEY = 2  # of surveys that are kept; another number, and they are made anew
_SETTLED = 2.0  # seconds after which a file that changes has another time, whatever the file system


@dataclass(frozen=True, slots=True)
class Survey:
    """What a task must know of a collection before its texts are needed.

    Attributes:
        revision: A hash of the files, or what the user calls their state.
        languages: Languages of its passages, sorted.
        answers: As in `ParallelCollection`.
        counts: Per language, sorted, the numbers of its passages and of the questions that are asked in it.
        notes: What can be read but is hardly meant, a sentence each that names the file.
    """

    revision: str
    languages: tuple[str, ...]
    answers: dict[str, tuple[str, ...]]
    counts: dict[str, tuple[int, int]]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BeirSource:
    """Where a collection in BEIR's layout lies, and what of it is read.

    Attributes:
        name: Name of the collection; part of the passage ids.
        folders: The folder, or languages and their folders.
        split: Whose judgments.
        languages: Those to keep; None: all.
        scripts: The user's own languages and their codes in MTEB.
        revision: What the user calls the state of the files; None: their hash.
    """

    name: str
    folders: Path | tuple[tuple[str, Path], ...]
    split: str = "test"
    languages: tuple[str, ...] | None = None
    scripts: tuple[tuple[str, str], ...] = ()
    revision: str | None = None

    @classmethod
    def of(
        cls,
        name: str,
        folders: Folders,
        *,
        split: str = "test",
        languages: Iterable[str] | None = None,
        scripts: Mapping[str, str] | None = None,
        revision: str | None = None,
    ) -> BeirSource:
        """A source as users name it; paths become absolute, and one folder's are the same however it is named.

        Raises:
            CollectionError: No language is to be kept, ``languages`` is a text, a folder's name is none, or ``split``
                cannot name files: results are filed under it.
        """
        if not is_file_name(split):
            raise CollectionError(f"{name}: split {shown(split)} cannot name a file, which holds its judgments")
        if isinstance(languages, str):
            raise CollectionError(f'{name}: languages must be a list, ["{languages}"]')
        kept = None if languages is None else tuple(sorted(set(languages)))
        if kept == ():
            raise CollectionError(f"{name}: languages is empty; leave it out for all languages")
        if isinstance(folders, Mapping):
            pairs = ((language, _resolved(name, folder)) for language, folder in folders.items())
            where: Path | tuple[tuple[str, Path], ...] = tuple(sorted(pairs))
        else:
            where = _resolved(name, folders)
        return cls(name, where, split, kept, tuple(sorted((scripts or {}).items())), revision)

    def survey(self) -> Survey:
        """What the files hold. They are read for it once for each state of theirs, and looked at later.

        Raises:
            CollectionError: A file is missing, malformed or inconsistent.
        """
        files = self._files()
        state, settled = _state(files)
        known_by = xxhash.xxh3_128_hexdigest(f"{_LAYOUT} {_SURVEY} {self} {state}".encode("utf-8", "surrogateescape"))
        kept = cache_folder() / "beir" / f"{known_by}.json"
        survey = _read_survey(kept)
        if survey is None:
            survey = self._read_survey(files)
            if settled:
                _keep_survey(kept, survey)
        return survey

    def collection(self, survey: Survey | None = None) -> ParallelCollection:
        """The collection; its texts are read when the first language is loaded, then all at once.

        Args:
            survey: What `survey` has just said; None: it is asked.

        Raises:
            CollectionError: A file is missing, malformed or inconsistent.
        """
        survey = survey or self.survey()

        @functools.cache
        def parts() -> dict[str, LanguagePart]:
            return self._parts(self._files())

        def read(language: str) -> LanguagePart:
            if language not in parts():
                raise CollectionError(
                    f"{self.name}: language {language!r} went away while it was used; start Python anew"
                )
            return parts()[language]

        return ParallelCollection(self.name, survey.revision, survey.languages, read, survey.answers)

    def _files(self) -> list[BeirFiles]:
        folders = self.folders if isinstance(self.folders, Path) else dict(self.folders)
        return find_files(folders, self.split, dict(self.scripts))

    def _parts(self, files: Sequence[BeirFiles]) -> dict[str, LanguagePart]:
        return read_parts(files, self.languages, dict(self.scripts))

    def _read_survey(self, files: Sequence[BeirFiles]) -> Survey:
        parts = self._parts(files)
        holders = {  # per question, the languages that it has relevant passages in
            language: {question for question, _, _ in part.judgments()} for language, part in parts.items()
        }
        answers = {}
        for language, part in parts.items():
            found = tuple(other for other, questions in holders.items() if not questions.isdisjoint(part.query_ids))
            if found:
                answers[language] = found
        languages = tuple(language for language, part in parts.items() if part.passages)
        counts = {language: (len(part.passages), len(part.queries)) for language, part in parts.items()}
        return Survey(self.revision or self._digest(files), languages, answers, counts, find_notes(files, parts))

    def _digest(self, files: Sequence[BeirFiles]) -> str:
        """A hash of the contents of the files and of what is read of them, wherever they lie; 16 hex digits."""
        digest = xxhash.xxh3_128(f"{_LAYOUT} {self.split} {self.languages}".encode())
        for one in files:
            digest.update(f"\n{one.language} {' '.join(map(digest_of, one.paths()))}".encode())
        return digest.hexdigest()[:16]


def _resolved(name: str, folder: Path | str) -> Path:
    try:
        return user_path(folder).resolve()
    except (OSError, ValueError, RuntimeError) as error:  # too long, a NUL in it, a circle of links
        raise CollectionError(
            f"{name}: {shown(str(folder))} names no folder: {error}; name one that is there"
        ) from error


def _state(files: Sequence[BeirFiles]) -> tuple[str, bool]:
    """Places, sizes and times of files; and whether a change of them would show in it.

    Raises:
        CollectionError: A file is gone.
    """
    state, newest = [], 0.0
    for path in (path for one in files for path in one.paths()):
        try:
            found = path.stat()
        except OSError as error:
            raise CollectionError(f"{path} cannot be read: {error}; put it back, or name another folder") from error
        state.append((str(path), found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino))
        newest = max(newest, found.st_mtime, found.st_ctime)
    return repr(state), newest + _SETTLED < time.time()


def _read_survey(path: Path) -> Survey | None:
    try:
        content = parse_json(path.read_text(encoding="utf-8"))
        answers = {language: tuple(found) for language, found in content["answers"].items()}
        counts = {language: (passages, questions) for language, (passages, questions) in content["counts"].items()}
        return Survey(content["revision"], tuple(content["languages"]), answers, counts, tuple(content["notes"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):  # not there, or not whole: it is made again
        return None


def _keep_survey(path: Path, survey: Survey) -> None:
    try:
        with atomic_path(path) as temporary:
            temporary.write_text(json.dumps(asdict(survey)), encoding="utf-8")
    except OSError:  # a cache that cannot be written costs time, nothing else
        return
