"""The drawn examples of docs/scores.md and docs/bias.md have the values that the pages state."""

from __future__ import annotations

import contextlib
import io
import math
import re
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from rankings import LANGUAGES, drawn, query_ranks, top_languages

from mteb_hybrid.metrics import (
    complete_at_k,
    effectiveness,
    exposure_fairness,
    judged_at_k,
    language_preference,
    language_preference_excess,
    mean_rank_by_language,
    query_language_share,
    query_language_share_excess,
    rank_biased_overlap,
    rank_distance,
    rank_distance_normalized,
    single_target_map,
)

PAGE = (Path(__file__).parents[2] / "docs/bias.md").read_text(encoding="utf-8")
EN = LANGUAGES.index("en")


def is_fraction(value: float, numerator: int, denominator: int) -> bool:
    return value == pytest.approx(float(Fraction(numerator, denominator)), abs=1e-14)


def test_scores_page():
    """docs/scores.md: two relevant passages at ranks 2 and 5 of 6."""
    ranks = query_ranks([drawn("en en* de en de* de")])
    scores = effectiveness(ranks)
    assert is_fraction(scores["map"][0], 45, 100)
    assert is_fraction(scores["mrr"][0], 1, 2)
    assert is_fraction(scores["recall_at_3"][0], 1, 2)
    assert rank_distance(ranks).mean() == 3
    assert mean_rank_by_language(ranks, LANGUAGES) == {"en": 2, "de": 5}


def test_rank_distance():
    """Relevant at 1, 4 and 7 of 10: 6, normalised 4/7."""
    ranks = query_ranks([drawn("en* en en de* fr en fr* de fr de")])
    assert rank_distance(ranks).mean() == 6
    assert is_fraction(rank_distance_normalized(ranks).mean(), 4, 7)


def test_completeness():
    """The last relevant passage at rank 20 and at rank 21: 1/2."""
    between = " ".join(["en"] * 16)
    ranks = query_ranks([drawn(f"en* de* {between} fr fr* de"), drawn(f"en* de* {between} fr de fr*")])
    assert complete_at_k(ranks, 20).value.tolist() == [1, 0]
    assert is_fraction(complete_at_k(ranks, 20).mean(), 1, 2)


def test_language_preference():
    """English first and German first: 1/2, excess 1/6."""
    ranks = query_ranks([drawn("fr en* de* fr fr*"), drawn("de* en* en fr* de")])
    assert language_preference(ranks, EN).value.tolist() == [1, 0]
    assert is_fraction(language_preference_excess(ranks, EN).mean(), 1, 6)


def test_mean_rank_by_language():
    """English at 1 and 2, German at 3 and 6: 3/2 and 9/2."""
    ranks = query_ranks([drawn("en* fr de* fr en de"), drawn("de en* fr en fr de*")])
    assert mean_rank_by_language(ranks, LANGUAGES) == {"en": 3 / 2, "de": 9 / 2}


def test_query_language_share():
    """Six English ones of ten from a pool of 10 English, 20 German and 10 French: 6/10, excess 7/20."""
    top = top_languages([drawn("en en en de en fr en de en fr")], 10)
    assert is_fraction(query_language_share(top, EN, 10).mean(), 6, 10)
    assert is_fraction(query_language_share_excess(top, EN, 10, np.array([10, 20, 10])).mean(), 7, 20)


def test_exposure_fairness():
    """Only English of two languages: 3/4 log2(3) - 1/2 = 0.689; one each at ranks 1 and 2: 1."""
    halves = np.array([0.5, 0.5])
    one = exposure_fairness(top_languages([drawn("en en en en")], 4), halves, 4).mean()
    assert one == pytest.approx(3 / 4 * math.log2(3) - 1 / 2, abs=1e-14)
    assert round(one, 3) == 0.689
    assert exposure_fairness(top_languages([drawn("en de")], 2), halves, 2).mean() == 1
    assert [round(1 / math.log2(max(rank, 2)), 2) for rank in (1, 2, 3, 4)] == [1, 1, 0.63, 0.5]


def test_consistency():
    """A B C and B A D to depth 3: 18/125; equal lists have 0.99997, and 0.000027 is left."""
    overlap = rank_biased_overlap(np.array([[0, 1, 2]]), np.array([[1, 0, 3]]), depth=3)[0]
    assert is_fraction(overlap, 18, 125)
    same = np.arange(100)[None]
    equal = rank_biased_overlap(same, same)[0]
    assert (round(equal, 5), round(1 - equal, 6)) == (0.99997, 0.000027)


def test_single_target():
    """Targets at 1, 3 and 6, the last two past their translations: 1, 1/2, 1/4; mean 7/12, gap 5/8."""
    matrix = single_target_map({"en": query_ranks([drawn("en* de de* fr en fr*")])}, LANGUAGES)
    assert [matrix.cell["en", target] for target in ("en", "de", "fr")] == [1, 1 / 2, 1 / 4]
    assert is_fraction(matrix.mean(), 7, 12)
    assert matrix.same() == 1
    assert is_fraction(matrix.other(), 3, 8)
    assert is_fraction(matrix.gap(), 5, 8)


def test_judged_and_interference():
    """Recall in the first 3: 2/2 in the own pool and 1/2 in the whole one; 2/3 of the latter's first 3 are judged."""
    own, whole = drawn("sw* sw sw* sw"), drawn("en sw* sw sw* en")
    recall = [effectiveness(query_ranks([ranking]), (3,))["recall_at_3"][0] for ranking in (own, whole)]
    assert recall == [1, 1 / 2]
    assert is_fraction(recall[0] - recall[1], 1, 2)
    judged = np.array([[False, True, True, True, False]])
    assert is_fraction(judged_at_k(judged, np.array([5]), 3).mean(), 2, 3)


def test_random_rank_distance_of_xquad_r():
    """A perfect ranking of 11 translations has 10; normalised, a random one has 10/12 in the mean, whatever N is."""
    perfect = query_ranks([drawn("en* " * 11 + "de")])
    assert rank_distance(perfect).mean() == 10
    for size in (12, 1000):
        expected = Fraction(10 * (size + 1), 12)
        assert (expected - 10) / (size - 11) == Fraction(10, 12)


def test_peer_is_constant():
    """0.4405: PEER of 11 languages with one relevant passage each, whatever the ranking.

    Kruskal and Wallis' H of 11 groups of one is 12 / (11 * 12) * sum(rank^2) - 3 * 12 = 10, and its p-value with 10
    degrees of freedom is 0.4405: every order of the ranks has the same sum of squares.
    """
    stats = pytest.importorskip("scipy.stats")
    statistic = 12 / (11 * 12) * sum(rank**2 for rank in range(1, 12)) - 3 * 12
    assert statistic == pytest.approx(10)
    assert round(stats.chi2.sf(statistic, 10), 4) == 0.4405


def test_the_python_block_prints_what_it_says():
    """What the page's example prints is what its comments say."""
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(code, {})
    assert printed.getvalue().splitlines() == [line[2:] for line in code.splitlines() if line.startswith("# ")]
