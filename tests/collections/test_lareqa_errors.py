"""What is said about a damaged file of LAReQA's layout."""

from __future__ import annotations

import copy
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lareqa_documents import FIRST, document, paragraph, write

from mteb_hybrid.collections.lareqa import read_lareqa
from mteb_hybrid.errors import CollectionError


def refused(path: Path) -> str:
    """The message with which a file is refused; it names the file."""
    with pytest.raises(CollectionError) as raised:
        read_lareqa(path, "de")
    assert str(path) in str(raised.value)
    return str(raised.value)


def test_a_file_cut_off_anywhere_is_refused(tmp_path: Path) -> None:
    """Wherever a file ends too early, also within a character, it is refused by name and never read in part."""
    data = json.dumps(document(), ensure_ascii=False).encode()
    for length in range(len(data)):
        refused(write(tmp_path, data[:length]))


@pytest.mark.parametrize(
    ("content", "named"),
    [
        pytest.param(b"<!DOCTYPE html>\n<html><body>Rate limited</body></html>", "not JSON", id="HTML"),
        pytest.param(b"404: Not Found", "not JSON", id="plain error"),
        pytest.param(b"", "not JSON", id="empty file"),
        pytest.param(json.dumps(document()).encode() * 2, "not JSON", id="twice"),
        pytest.param(json.dumps(document(), ensure_ascii=False).encode("utf-16"), "cannot be read", id="UTF-16"),
        pytest.param('{"data": "Grün"}'.encode("latin-1"), "cannot be read", id="Latin-1"),
        pytest.param(b"\x1f\x8b\x08\x00\x00\x00\x00\x00", "cannot be read", id="compressed"),
    ],
)
def test_what_is_not_json_in_utf_8_is_refused(tmp_path: Path, content: bytes, named: str) -> None:
    """An error page, other text, or another encoding is named for what it is."""
    assert named in refused(write(tmp_path, content))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """A file that is not there, or is a folder, gives our error with its path."""
    assert "cannot be read" in refused(tmp_path / "nowhere" / "de.json")
    assert "cannot be read" in refused(tmp_path)


@pytest.mark.parametrize("start", [-1, 4, 12, 18, 5000])
def test_an_answer_outside_of_every_sentence_is_refused(tmp_path: Path, start: int) -> None:
    """An answer before, between or behind the sentences is refused; the message names paragraph, question, offset."""
    content = document()
    content["data"][1]["paragraphs"] = [paragraph(FIRST, ("q-ok", "Wo?", 0), ("q-lost", "Wo?", start))]
    message = refused(write(tmp_path, content))
    assert "article 1, paragraph 0" in message
    assert "'q-lost'" in message
    assert f"at {start} " in message


def test_an_answer_in_two_sentences_is_refused(tmp_path: Path) -> None:
    """Sentences that overlap at the answer leave open which is relevant, and are refused."""
    content = document()
    content["data"][0]["paragraphs"][1]["sentence_breaks"] = [[0, 9], [6, 11]]
    message = refused(write(tmp_path, content))
    assert "article 0, paragraph 1" in message
    assert "'q-fifth'" in message


@pytest.mark.parametrize("breaks", [[[0, 5]], [[0, 5], [6, 11], [11, 12]], []])
def test_as_many_breaks_as_sentences(tmp_path: Path, breaks: list[list[int]]) -> None:
    """A paragraph with fewer or more breaks than sentences is refused with both numbers."""
    content = document()
    content["data"][0]["paragraphs"][1]["sentence_breaks"] = breaks
    message = refused(write(tmp_path, content))
    assert "article 0, paragraph 1" in message
    assert "2 sentences" in message
    assert f"{len(breaks)} sentence breaks" in message


@pytest.mark.parametrize("place", [(0, 0), (0, 1), (1, 0)])
def test_a_duplicate_id_is_refused(tmp_path: Path, place: tuple[int, int]) -> None:
    """A question id that occurs twice, in one paragraph or in two, is refused by name."""
    content = document()
    target = content["data"][place[0]]["paragraphs"][place[1]]
    target["qas"].append({"id": "q-third", "question": "Wo?", "answers": [{"answer_start": 0, "text": "x"}]})
    assert "'q-third'" in refused(write(tmp_path, content))


@pytest.mark.parametrize(
    "content",
    [
        pytest.param({"data": []}, id="no article"),
        pytest.param({"data": [{"paragraphs": []}]}, id="no paragraph"),
        pytest.param({"data": [{"paragraphs": [paragraph([])]}]}, id="no sentence"),
        pytest.param({"data": [{"paragraphs": [paragraph(["Eins."])]}]}, id="no question"),
    ],
)
def test_an_empty_corpus_is_refused(tmp_path: Path, content: dict[str, Any]) -> None:
    """A file without anything to search, or without questions, is refused: no score could be computed from it."""
    message = refused(write(tmp_path, content))
    assert "0 passages" in message or "0 questions" in message


PARAGRAPH = ("data", 0, "paragraphs", 1)
QA = (*PARAGRAPH, "qas", 0)
ANSWER = (*QA, "answers", 0)


def altered(path: tuple[str | int, ...], value: Any) -> dict[str, Any]:
    """The document with another value at a path, or without it where the value is Ellipsis."""
    content = document()
    parent: Any = content
    for key in path[:-1]:
        parent = parent[key]
    if value is ...:
        del parent[path[-1]]
    else:
        parent[path[-1]] = copy.deepcopy(value)
    return content


