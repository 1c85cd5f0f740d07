"""XQuAD-R and MLQA-R: what the files hold, how they are read, and what is said about a damaged one."""

from __future__ import annotations

import copy
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mteb_hybrid.collections import LanguagePart, ParallelCollection, mlqa_r, xquad_r
from mteb_hybrid.collections.lareqa import MLQA_R_FILES, XQUAD_R_FILES, read_lareqa
from mteb_hybrid.collections.remote import RemoteFiles
from mteb_hybrid.errors import CollectionError, DownloadError
from mteb_hybrid.languages import LANGUAGE_SCRIPTS

XQUAD_R_CANDIDATES = {
    "ar": 1222,
    "de": 1276,
    "el": 1234,
    "en": 1180,
    "es": 1215,
    "hi": 1244,
    "ru": 1219,
    "th": 852,
    "tr": 1167,
    "vi": 1209,
    "zh": 1196,
}
MLQA_R_COUNTS = {
    "ar": (517, 2545),
    "de": (512, 2362),
    "en": (1148, 6264),
    "es": (500, 1787),
    "hi": (507, 2426),
    "vi": (511, 2828),
    "zh": (504, 2322),
}

# ---------------------------------------------------------------------------------------------------------------------
# the real files


def load_all(collection: ParallelCollection) -> dict[str, LanguagePart]:
    return {language: collection.load(language) for language in collection.languages}


@pytest.fixture(scope="module")
def xquad_parts(lareqa_data: Path) -> dict[str, LanguagePart]:
    return load_all(xquad_r())


@pytest.fixture(scope="module")
def mlqa_parts(lareqa_data: Path) -> dict[str, LanguagePart]:
    return load_all(mlqa_r())


def test_xquad_r_counts(xquad_parts: dict[str, LanguagePart]) -> None:
    """XQuAD-R has 1,190 questions in each of 11 languages, and the published number of candidates."""
    assert {language: len(part.queries) for language, part in xquad_parts.items()} == dict.fromkeys(
        XQUAD_R_CANDIDATES, 1190
    )
    assert {language: len(part.passages) for language, part in xquad_parts.items()} == XQUAD_R_CANDIDATES


def test_mlqa_r_counts(mlqa_parts: dict[str, LanguagePart]) -> None:
    """MLQA-R has the published number of questions and candidates in each of 7 languages."""
    counts = {language: (len(part.queries), len(part.passages)) for language, part in mlqa_parts.items()}
    assert counts == MLQA_R_COUNTS


def test_xquad_r_questions_exist_in_all_languages(xquad_parts: dict[str, LanguagePart]) -> None:
    """Every question id of XQuAD-R is in all 11 languages."""
    languages_of = Counter(query_id for part in xquad_parts.values() for query_id in part.query_ids)
    assert Counter(languages_of.values()) == {11: 1190}


def test_mlqa_r_questions_exist_in_two_to_four_languages(mlqa_parts: dict[str, LanguagePart]) -> None:
    """Of MLQA-R's question ids 820 are in four languages, 263 in three and 65 in two; every one is in English."""
    languages_of = Counter(query_id for part in mlqa_parts.values() for query_id in part.query_ids)
    assert Counter(languages_of.values()) == {4: 820, 3: 263, 2: 65}
    assert set(languages_of) == set(mlqa_parts["en"].query_ids)


@pytest.mark.parametrize(
    ("files", "parts"), [(XQUAD_R_FILES, "xquad_parts"), (MLQA_R_FILES, "mlqa_parts")], ids=["xquad-r", "mlqa-r"]
)
def test_relevant_sentences_hold_the_answers(
    lareqa_data: Path, request: pytest.FixtureRequest, files: RemoteFiles, parts: str
) -> None:
    """Each question's one relevant sentence is where its answer starts, judged by the texts, not by the breaks."""
    not_in_context = Counter()
    for language, part in request.getfixturevalue(parts).items():
        document = json.loads((lareqa_data / files.folder / f"{language}.json").read_text(encoding="utf-8"))
        answers = {
            qa["id"]: (qa["answers"][0], paragraph["context"])
            for article in document["data"]
            for paragraph in article["paragraphs"]
            for qa in paragraph["qas"]
        }
        assert set(answers) == set(part.query_ids)
        for query_id, positions in zip(part.query_ids, part.relevant, strict=True):
            (position,) = positions
            sentence, (answer, context) = part.passages[position], answers[query_id]
            assert part.contexts[position] == context, (language, query_id)
            if sentence not in context:
                not_in_context[language] += 1
                continue
            start = answer["answer_start"]
            # an occurrence of the sentence that begins at most its length before the answer
            begin = context.find(sentence, max(0, start - len(sentence) + 1), start + len(sentence))
            assert begin != -1, (language, query_id)
    # one sentence of the Turkish file has other characters than its paragraph: "1⁞2" for a garbled "1⁄2"
    assert set(not_in_context) <= {"tr"}
    assert not_in_context.total() <= 5


