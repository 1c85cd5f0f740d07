"""The languages of our collections: the collections' two-letter codes and MTEB's language-script codes.

Subsets are named with the two-letter codes. Arabic is ``ara`` and Chinese ``zho``, as in MTEB's MLQA and MIRACL tasks.
"""

LANGUAGE_SCRIPTS: dict[str, str] = {
    "ar": "ara-Arab",
    "de": "deu-Latn",
    "el": "ell-Grek",
    "en": "eng-Latn",
    "es": "spa-Latn",
    "hi": "hin-Deva",
    "ru": "rus-Cyrl",
    "th": "tha-Thai",
    "tr": "tur-Latn",
    "vi": "vie-Latn",
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