@pytest.mark.parametrize(
    "path",
    [
        *[(*PARAGRAPH, key) for key in ("context", "sentences", "sentence_breaks", "qas")],
        *[(*QA, key) for key in ("id", "question", "answers")],
        (*ANSWER, "answer_start"),
    ],
    ids=lambda path: path[-1],
)
def test_a_missing_field_is_refused(tmp_path: Path, path: tuple[str | int, ...]) -> None:
    """Each field that is read may be missing in one place; the message names file, place and field."""
    message = refused(write(tmp_path, altered(path, ...)))
    assert "article 0, paragraph 1" in message
    assert f"'{path[-1]}'" in message


@pytest.mark.parametrize("path", [("data",), ("data", 1, "paragraphs")], ids=["data", "paragraphs"])
def test_a_missing_list_of_paragraphs_is_refused(tmp_path: Path, path: tuple[str | int, ...]) -> None:
    """A document of another layout is refused; the message names the file and the layout that is expected."""
    message = refused(write(tmp_path, altered(path, ...)))
    assert "data[].paragraphs[]" in message
    assert repr(path[-1]) in message


@pytest.mark.parametrize("content", [[], [1], "data", 5, None, True, {}, [{"paragraphs": []}]], ids=repr)
def test_a_document_of_another_type_is_refused(tmp_path: Path, content: Any) -> None:
    """JSON whose top is no object with data is refused by name."""
    assert "data[].paragraphs[]" in refused(write(tmp_path, json.dumps(content).encode()))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("data",), {"a": 1}),
        (("data",), 5),
        (("data",), "text"),
        (("data", 1), []),
        (("data", 1), "text"),
        (("data", 1), None),
        (("data", 1, "paragraphs"), 5),
        (("data", 1, "paragraphs"), {"a": 1}),
        (PARAGRAPH, []),
        (PARAGRAPH, None),
        (PARAGRAPH, "text"),
        ((*PARAGRAPH, "context"), None),
        ((*PARAGRAPH, "context"), ["Vier.", "Fünf."]),
        ((*PARAGRAPH, "sentences"), None),
        ((*PARAGRAPH, "sentences"), 2),
        ((*PARAGRAPH, "sentences"), "ab"),
        ((*PARAGRAPH, "sentences"), {"Vier.": 0, "Fünf.": 1}),
        ((*PARAGRAPH, "sentences", 0), None),
        ((*PARAGRAPH, "sentences", 0), ["Vier."]),
        ((*PARAGRAPH, "sentences", 0), " "),
        ((*PARAGRAPH, "sentence_breaks"), None),
        ((*PARAGRAPH, "sentence_breaks"), [0, 6]),
        ((*PARAGRAPH, "sentence_breaks"), {"ab": 0, "cd": 1}),
        ((*PARAGRAPH, "sentence_breaks", 1), [6]),
        ((*PARAGRAPH, "sentence_breaks", 1), [6, 9, 11]),
        ((*PARAGRAPH, "sentence_breaks", 1), ["6", "11"]),
        ((*PARAGRAPH, "sentence_breaks", 1), [6, None]),
        ((*PARAGRAPH, "qas"), None),
        ((*PARAGRAPH, "qas"), {"a": 1}),
        ((*PARAGRAPH, "qas"), "text"),
        (QA, []),
        (QA, None),
        ((*QA, "id"), None),
        ((*QA, "id"), ["q-fifth"]),
        ((*QA, "id"), ""),
        ((*QA, "question"), None),
        ((*QA, "question"), 5),
        ((*QA, "question"), ["Wo ist fünf?"]),
        ((*QA, "question"), ""),
        ((*QA, "answers"), []),
        ((*QA, "answers"), None),
        ((*QA, "answers"), {"answer_start": 6}),
        ((*QA, "answers"), "text"),
        (ANSWER, []),
        (ANSWER, None),
        ((*ANSWER, "answer_start"), "6"),
        ((*ANSWER, "answer_start"), None),
        ((*ANSWER, "answer_start"), [6]),
    ],
    ids=lambda value: "/".join(map(str, value)) if isinstance(value, tuple) else repr(value),
)
def test_a_value_of_another_type_is_refused(tmp_path: Path, path: tuple[str | int, ...], value: Any) -> None:
    """A wrong type, or an empty text, anywhere in a file gives our error with the file, never another exception."""
    refused(write(tmp_path, altered(path, value)))


def paths(value: Any, here: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The paths of all values below a value."""
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        yield (*here, key)
        yield from paths(child, (*here, key))


def test_no_single_change_brings_another_exception_or_other_types(tmp_path: Path) -> None:
    """Whatever one value of a file is replaced by, the file is refused by name or read into texts and positions."""
    outcomes = Counter()
    surprises: list[str] = []
    for path in paths(document()):
        for value in (..., None, True, -1, 2.5, "", "text", [], ["text"], [0, 5], {}, {"id": "text"}):
            file = write(tmp_path, altered(path, value))
            try:
                part = read_lareqa(file, "de")
            except CollectionError as error:
                outcomes["refused"] += 1
                if str(file) not in str(error):
                    surprises.append(f"{path} = {value!r}: the message does not name the file: {error}")
            except Exception as error:  # noqa: BLE001
                surprises.append(f"{path} = {value!r}: {type(error).__name__}: {error}")
            else:
                outcomes["read"] += 1
                texts = (*part.passages, *part.contexts, *part.query_ids, *part.queries)
                if not all(isinstance(text, str) for text in texts):
                    surprises.append(f"{path} = {value!r}: read into something that is not a text")
    assert surprises == []
    assert min(outcomes["refused"], outcomes["read"]) > 50
