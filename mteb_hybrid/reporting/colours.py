"""Colours of figures: told apart by colour-blind readers, and in print by their lightness."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

MODELS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00")
"""Of models, in their order (Okabe and Ito, "Color Universal Design", 2008); from the seventh on they come again."""
SCALE = ("#fff7e0", "#b9d8b0", "#4da3a1", "#216b8c", "#15305b")
"""From low to high values: lightness falls throughout."""


def scale_colour(share: float) -> str:
    """Colour of a value on `SCALE`, such as ``#4da3a1``.

    Args:
        share: Where the value lies between the lowest and the highest, in [0, 1].
    """
    stops = np.array([_rgb(colour) for colour in SCALE])
    at = np.linspace(0.0, 1.0, len(SCALE))
    red, green, blue = (round(float(np.interp(share, at, stops[:, channel]))) for channel in range(3))
    return f"#{red:02x}{green:02x}{blue:02x}"


def text_colour(background: str) -> str:
    """Black or white, whichever is easier to read on a colour (WCAG 2.2, contrast ratio)."""
    light = luminance(background)
    return "#000000" if (light + 0.05) / 0.05 >= 1.05 / (light + 0.05) else "#ffffff"


def luminance(colour: str) -> float:
    """Relative luminance of a colour, in [0, 1] (WCAG 2.2)."""
    channels = _rgb(colour) / 255.0
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ np.array([0.2126, 0.7152, 0.0722]))


def _rgb(colour: str) -> NDArray[np.float64]:
    """Channels in [0, 255] of a colour such as ``#4da3a1``."""
    return np.array([int(colour[start : start + 2], 16) for start in (1, 3, 5)], dtype=np.float64)
