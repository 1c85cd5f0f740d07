"""Fonts for the names of languages in figures: every language in its own script, where a font for it is installed."""

from __future__ import annotations

import functools
import logging
from typing import TYPE_CHECKING

from mteb_hybrid.language_names import english_name, own_name

if TYPE_CHECKING:
    from collections.abc import Iterable

logger = logging.getLogger(__name__)

_FIRST = "DejaVu Sans"
"""Comes with matplotlib, and has the Latin, Greek, Cyrillic and Arabic scripts."""
_LIKED = ("Noto Sans", "Source Han Sans", "Lohit", "Droid Sans", "Arial Unicode")
_SHAPED = {"ar", "bn", "fa", "gu", "he", "hi", "kn", "ml", "mr", "ne", "ta", "te", "ur"}
"""Languages written from right to left, or in letters that take other forms beside each other: matplotlib draws them
from 3.11 on."""


def language_labels(languages: Iterable[str]) -> tuple[dict[str, str], list[str]]:
    """Labels of languages, and the font families that they need, in the order in which matplotlib should try them.

    A language whose script cannot be drawn is named in English instead, with one warning that says what to install.
    """
    labels, families, missing = {}, [_FIRST], []
    for language in languages:
        name = own_name(language)
        family = _family_for(name) if _shapes() or language not in _SHAPED else None
        if family is None:
            missing.append(language)
            name = english_name(language)
        elif family not in families:
            families.append(family)
        labels[language] = name if name == language else f"{language} {name}"
    if missing:
        logger.warning(
            "figures name %s in English: install fonts for their scripts, such as Debian's fonts-noto-core and "
            "fonts-noto-cjk, and matplotlib 3.11 or newer", ", ".join(missing),
        )  # fmt: skip
    return labels, families


@functools.cache
def _shapes() -> bool:
    import matplotlib as mpl

    return mpl.__version_info__ >= (3, 11)


@functools.cache
def _family_for(text: str) -> str | None:
    """An installed font family, upright and of regular weight, that has all letters of a text."""
    from matplotlib.font_manager import fontManager

    fonts = [
        font for font in fontManager.ttflist if font.style == "normal" and font.weight in (400, "normal", "regular")
    ]
    fonts.sort(key=lambda font: (font.name != _FIRST, not font.name.startswith(_LIKED), len(font.name), font.name))
    needed = {ord(letter) for letter in text if not letter.isspace()}
    return next((font.name for font in fonts if needed <= _letters(font.fname)), None)


@functools.cache
def _letters(path: str) -> frozenset[int]:
    """Code points that a font file has; none if it cannot be read."""
    from matplotlib.ft2font import FT2Font

    try:
        return frozenset(FT2Font(path).get_charmap())
    except (OSError, RuntimeError):
        return frozenset()
