"""XQuAD-R and MLQA-R: what the files hold, and where they come from."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from mteb_hybrid.collections import LanguagePart, ParallelCollection, mlqa_r, xquad_r
from mteb_hybrid.collections.lareqa import MLQA_R_FILES, XQUAD_R_FILES
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