@pytest.mark.parametrize("collection", [xquad_r(), mlqa_r()], ids=lambda collection: collection.name)
def test_passage_ids_are_unique_over_all_languages(collection: ParallelCollection) -> None:
    """No two candidates of a collection share an id, whatever their languages."""
    counts = {"xquad-r": XQUAD_R_CANDIDATES, "mlqa-r": {k: v for k, (_, v) in MLQA_R_COUNTS.items()}}[collection.name]
    assert collection.languages == tuple(sorted(counts))
    ids = [i for language, count in counts.items() for i in collection.passage_ids(language, count)]
    assert len(set(ids)) == len(ids) == sum(counts.values())


@pytest.mark.parametrize("files", [XQUAD_R_FILES, MLQA_R_FILES], ids=lambda files: files.folder)
def test_files_are_pinned(files: RemoteFiles) -> None:
    """The address is that of a commit, every file has a sum of its own, and every language a code for MTEB."""
    assert files.base_url.startswith("https://")
    assert files.base_url.endswith(f"/{files.revision}/{files.folder}/")
    assert len(files.revision) == 40
    assert {len(digest) for digest in files.sha256.values()} == {64}
    assert len(set(files.sha256.values())) == len(files.sha256)
    assert {name.removesuffix(".json") for name in files.sha256} <= set(LANGUAGE_SCRIPTS)


def test_revision_of_the_collections_is_that_of_the_files() -> None:
    """A collection says which commit its data is from."""
    assert xquad_r().revision == XQUAD_R_FILES.revision
    assert mlqa_r().revision == MLQA_R_FILES.revision


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda data: data[: len(data) // 2], id="cut off"),
        pytest.param(lambda data: data[:-1], id="last byte lost"),
        pytest.param(lambda data: data.replace(b"308 points", b"309 points", 1), id="altered, still JSON"),
        pytest.param(lambda data: data + b"\n", id="longer, same JSON"),
        pytest.param(lambda data: b"<!DOCTYPE html><html><body>Not found</body></html>", id="HTML"),
        pytest.param(lambda data: b"", id="empty"),
    ],
)
def test_load_refuses_a_real_file_that_was_damaged(
    lareqa_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage
) -> None:
    """One altered byte in MTEB_HYBRID_DATA is enough to refuse a file, also where it could still be read."""
    data = (lareqa_data / "xquad-r" / "en.json").read_bytes()
    damaged = damage(data)
    assert damaged != data
    path = tmp_path / "xquad-r" / "en.json"
    path.parent.mkdir()
    path.write_bytes(damaged)
    monkeypatch.setenv("MTEB_HYBRID_DATA", str(tmp_path))
    with pytest.raises(CollectionError) as raised:
        xquad_r().load("en")
    message = str(raised.value)
    assert str(path) in message
    assert XQUAD_R_FILES.sha256["en.json"] in message
    assert XQUAD_R_FILES.base_url + "en.json" in message
    assert "MTEB_HYBRID_DATA" in message


@pytest.mark.parametrize("collection", [xquad_r(), mlqa_r()], ids=lambda collection: collection.name)
def test_load_names_a_missing_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, collection: ParallelCollection
) -> None:
    """A folder without the file is named, with what it should hold; nothing is downloaded instead."""
    monkeypatch.setenv("MTEB_HYBRID_DATA", str(tmp_path))
    with pytest.raises(CollectionError) as raised:
        collection.load("de")
    assert not isinstance(raised.value, DownloadError)
    assert str(tmp_path / collection.name / "de.json") in str(raised.value)
    assert "MTEB_HYBRID_DATA" in str(raised.value)


@pytest.mark.parametrize(
    ("collection", "language"), [(xquad_r(), "fr"), (mlqa_r(), "th")], ids=lambda value: getattr(value, "name", value)
)
def test_load_of_a_language_that_it_does_not_have(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, collection: ParallelCollection, language: str
) -> None:
    """A language that only another collection has is refused before any file is looked for."""
    monkeypatch.setenv("MTEB_HYBRID_DATA", str(tmp_path))
    with pytest.raises(CollectionError, match=f"{collection.name} has no language '{language}'"):
        collection.load(language)


# ---------------------------------------------------------------------------------------------------------------------
# the reader, on files made by hand


