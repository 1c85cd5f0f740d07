"""Rank-biased overlap and the consistency over question languages, against their definitions."""

from __future__ import annotations

import tracemalloc
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rankings import near

from mteb_hybrid.metrics import (
    AskedLists,
    consistency,
    pairwise_consistency,
    query_language_consistency,
    rank_biased_overlap,
)

PASSAGES = st.integers(0, 14)
LIST = st.lists(PASSAGES, max_size=12, unique=True)
PERSISTENCE = st.sampled_from([0.5, 0.9, 0.98])
ONE_SIDED = "asked in one of the two languages only"
BOTH_EMPTY = "nothing was retrieved in either language"
ALONE = "asked in one language only, or nothing was retrieved"


def padded(*lists: list[int], width: int = 12) -> np.ndarray:
    return np.array([[*one, *[-1] * (width - len(one))] for one in lists], dtype=np.int64).reshape(-1, width)


def overlap(a: list[int], b: list[int], persistence: float = 0.9, depth: int = 10) -> float:
    return rank_biased_overlap(padded(a), padded(b), persistence, depth)[0]


def plain_overlap(a: list[int], b: list[int], persistence: float, depth: int) -> float:
    """The definition with sets: at each depth, what both have shown, twice, over all that was shown."""
    total = 0.0
    for d in range(1, depth + 1):
        shown_a, shown_b = set(a[:d]), set(b[:d])
        if shown_a or shown_b:
            total += persistence ** (d - 1) * 2 * len(shown_a & shown_b) / (len(shown_a) + len(shown_b))
    return (1 - persistence) * total


def asked(lists: dict[int, list[int]], order: list[int] | None = None) -> AskedLists:
    questions = sorted(lists) if order is None else order
    return AskedLists(np.array(questions, dtype=np.int64), padded(*(lists[question] for question in questions)))


LISTS = st.dictionaries(
    st.sampled_from(["en", "de", "fr", "sw"]), st.dictionaries(st.integers(0, 6), LIST, max_size=5), max_size=4
)


