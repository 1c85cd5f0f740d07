"""Figures that warn of bad translations without a reference: pure functions of texts.

None of them is a measure of adequacy. They find what went wrong by the hundred: the wrong language forced, a model that
repeats its input, a script that the tokenizer does not have.
"""

from __future__ import annotations

import functools
import importlib.util
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# beginnings of the Unicode names of a language's letters
_LATIN, _ARABIC = ("LATIN ", "FULLWIDTH LATIN "), ("ARABIC ",)
_HAN, _KANA = ("CJK ", "IDEOGRAPHIC "), ("HIRAGANA ", "KATAKANA", "HALFWIDTH KATAKANA")
SCRIPTS: dict[str, tuple[str, ...]] = {
    "ar": _ARABIC,
    "bn": ("BENGALI ",),
    "de": _LATIN,
    "en": _LATIN,
    "es": _LATIN,
    "fa": _ARABIC,
    "fi": _LATIN,
    "fr": _LATIN,
    "hi": ("DEVANAGARI ",),
    "id": _LATIN,
    "ja": _HAN + _KANA,
    "ko": ("HANGUL ", "HALFWIDTH HANGUL ", *_HAN),
    "ru": ("CYRILLIC ",),
    "sw": _LATIN,
    "te": ("TELUGU ",),
    "th": ("THAI ",),
    "yo": _LATIN,
    "zh": _HAN,
}


@dataclass(frozen=True, slots=True)
class Quality:
    """Quality figures of a subset.

    Attributes:
        empty: Share of empty translations, 0 to 1.
        untranslated: Share that is equal to its source but for case and outer blanks, 0 to 1.
        wrong_script: Share with most letters from another script than the target language's, 0 to 1.
        wrong_language: Share identified as another of MIRACL's languages, 0 to 1. None without py3langid, or where it
            does not know the target language.
        round_trip_chrf: chrF of the translations back into the sources' language against the sources, 0 to 100. None
            where nothing was translated back, or without sacrebleu.
    """

    empty: float
    untranslated: float
    wrong_script: float
    wrong_language: float | None = None
    round_trip_chrf: float | None = None


def assess(
    sources: Sequence[str], translations: Sequence[str], target: str, back: Sequence[str] | None = None
) -> Quality:
    """All figures of translations into ``target``.

    Args:
        sources: n texts, n at least 1.
        translations: n texts.
        target: Two-letter code of the translations' language.
        back: n texts, the translations translated back, if there are any.

    Raises:
        ValueError: There is no text, or the numbers of texts differ.
        KeyError: The target is none of MIRACL's languages.
    """
    lengths = {len(sources), len(translations), len(sources if back is None else back)}
    if len(lengths) > 1 or 0 in lengths:
        raise ValueError(f"sources, translations and texts translated back differ in number or are none: {lengths}")
    pairs = list(zip(sources, translations, strict=True))
    return Quality(
        empty=_share([not text.strip() for text in translations]),
        untranslated=_share([text.strip().casefold() == source.strip().casefold() for source, text in pairs]),
        wrong_script=_share([in_wrong_script(text, target) for text in translations]),
        wrong_language=wrong_language(translations, target),
        round_trip_chrf=None if back is None else round_trip_chrf(sources, back),
    )


def in_wrong_script(text: str, language: str) -> bool:
    """Whether more than half of a text's letters are of another script than the language's; False without letters.

    Raises:
        KeyError: The language is none of MIRACL's.
    """
    script = SCRIPTS[language]
    letters = [character for character in text if unicodedata.category(character).startswith("L")]
    right = sum(unicodedata.name(letter, "").startswith(script) for letter in letters)
    return 2 * right < len(letters)


def wrong_language(texts: Sequence[str], language: str) -> float | None:
    """Share of texts that py3langid, restricted to MIRACL's languages, takes for another one; None if it cannot tell.

    Questions are short, and it errs on human ones too (see docs/translations.md): the figure is for comparison.
    """
    if importlib.util.find_spec("py3langid") is None:
        return None
    identifier = _identifier()
    identifier.set_languages(None)  # all that it knows
    known = set(identifier.labels) & SCRIPTS.keys()
    if language not in known:
        return None
    identifier.set_languages(sorted(known))
    classify: Callable[[str], tuple[str, float]] = identifier.classify
    return _share([classify(text)[0] != language for text in texts])


@functools.cache
def _identifier() -> Any:
    """py3langid's own model, a second to load, apart from the one that the module shares with others."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE)


def can_score_round_trip() -> bool:
    """Whether sacrebleu is installed."""
    return importlib.util.find_spec("sacrebleu") is not None


def round_trip_chrf(sources: Sequence[str], back: Sequence[str]) -> float | None:
    """Corpus chrF of n texts against the n sources, 0 to 100, sacrebleu's defaults; None without sacrebleu."""
    if not can_score_round_trip():
        return None
    from sacrebleu.metrics.chrf import CHRF

    return float(CHRF().corpus_score(list(back), [list(sources)]).score)


def _share(hits: Sequence[bool]) -> float:
    return sum(hits) / len(hits)
