"""MiniQA-R, the collection that ships with the package: parallel, in the right scripts, free of duplicates."""

from __future__ import annotations

import unicodedata
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

from mteb_hybrid.collections import LanguagePart, miniqa_r
from mteb_hybrid.errors import CollectionError
from mteb_hybrid.languages import LANGUAGE_SCRIPTS

SCRIPTS = {
    "ar": "ARABIC",
    "de": "LATIN",
    "el": "GREEK",
    "en": "LATIN",
    "es": "LATIN",
    "hi": "DEVANAGARI",
    "ru": "CYRILLIC",
    "th": "THAI",
    "tr": "LATIN",
    "vi": "LATIN",
    "zh": "CJK",
}
LANGUAGES = tuple(SCRIPTS)


@pytest.fixture(scope="module")
def parts() -> dict[str, LanguagePart]:
    return {language: miniqa_r().load(language) for language in LANGUAGES}


def texts(part: LanguagePart) -> tuple[str, ...]:
    """All questions and sentences of a language."""
    return part.queries + part.passages


def share_in_script(text: str, script: str) -> float:
    """Which part of the letters and vowel signs of a text belongs to a script."""
    signs = [sign for sign in text if unicodedata.category(sign)[0] in "LM"]
    assert signs, text
    return sum(unicodedata.name(sign).startswith(script) for sign in signs) / len(signs)


def test_it_has_the_languages_of_xquad_r() -> None:
    """All 11 languages are there, sorted, each with its code for MTEB."""
    assert miniqa_r().languages == LANGUAGES
    assert set(LANGUAGES) <= set(LANGUAGE_SCRIPTS)


@pytest.mark.parametrize("language", LANGUAGES)
def test_sizes(parts: dict[str, LanguagePart], language: str) -> None:
    """Each language has the documented 48 questions and 144 sentences and knows its own code."""
    part = parts[language]
    assert part.language == language
    assert len(part.queries) == 48
    assert len(part.passages) == 144


@pytest.mark.parametrize("language", LANGUAGES)
def test_one_relevant_sentence_each(parts: dict[str, LanguagePart], language: str) -> None:
    """Each question has one relevant sentence, and no two questions share one."""
    relevant = parts[language].relevant
    assert [len(positions) for positions in relevant] == [1] * len(relevant)
    assert len(set(relevant)) == len(relevant)