class TestRankBiasedOverlap:
    def test_by_hand(self):
        """A B C and B A D agree on 0 of 1, 2 of 2 and 2 of 3: 1/10 (0 + 9/10 + 81/100 * 2/3)."""
        expected = Fraction(1, 10) * (Fraction(9, 10) + Fraction(81, 100) * Fraction(2, 3))
        assert expected == Fraction(18, 125)
        assert overlap([0, 1, 2], [1, 0, 3], depth=3) == pytest.approx(float(expected), abs=1e-15)

    def test_uneven_by_hand(self):
        """A and B A, to depth 2, p = 1/2: 0 of (1 + 1) / 2, then 1 of (1 + 2) / 2: 1/2 (0 + 1/2 * 2/3)."""
        assert overlap([0], [1, 0], 0.5, 2) == pytest.approx(float(Fraction(1, 6)), abs=1e-15)

    @given(LIST, LIST, PERSISTENCE, st.integers(1, 20))
    @settings(deadline=None)
    def test_definition_and_range(self, a, b, persistence, depth):
        """It is the sum over depths, in [0, 1 - p^depth]; which list comes first makes no difference."""
        value = overlap(a, b, persistence, depth)
        assert value == pytest.approx(plain_overlap(a, b, persistence, depth), abs=1e-12)
        assert value == pytest.approx(overlap(b, a, persistence, depth), abs=1e-12)
        assert -1e-12 <= value <= 1 - persistence**depth + 1e-12

    @given(LIST.filter(bool), PERSISTENCE, st.integers(1, 20))
    @settings(deadline=None)
    def test_identical_and_disjoint(self, one, persistence, depth):
        """A list with itself has 1 - p^depth, also where it is shorter than that; with other passages it has 0."""
        assert overlap(one, one, persistence, depth) == pytest.approx(1 - persistence**depth, abs=1e-12)
        assert overlap(one, [passage + 15 for passage in one], persistence, depth) == 0
        assert overlap(one, [], persistence, depth) == overlap([], [], persistence, depth) == 0

    def test_defaults(self):
        """Depth 100 and p = 0.9: two equal lists of 100, or of more, miss 1 by p^depth, 2.7e-5."""
        for length in (100, 150):
            lists = np.arange(length)[None]
            missing = 1 - rank_biased_overlap(lists, lists)[0]
            assert missing == pytest.approx(0.9**100, abs=1e-12)
            assert missing == pytest.approx(2.656e-5, rel=1e-3)

    @given(st.permutations(range(12)), st.permutations(range(12)), PERSISTENCE, st.integers(1, 11))
    @settings(deadline=None)
    def test_residual_bounds_what_is_cut(self, a, b, persistence, depth):
        """Going deeper adds something in [0, p^depth]."""
        deeper = overlap(a, b, persistence, 12) - overlap(a, b, persistence, depth)
        assert -1e-12 <= deeper <= persistence**depth + 1e-12

    @given(st.permutations(range(12)), st.integers(0, 10), st.integers(1, 12))
    @settings(deadline=None)
    def test_direction(self, a, place, depth):
        """Two neighbours in the wrong order cost something where the depth shows it, nearer the top more."""
        swapped = [*a]
        swapped[place : place + 2] = swapped[place : place + 2][::-1]
        cost = overlap(a, a, depth=depth) - overlap(a, swapped, depth=depth)
        shown = 0.1 * 0.9**place / (place + 1) if place < depth else 0
        assert cost == pytest.approx(shown, abs=1e-12)

    @given(LIST, LIST, st.permutations(range(15)))
    @settings(deadline=None)
    def test_other_ids(self, a, b, ids):
        """Passages under other ids overlap as before."""
        assert overlap(a, b) == overlap([ids[passage] for passage in a], [ids[passage] for passage in b])

    @given(LIST.filter(bool), LIST, st.data())
    @settings(deadline=None)
    def test_duplicated_passage(self, a, b, data):
        """A copy below its original in both lists keeps equal lists equal and disjoint ones disjoint.

        In general it changes the overlap, which knows passages and not texts: a copy that only one of two lists ranks
        next to the original is a disagreement.
        """
        original = data.draw(st.sampled_from(a))

        def copied(one: list[int]) -> list[int]:
            return [x for passage in one for x in ((passage, 99) if passage == original else (passage,))][:12]

        assert overlap(copied(a), copied(a)) == pytest.approx(1 - 0.9**10, abs=1e-12)
        others = [passage + 15 for passage in b]
        assert overlap(copied(a), others) == 0
        assert overlap([original, 99], [original, 15]) < overlap([original, 99], [original, 99])

    def test_random(self):
        """Random orders of N passages agree on d/N at depth d in the mean: (1 - p) sum p^(d - 1) d / N."""
        rng = np.random.default_rng(3)
        a, b = (np.argsort(rng.random((4000, 50)), axis=1) for _ in range(2))
        expected = 0.1 * sum(0.9 ** (d - 1) * d / 50 for d in range(1, 31))
        assert near(rank_biased_overlap(a, b, 0.9, 30), expected)

    @pytest.mark.parametrize("block", [1, 300, 1 << 25])
    def test_blocks(self, block, monkeypatch):
        """How many pairs are compared at once makes no difference."""
        rng = np.random.default_rng(4)
        a, b = (np.argsort(rng.random((7, 12)), axis=1) for _ in range(2))
        monkeypatch.setattr(consistency, "_BLOCK", block)
        expected = [plain_overlap([*x], [*y], 0.9, 9) for x, y in zip(a, b, strict=True)]
        assert rank_biased_overlap(a, b, 0.9, 9).tolist() == pytest.approx(expected, abs=1e-12)

    def test_memory(self, monkeypatch):
        """All comparisons of 4,000 pairs of lists at once would take 12 MB and more; a block at a time they do not."""
        lists = np.arange(4000 * 40).reshape(4000, 40)
        monkeypatch.setattr(consistency, "_BLOCK", 1 << 16)
        tracemalloc.start()
        rank_biased_overlap(lists, lists, 0.9, 40)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 9_000_000