def paragraph(sentences: list[str], *questions: tuple[str, str, int]) -> dict[str, Any]:
    """A paragraph of sentences joined by a space, with questions of (id, text, answer_start)."""
    context = " ".join(sentences)
    breaks, begin = [], 0
    for sentence in sentences:
        breaks.append([begin, begin + len(sentence)])
        begin += len(sentence) + 1
    return {
        "context": context,
        "sentences": list(sentences),
        "sentence_breaks": breaks,
        "qas": [
            {"id": query_id, "question": text, "answers": [{"answer_start": start, "text": context[start : start + 3]}]}
            for query_id, text, start in questions
        ],
    }


FIRST = ["Ö𝕏ö.", "Zwei 猫.", "Drei."]  # characters of 1 to 4 bytes before the answers; begins 0, 5, 13; ends 4, 12, 18


def document() -> dict[str, Any]:
    """Two articles with three paragraphs; the last repeats a sentence of the first and has no question."""
    return {
        "version": "1.1",
        "data": [
            {
                "title": "A",
                "paragraphs": [
                    paragraph(FIRST, ("q-third", "Wo ist drei?", 13), ("q-second", "Wo ist die Katze?", 10)),
                    paragraph(["Vier.", "Fünf."], ("q-fifth", "Wo ist fünf?", 6)),
                ],
            },
            {"title": "B", "paragraphs": [paragraph(["Drei.", "Sechs."])]},
        ],
    }


def write(tmp_path: Path, content: Any) -> Path:
    """Write a document, or bytes as they are, to a file."""
    path = tmp_path / "de.json"
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content, ensure_ascii=False).encode())
    return path


def test_sentences_are_candidates_and_paragraphs_their_contexts(tmp_path: Path) -> None:
    """Encoded is each sentence alone; its whole paragraph is its context; all come in the order of the file."""
    path = write(tmp_path, document())
    part = read_lareqa(path, "de")
    assert part.passages == ("Ö𝕏ö.", "Zwei 猫.", "Drei.", "Vier.", "Fünf.", "Drei.", "Sechs.")
    assert part.contexts == ("Ö𝕏ö. Zwei 猫. Drei.",) * 3 + ("Vier. Fünf.",) * 2 + ("Drei. Sechs.",) * 2
    assert part.language == "de"
    assert part.source == str(path)


def test_questions_point_to_the_sentence_of_their_answer(tmp_path: Path) -> None:
    """Positions count over the whole file, offsets in characters; sentences without questions are kept."""
    part = read_lareqa(write(tmp_path, document()), "de")
    assert part.query_ids == ("q-third", "q-second", "q-fifth")
    assert part.queries == ("Wo ist drei?", "Wo ist die Katze?", "Wo ist fünf?")
    assert part.relevant == ((2,), (1,), (4,))


@pytest.mark.parametrize(("start", "sentence"), [(0, 0), (3, 0), (5, 1), (11, 1), (13, 2), (17, 2)])
def test_answers_at_the_edges_of_a_sentence(tmp_path: Path, start: int, sentence: int) -> None:
    """The first and the last character of a sentence belong to it, and to no other."""
    content = {"data": [{"paragraphs": [paragraph(FIRST, ("q", "Wo?", start))]}]}
    assert read_lareqa(write(tmp_path, content), "de").relevant == ((sentence,),)


def test_an_answer_over_two_sentences_belongs_to_its_start(tmp_path: Path) -> None:
    """Where an answer runs over the end of a sentence, the sentence of its first character is the relevant one."""
    content = {"data": [{"paragraphs": [paragraph(FIRST, ("q", "Wo?", 5))]}]}
    content["data"][0]["paragraphs"][0]["qas"][0]["answers"][0]["text"] = "Zwei 猫. Drei."
    assert read_lareqa(write(tmp_path, content), "de").relevant == ((1,),)


def test_sentences_that_touch(tmp_path: Path) -> None:
    """Without a space between sentences, as in Chinese, the end of one is the begin of the next and not its own."""
    content = {"data": [{"paragraphs": [paragraph(["一。", "二。"], ("q", "哪?", 2))]}]}
    content["data"][0]["paragraphs"][0] |= {"context": "一。二。", "sentence_breaks": [[0, 2], [2, 4]]}
    assert read_lareqa(write(tmp_path, content), "zh").relevant == ((1,),)


def test_escaped_and_plain_files_read_the_same(tmp_path: Path) -> None:
    """A file that escapes its characters holds the same texts and offsets as one in plain UTF-8."""
    plain = read_lareqa(write(tmp_path, document()), "de")
    assert read_lareqa(write(tmp_path, json.dumps(document()).encode("ascii")), "de") == plain


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