def test_the_relevant_sentence_answers(parts: dict[str, LanguagePart]) -> None:
    """The relevant sentence is the one that answers, wherever it stands in its passage."""
    part = parts["en"]
    answers = {
        query_id: part.passages[position] for query_id, (position,) in zip(part.query_ids, part.relevant, strict=True)
    }
    assert "8,849 metres" in answers["mount-everest"]
    assert "dancing on the comb" in answers["honey-bee"]
    assert "pull of the Moon" in answers["tide"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_sentence_stands_in_a_context_with_others(parts: dict[str, LanguagePart], language: str) -> None:
    """The context of a sentence holds it and at least one other, so that each answer has a near miss beside it."""
    part = parts[language]
    companions = Counter(part.contexts)
    for passage, context in zip(part.passages, part.contexts, strict=True):
        assert passage in context
        assert companions[context] >= 2, context
        assert len(context) > len(passage) + 1
    assert len(companions) == len(part.queries)


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_question_has_a_context_of_its_own(parts: dict[str, LanguagePart], language: str) -> None:
    """The relevant sentences of two questions never stand in the same context."""
    part = parts[language]
    contexts = [part.contexts[position] for (position,) in part.relevant]
    assert len(set(contexts)) == len(contexts)


@pytest.mark.parametrize("language", LANGUAGES)
def test_translations_are_parallel(parts: dict[str, LanguagePart], language: str) -> None:
    """Ids come in the same order in all languages, and the same sentence of the same passage answers."""
    assert parts[language].query_ids == parts["en"].query_ids
    assert parts[language].relevant == parts["en"].relevant


@pytest.mark.parametrize("language", LANGUAGES)
def test_texts_are_clean(parts: dict[str, LanguagePart], language: str) -> None:
    """Texts are in NFC, without space around them, control or format signs, doubled space or a replaced sign."""
    for text in texts(parts[language]):
        assert unicodedata.is_normalized("NFC", text), text
        assert text == " ".join(text.split()), text
        assert not [sign for sign in text if unicodedata.category(sign) in {"Cc", "Cf", "Cn", "Co", "Cs"}], text
        assert "\ufffd" not in text


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_duplicates_within_a_language(parts: dict[str, LanguagePart], language: str) -> None:
    """No question and no sentence occurs twice, not even with other capitals."""
    for kind in (parts[language].queries, parts[language].passages):
        twice = [text for text, count in Counter(text.casefold() for text in kind).items() if count > 1]
        assert twice == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_texts_are_in_the_script_of_their_language(parts: dict[str, LanguagePart], language: str) -> None:
    """Names and units aside, each text is written in its language's script, and all together nearly entirely."""
    script = SCRIPTS[language]
    for text in texts(parts[language]):
        assert share_in_script(text, script) > 0.6, text
    assert share_in_script("".join(texts(parts[language])), script) > 0.97


@pytest.mark.parametrize("language", ["de", "es", "tr", "vi"])
def test_latin_languages_use_their_own_letters(parts: dict[str, LanguagePart], language: str) -> None:
    """Languages in Latin script have the letters that English lacks, so that none is English by mistake."""
    letters = set({"de": "äöüß", "es": "áéíóúñ¿", "tr": "çğışöü", "vi": "ăâđêôơư"}[language])

    def share(part: LanguagePart) -> float:
        return sum(bool(letters & set(text.lower())) for text in texts(part)) / len(texts(part))

    assert share(parts["en"]) < 0.05 < 0.5 < share(parts[language])


def test_chinese_is_simplified(parts: dict[str, LanguagePart]) -> None:
    """Chinese is declared as zho-Hans: its signs are in GB 2312, which has no traditional ones."""
    letters = {sign for text in texts(parts["zh"]) for sign in text if unicodedata.category(sign) == "Lo"}
    assert len(letters) > 100
    known = set("".join(letters).encode("gb2312", errors="ignore").decode("gb2312"))
    # the sign of "lagoon" is the same in both writings; GB 2312 has it not, the standard of 2013 has it
    assert letters - known <= {"潟"}


def test_no_text_is_the_same_in_two_languages(parts: dict[str, LanguagePart]) -> None:
    """No question or sentence was left untranslated: none is that of another language."""
    owner: dict[str, str] = {}
    for language in LANGUAGES:
        for text in texts(parts[language]):
            assert owner.setdefault(text.casefold(), language) == language, text


def test_passage_ids_are_unique_and_not_sorted_by_language(parts: dict[str, LanguagePart]) -> None:
    """Over all languages no id occurs twice, and in the order of ids the languages are mixed as if by chance."""
    collection = miniqa_r()
    labelled = sorted(
        (passage_id, language)
        for language in LANGUAGES
        for passage_id in collection.passage_ids(language, len(parts[language].passages))
    )
    total = sum(len(part.passages) for part in parts.values())
    assert len({passage_id for passage_id, _ in labelled}) == total
    changes = sum(left != right for (_, left), (_, right) in pairwise(labelled))
    # by chance 10 in 11 neighbours differ; grouped by language there would be 10 changes in all
    assert 0.87 * total < changes < 0.95 * total
    assert {language for _, language in labelled[:100]} == set(LANGUAGES)


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(None, id="missing"),
        pytest.param(b"", id="empty"),
        pytest.param(b'{"language": "de", "items": [{"id": "honey', id="cut off"),
        pytest.param(b'{"language": "de"}', id="no items"),
        pytest.param('{"items": "Grün"}'.encode("latin-1"), id="not UTF-8"),
    ],
)
def test_a_damaged_installation_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: bytes | None) -> None:
    """A file of the package that is missing or damaged gives our error, with the file and the cure."""
    path = tmp_path / "data" / "miniqa-r" / "de.json"
    path.parent.mkdir(parents=True)
    if damage is not None:
        path.write_bytes(damage)
    monkeypatch.setitem(miniqa_r.__globals__, "files", lambda package: tmp_path)
    with pytest.raises(CollectionError, match="reinstall") as raised:
        miniqa_r().load("de")
    assert str(path) in str(raised.value)
