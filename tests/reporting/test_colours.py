"""Colours can be read on, and told apart by lightness alone."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mteb_hybrid.reporting.colours import MODELS, SCALE, luminance, scale_colour, text_colour


def test_luminance_of_known_colours():
    """White, black, and the grey that WCAG's own examples name."""
    assert luminance("#ffffff") == 1.0
    assert luminance("#000000") == 0.0
    assert abs(luminance("#777777") - 0.1845) < 1e-3


@given(st.floats(0, 1))
def test_text_on_the_scale_is_readable(share):
    """Contrast of at least 4.5, WCAG's level AA, on every colour of the scale."""
    background = scale_colour(share)
    light, dark = sorted([luminance(background), luminance(text_colour(background))], reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= 4.5


def test_scale_falls_in_lightness():
    """So that it can be read in grey; its ends are the ones that are named."""
    values = [luminance(scale_colour(share)) for share in np.linspace(0, 1, 50)]
    assert all(after < before for before, after in itertools.pairwise(values))
    assert (scale_colour(0), scale_colour(1)) == (SCALE[0], SCALE[-1])


def test_models_have_colours_of_their_own():
    """As many as there are."""
    assert len(set(MODELS)) == len(MODELS)
