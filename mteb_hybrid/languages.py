"""The languages of our collections and of users' own: two-letter codes and MTEB's language-script codes.

Subsets are named with the two-letter codes. The codes are those of MTEB's MLQA and MIRACL tasks: Arabic is ``ara``,
Chinese ``zho`` and Swahili ``swa``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mteb_hybrid.errors import CollectionError
from mteb_hybrid.language_names import english_name, own_name
from mteb_hybrid.parsing import shown

if TYPE_CHECKING:
    from collections.abc import Mapping

LANGUAGE_SCRIPTS: dict[str, str] = {
    "ar": "ara-Arab",
    "bn": "ben-Beng",
    "de": "deu-Latn",
    "el": "ell-Grek",
    "en": "eng-Latn",
    "es": "spa-Latn",
    "fa": "fas-Arab",
    "fi": "fin-Latn",
    "fr": "fra-Latn",
    "hi": "hin-Deva",
    "id": "ind-Latn",
    "ja": "jpn-Jpan",
    "ko": "kor-Kore",
    "ru": "rus-Cyrl",
    "sw": "swa-Latn",
    "te": "tel-Telu",
    "th": "tha-Thai",
    "tr": "tur-Latn",
    "vi": "vie-Latn",
    "yo": "yor-Latn",
    "zh": "zho-Hans",
}

FURTHER_SCRIPTS: dict[str, str] = {
    "bg": "bul-Cyrl",
    "ca": "cat-Latn",
    "cs": "ces-Latn",
    "da": "dan-Latn",
    "et": "est-Latn",
    "eu": "eus-Latn",
    "gl": "glg-Latn",
    "gu": "guj-Gujr",
    "he": "heb-Hebr",
    "hr": "hrv-Latn",
    "hu": "hun-Latn",
    "hy": "hye-Armn",
    "is": "isl-Latn",
    "it": "ita-Latn",
    "ka": "kat-Geor",
    "kn": "kan-Knda",
    "lt": "lit-Latn",
    "lv": "lav-Latn",
    "ml": "mal-Mlym",
    "mr": "mar-Deva",
    "ne": "nep-Deva",
    "nl": "nld-Latn",
    "pl": "pol-Latn",
    "pt": "por-Latn",
    "ro": "ron-Latn",
    "sk": "slk-Latn",
    "sl": "slv-Latn",
    "sv": "swe-Latn",
    "ta": "tam-Taml",
    "uk": "ukr-Cyrl",
    "ur": "urd-Arab",
}
"""Languages of none of our collections that users' own may name without a script of theirs."""

KNOWN_SCRIPTS = LANGUAGE_SCRIPTS | FURTHER_SCRIPTS
"""All that we know."""

_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_]{,39}")  # two of them are part of a file's name


def language_script(language: str, scripts: Mapping[str, str] | None = None) -> str:
    """MTEB's code of a language, such as ``deu-Latn`` for ``de``.

    Args:
        language: The code that subsets are named with.
        scripts: MTEB's codes of the user's own languages, or other ones than ours.

    Raises:
        KeyError: The language is unknown; the message lists those of our collections.
    """
    for known in (scripts or {}, KNOWN_SCRIPTS):
        if language in known:
            return known[language]
    raise KeyError(f"unknown language {language!r}; known are {', '.join(LANGUAGE_SCRIPTS)}")


def check_language(language: str, scripts: Mapping[str, str]) -> None:
    """See that a language of a user's collection is known and can name a subset.

    Args:
        language: The code that subsets are to be named with.
        scripts: MTEB's codes of the user's own languages.

    Raises:
        CollectionError: It is unknown or too long, or has signs other than letters, digits and ``_``: subsets of two
            languages are written ``en-de``.
    """
    if not _CODE.fullmatch(language):
        raise CollectionError(
            f"{shown(language)} cannot name a subset: use letters, digits and _, at most 40 of them, as in 'de'"
        )
    known = {**KNOWN_SCRIPTS, **scripts}
    if language not in known:
        head = language.lower().partition("_")[0]  # DE, Deu, de_DE, deu_Latn, German and Deutsch are German
        for code, script in known.items():
            if head in (code.lower(), script.partition("-")[0], english_name(code).lower(), own_name(code).lower()):
                raise CollectionError(f"unknown language {language!r}: did you mean {code!r}?")
        raise CollectionError(
            f"unknown language {language!r}: say MTEB's code of it, ISO 639-3 and script (mlt-Latn is Maltese). In a "
            f'card, below a line [scripts]: {language} = "xxx-Xxxx"; in Python: scripts={{"{language}": "xxx-Xxxx"}}'
        )
