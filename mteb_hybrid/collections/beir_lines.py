"""The lines of BEIR's files: documents, queries and judgments. Errors name the file and the line."""

from __future__ import annotations

import codecs
import difflib
import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from mteb_hybrid.errors import CollectionError
from mteb_hybrid.parsing import shown

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_GRADE = re.compile(r"[+-]?[0-9]+")
_LARGEST_GRADE = 2**31 - 1  # anything larger is a mistake: an id in the wrong column
_KEYS = ("_id", "text", "title", "language", "question")


class Document(NamedTuple):
    """A line of ``corpus.jsonl``; ``text`` is title and text as they are encoded, ``language`` None if not said."""

    line: int
    id: str
    text: str
    language: str | None


class Query(NamedTuple):
    """A line of ``queries.jsonl``; ``question`` is the id that translations share, ``language`` None if not said."""

    line: int
    id: str
    question: str
    text: str
    language: str | None


class Judgment(NamedTuple):
    """A line of ``qrels/<split>.tsv``; relevant if ``grade`` is above 0."""

    line: int
    query: str
    document: str
    grade: int


def read_documents(path: Path) -> Iterator[Document]:
    """The documents of a corpus: ``_id``, ``text``, and ``title`` and ``language`` where they have them.

    The title stands before the text with a space between them, and white space at both ends is cut, as BEIR and MTEB
    do it.

    Raises:
        CollectionError: The file cannot be read, a line is no such JSON object, an id comes twice, or there is neither
            title nor text.
    """
    lines: dict[str, int] = {}
    for number, row in _objects(path):
        document_id, text = _needed(row, "_id", path, number), _needed(row, "text", path, number, blank=True)
        _once(lines, document_id, f"_id {shown(document_id)}", path, number)
        joined = f"{_optional(row, 'title', path, number) or ''} {text}".strip()
        if not joined:
            raise CollectionError(
                f"{path}, line {number}: document {shown(document_id)} has neither title nor text; give it one, or "
                "leave it out"
            )
        yield Document(number, document_id, joined, _optional(row, "language", path, number))


def read_queries(path: Path) -> Iterator[Query]:
    """The queries of a file: ``_id``, ``text``, and ``language`` and ``question`` where they have them.

    Raises:
        CollectionError: The file cannot be read, a line is no such JSON object, or an id comes twice.
    """
    lines: dict[str, int] = {}
    for number, row in _objects(path):
        query_id, text = _needed(row, "_id", path, number), _needed(row, "text", path, number)
        _once(lines, query_id, f"_id {shown(query_id)}", path, number)
        question = _optional(row, "question", path, number) or query_id
        yield Query(number, query_id, question, text, _optional(row, "language", path, number))


def misspelled_question(path: Path) -> tuple[int, str] | None:
    """The first line of a file of queries that has, instead of ``question``, an unknown key like it; and that key.

    Raises:
        CollectionError: The file cannot be read, or a line is no JSON object.
    """
    for number, row in _objects(path):
        if "question" not in row:
            unknown = {key.lower(): key for key in row if key not in _KEYS}
            for key in difflib.get_close_matches("question", unknown, n=1):
                return number, unknown[key]
    return None


def read_judgments(path: Path) -> Iterator[Judgment]:
    """The judgments of a split: query id, document id and a whole number with tabs between them, after a header.

    Raises:
        CollectionError: The file cannot be read, its first line is no header, a line is of another form, a score is
            above 2147483647, or a document is judged twice for a query.
    """
    lines: dict[tuple[str, str], int] = {}
    for number, line in _lines(path):
        fields = line.split("\t")
        graded = _GRADE.fullmatch(fields[-1].strip())
        if number == 1:
            if graded:
                raise CollectionError(
                    f"{path}, line 1 is a judgment, where the names of the columns should be: add a line with them"
                )
            continue
        if len(fields) != 3 or not all(fields):
            raise CollectionError(
                f"{path}, line {number} must be query id, document id and score, with tabs between them, and has "
                f"{len(fields)} fields: {line[:80]!r}"
            )
        if not graded:
            raise CollectionError(f"{path}, line {number}: the score must be a whole number, not {shown(fields[2])}")
        grade = _whole(fields[2].strip())
        if grade > _LARGEST_GRADE:
            raise CollectionError(
                f"{path}, line {number}: the score must be at most {_LARGEST_GRADE}, not {fields[2][:80]}"
            )
        query, document = fields[:2]
        _once(lines, (query, document), f"document {shown(document)} for query {shown(query)}", path, number)
        yield Judgment(number, query, document, grade)


def _whole(text: str) -> int:
    """A whole number of any length; one that is beyond what a grade can be is just that, as `int` has a limit."""
    digits = text.lstrip("+-").lstrip("0")
    magnitude = int(digits or "0") if len(digits) <= len(str(_LARGEST_GRADE)) else _LARGEST_GRADE + 1
    return -magnitude if text.startswith("-") else magnitude


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines of a file that are not blank, with their numbers."""
    try:
        with path.open("rb") as file:
            for number, raw in enumerate(file, start=1):
                try:
                    line = (raw.removeprefix(codecs.BOM_UTF8) if number == 1 else raw).decode("utf-8")
                except UnicodeDecodeError as error:
                    raise CollectionError(
                        f"{path}, line {number} is not UTF-8: {error}; save the file as UTF-8"
                    ) from error
                if line.strip():
                    yield number, line.rstrip("\r\n")
    except OSError as error:
        raise CollectionError(f"{path} cannot be read: {error}; put it back, or name another folder") from error


def _objects(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in _lines(path):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise CollectionError(
                f"{path}, line {number} must be a JSON object, and is not JSON ({error}): {line[:80]!r}"
            ) from error
        if not isinstance(row, dict):
            raise CollectionError(f"{path}, line {number} must be a JSON object, not {line[:80]!r}")
        yield number, row


def _needed(row: dict[str, Any], key: str, path: Path, number: int, *, blank: bool = False) -> str:
    if row.get(key) is None:
        raise CollectionError(f"{path}, line {number} has no {key!r}, which every line needs")
    value = _optional(row, key, path, number)
    if value is None or not (blank or value.strip()):
        raise CollectionError(f"{path}, line {number}: {key!r} is empty; fill it, or leave the line out")
    return value


def _optional(row: dict[str, Any], key: str, path: Path, number: int) -> str | None:
    """A text, or None where it is absent, null or, but for a needed one, empty."""
    value = row.get(key)
    if value is None:
        return None
    if not isinstance(value, str):
        raise CollectionError(f"{path}, line {number}: {key!r} must be text in quotes, not {shown(value)}")
    try:
        value.encode()
    except UnicodeEncodeError as error:  # an escape such as \ud800, which nothing else can write or encode
        raise CollectionError(
            f"{path}, line {number}: {key!r} is no valid Unicode: {error}; write the character itself, or leave it out"
        ) from error
    return value


def _once(lines: dict[Any, int], key: Any, name: str, path: Path, number: int) -> None:
    first = lines.setdefault(key, number)
    if first != number:
        raise CollectionError(f"{path}, line {number}: {name} is on line {first} already; leave one of them out")
