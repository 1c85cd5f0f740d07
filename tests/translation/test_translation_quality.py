"""Quality figures, by hand-made examples."""

from __future__ import annotations

import importlib.util
from typing import Any

import pytest
from named_folders import named_folder

from mteb_hybrid.collections.miracl import LANGUAGES
from mteb_hybrid.translation import quality
from mteb_hybrid.translation.quality import SCRIPTS, assess, in_wrong_script, round_trip_chrf, wrong_language
from mteb_hybrid.translation.topics import read_topics

SOURCES = ["Bandari kubwa nchini Kenya iko wapi?", "Mombasa", "Mto mrefu uko wapi?", "Nani?"]
ENGLISH = ["Where is the large port in Kenya?", " MOMBASA ", "Где самая длинная река?", ""]

RIGHT_SCRIPT = {
    "ar": "أين يقع أكبر ميناء؟",
    "bn": "বৃহত্তম বন্দর কোথায়?",
    "de": "Wo ist der größte Hafen?",
    "en": "Where is the largest port?",
    "es": "¿Dónde está el puerto más grande?",
    "fa": "بزرگترین بندر کجاست؟",
    "fi": "Missä on suurin satama?",
    "fr": "Où est le plus grand port ?",
    "hi": "सबसे बड़ा बंदरगाह कहाँ है?",
    "id": "Di mana pelabuhan terbesar?",
    "ja": "一番大きい港はどこですか、コンテナの",
    "ko": "가장 큰 항구는 어디입니까?",
    "ru": "Где самый большой порт?",
    "sw": "Bandari kubwa iko wapi?",
    "te": "అతిపెద్ద ఓడరేవు ఎక్కడ ఉంది?",
    "th": "ท่าเรือที่ใหญ่ที่สุดอยู่ที่ไหน",
    "yo": "Níbo ni èbúté tó tóbi jù wà?",
    "zh": "最大的港口在哪里？",
}


def test_shares() -> None:
    """One of four is empty, one is its source but for case and blanks, one is Russian."""
    found = assess(SOURCES, ENGLISH, "en")
    assert found.empty == 1 / 4
    assert found.untranslated == 1 / 4
    assert found.wrong_script == 1 / 4
    assert found.round_trip_chrf is None


@pytest.mark.parametrize("language", LANGUAGES)
def test_scripts(language: str) -> None:
    """Every language's own text is in its script; that of a language of another script is not."""
    assert not in_wrong_script(RIGHT_SCRIPT[language], language)
    for other in LANGUAGES:
        shared = set(SCRIPTS[language]) & set(SCRIPTS[other])
        if not shared:
            assert in_wrong_script(RIGHT_SCRIPT[other], language), other


def test_majority() -> None:
    """Half of the letters may be of another script, and a text without letters is in none."""
    assert not in_wrong_script("abвг", "en")
    assert in_wrong_script("abвгд", "en")
    assert not in_wrong_script("abвгд", "ru")
    assert not in_wrong_script("1984?", "ru")
    assert not in_wrong_script("", "ru")


@pytest.mark.parametrize("language", LANGUAGES)
def test_identified_language(language: str) -> None:
    """py3langid takes each language's sentence for that language, and a Japanese one for none of the others."""
    pytest.importorskip("py3langid")
    assert wrong_language([RIGHT_SCRIPT[language]], language) == 0.0
    if language != "ja":
        assert wrong_language([RIGHT_SCRIPT[language], RIGHT_SCRIPT["ja"]], language) == 1 / 2


def test_language_that_is_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """None where the identifier does not know the target language, which must not count as wrong."""
    langid = pytest.importorskip("py3langid.langid")
    kept = property(lambda self: ["en", "de", "sw"])
    monkeypatch.setattr(langid.LanguageIdentifier, "labels", kept)
    assert wrong_language(["Níbo ni?"], "yo") is None
    assert wrong_language([RIGHT_SCRIPT["sw"]], "sw") == 0.0


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without py3langid and sacrebleu their figures are None, the others are there."""
    find = importlib.util.find_spec
    missing = {"py3langid", "sacrebleu"}
    monkeypatch.setattr(
        quality.importlib.util, "find_spec", lambda name, *rest: None if name in missing else find(name, *rest)
    )
    found = assess(SOURCES, ENGLISH, "en", SOURCES)
    assert found.wrong_language is None
    assert found.round_trip_chrf is None
    assert found.empty == 1 / 4


class TestRoundTrip:
    """chrF of back-translations."""

    def test_bounds(self) -> None:
        """100 for the same texts, 0 for texts without a common letter."""
        pytest.importorskip("sacrebleu")
        assert round_trip_chrf(SOURCES, SOURCES) == pytest.approx(100.0)
        assert round_trip_chrf(["aaa aaa"], ["bbb bbb"]) == pytest.approx(0.0)

    def test_by_hand(self) -> None:
        """One text of three characters: two of three 1-grams and one of two 2-grams are common, the 3-gram is not.

        Precision and recall are both (2/3 + 1/2 + 0) / 3, and so is their F for any beta; orders 4 to 6 have no n-gram
        and are left out.
        """
        pytest.importorskip("sacrebleu")
        assert round_trip_chrf(["abc"], ["abd"]) == pytest.approx(100 * (2 / 3 + 1 / 2) / 3)

    def test_direction(self) -> None:
        """Sources are the references: a back-translation that says less is worse than one that says more."""
        pytest.importorskip("sacrebleu")
        short, long = "bandari iko wapi", "bandari kubwa nchini kenya iko wapi"
        less, more = round_trip_chrf([long], [short]), round_trip_chrf([short], [long])
        assert less is not None
        assert more is not None
        assert less < more

    def test_part_of_all_figures(self) -> None:
        """With back-translations given, the figure is among the others."""
        pytest.importorskip("sacrebleu")
        assert assess(SOURCES, ENGLISH, "en", SOURCES).round_trip_chrf == pytest.approx(100.0)


@pytest.mark.parametrize("back", [None, ["a"]])
def test_numbers_differ(back: Any) -> None:
    """Lists of different lengths, or none at all, are refused."""
    with pytest.raises(ValueError, match="differ in number or are none"):
        assess(SOURCES, ENGLISH[:3] if back is None else ENGLISH, "en", back)
    with pytest.raises(ValueError, match="differ in number or are none"):
        assess([], [], "en")


def test_on_real_topics() -> None:
    """What the language figures say of human questions, the floor that translations are to be compared with."""
    folder = named_folder("MTEB_HYBRID_TEST_MIRACL", "a folder with topics.<language>.tsv")
    pytest.importorskip("py3langid")
    for language in ("en", "sw", "te", "ja"):
        texts = list(read_topics(folder, language).values())
        assert sum(in_wrong_script(text, language) for text in texts) <= 0.01 * len(texts)
        wrong = wrong_language(texts, language)
        assert wrong is not None
        assert wrong < 0.15