class TestOverLanguages:
    def test_by_hand(self):
        """Question 0 asked in three languages, 1 in two, 2 in one; a question's mean is over the others that ask it."""
        lists = {
            "en": asked({0: [5, 6], 1: [5], 2: [7]}),
            "de": asked({0: [5, 6], 1: [8]}),
            "fr": asked({0: [9]}),
        }
        full = 1 - 0.9**100
        pairs = pairwise_consistency(lists)
        assert list(pairs) == [("en", "de"), ("en", "fr"), ("de", "fr")]
        assert pairs["en", "de"].value == pytest.approx([full, 0])
        assert [pair.left_out for pair in pairs.values()] == [{ONE_SIDED: 1}, {ONE_SIDED: 2}, {ONE_SIDED: 1}]
        means = query_language_consistency(lists, pairs)
        assert means["en"].value == pytest.approx([full / 2, 0])
        assert means["de"].value == pytest.approx([full / 2, 0])
        assert means["fr"].value.tolist() == [0]
        assert [mean.left_out for mean in means.values()] == [{ALONE: 1}, {}, {}]
        assert {one.query.dtype for one in (*pairs.values(), *means.values())} == {np.dtype(np.int64)}

    def test_empty_lists(self):
        """Nothing in both languages is no agreement and no disagreement: left out. Nothing in one of them is 0."""
        lists = {"en": asked({0: [], 1: [], 2: [0]}), "de": asked({0: [], 1: [0], 2: []})}
        pairs = pairwise_consistency(lists)
        assert (pairs["en", "de"].query.tolist(), pairs["en", "de"].value.tolist()) == ([1, 2], [0, 0])
        assert pairs["en", "de"].left_out == {BOTH_EMPTY: 1}
        assert query_language_consistency(lists, pairs)["en"].left_out == {ALONE: 1}

    @pytest.mark.parametrize("lists", [{}, {"en": asked({0: [1]})}, {"en": asked({0: [1]}), "de": asked({1: [1]})}])
    def test_nothing_to_compare(self, lists):
        """Without a question that two languages share there is no value anywhere, and every question is counted."""
        means = query_language_consistency(lists, pairwise_consistency(lists))
        assert set(means) == set(lists)
        assert all(mean.mean() is None and mean.left_out == {ALONE: 1} for mean in means.values())

    @given(LISTS, st.randoms(use_true_random=False))
    @settings(deadline=None, max_examples=60)
    def test_definition(self, by_language, random):
        """Per language and question: the mean overlap with the other languages that ask it, in any order of rows."""
        lists = {}
        for language, questions in by_language.items():
            order = list(questions)
            random.shuffle(order)
            lists[language] = asked(questions, order)
        pairs = pairwise_consistency(lists)
        means = query_language_consistency(lists, pairs)
        assert list(means) == list(by_language)
        for language, questions in by_language.items():
            expected = {}
            for question, mine in questions.items():
                others = [
                    plain_overlap(mine, answers[question], 0.9, 100)
                    for other, answers in by_language.items()
                    if other != language and question in answers and (mine or answers[question])
                ]
                if others:
                    expected[question] = sum(others) / len(others)
            found = dict(zip(means[language].query.tolist(), means[language].value.tolist(), strict=True))
            assert found == pytest.approx(expected, abs=1e-12)
            assert sum(means[language].left_out.values()) == len(questions) - len(expected)

    @given(LISTS, st.permutations(["en", "de", "fr", "sw"]))
    @settings(deadline=None, max_examples=40)
    def test_other_names_of_languages(self, by_language, order):
        """Languages in another order have the same values: no language is the first one."""
        lists = {language: asked(questions) for language, questions in by_language.items()}
        turned = {language: lists[language] for language in order if language in lists}
        before, after = (query_language_consistency(one, pairwise_consistency(one)) for one in (lists, turned))
        for language in lists:
            assert after[language].query.tolist() == before[language].query.tolist()
            assert after[language].value == pytest.approx(before[language].value, abs=1e-12)
