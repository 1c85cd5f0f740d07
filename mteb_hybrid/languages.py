"""The languages of our collections: the collections' two-letter codes and MTEB's language-script codes.

Subsets are named with the two-letter codes. The codes are those of MTEB's MLQA and MIRACL tasks: Arabic is ``ara``,
Chinese ``zho`` and Swahili ``swa``.
"""

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


def language_script(language: str) -> str:
    """MTEB's code of a two-letter language, such as ``deu-Latn`` for ``de``.

    Raises:
        KeyError: The language is in none of our collections; the message lists those that are.
    """
    try:
        return LANGUAGE_SCRIPTS[language]
    except KeyError:
        raise KeyError(f"unknown language {language!r}; known are {', '.join(LANGUAGE_SCRIPTS)}") from None
