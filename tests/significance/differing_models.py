"""Differences between two models that are drawn or written down, for tests of significance."""

from __future__ import annotations

import numpy as np

from mteb_hybrid.significance import PairedDifferences


def differences(values, present=None) -> PairedDifferences:
    """Differences from a matrix, a row for each question; NaN where a setting lacks one."""
    values = np.asarray(values, dtype=float)
    present = ~np.isnan(values) if present is None else present
    names = tuple(f"s{number:02}" for number in range(values.shape[1]))
    questions = tuple(f"q{number:04}" for number in range(len(values)))
    return PairedDifferences(questions, names, np.where(present, values, 0.0), present)


def drawn(rng: np.random.Generator, questions: int, settings: int, shift: float = 0.0, shared: float = 0.7):
    """Scores of a question correlate over settings, as those of its translations do; skewed, and with ties at 0."""
    common = rng.standard_normal((questions, 1))
    values = np.sqrt(shared) * common + np.sqrt(1 - shared) * rng.standard_normal((questions, settings))
    values[rng.random(values.shape) < 0.2] = 0.0
    return differences(values + shift)
