"""Which relevant passage comes first, mean ranks, and the single target of LAReQA, against their definitions."""

from __future__ import annotations

from fractions import Fraction
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rankings import (
    LANGUAGES,
    Passage,
    drawn,
    moved_up,
    near,
    query_ranks,
    random_ranks,
    rankings,
    renamed,
    with_copy,
)

from mteb_hybrid.metrics import (
    QueryRanks,
    SingleTargetMap,
    language_preference,
    language_preference_excess,
    mean_rank_by_language,
    single_target_average_precision,
    single_target_map,
)
from mteb_hybrid.metrics.per_query import PerQuery

EN, DE, FR = range(3)
LANGUAGE = st.integers(0, len(LANGUAGES) - 1)
NOT_PARALLEL = "no relevant passages in the question's language and another one"
NO_TARGET = "no relevant passage in the target language"


def by_query(result: PerQuery) -> dict[int, float]:
    return dict(zip(result.query.tolist(), result.value.tolist(), strict=True))


class TestLanguagePreference:
    def test_by_hand(self):
        """Asked in English: English first, German first; the passages between that answer nothing do not count."""
        ranks = query_ranks([drawn("fr en* de* fr*"), drawn("en de* en* fr*")])
        assert language_preference(ranks, EN).value.tolist() == [1, 0]
        assert language_preference_excess(ranks, EN).value.tolist() == pytest.approx([1 - 1 / 3, -1 / 3])

    def test_left_out(self):
        """Without a relevant passage in the question's language, or in another one, there is nothing to prefer."""
        ranks = query_ranks([drawn("de* fr*"), drawn("en* en*"), drawn("en de"), drawn("en* de*")])
        for metric in (language_preference, language_preference_excess):
            assert metric(ranks, EN).query.tolist() == [3]
            assert metric(ranks, EN).left_out == {NOT_PARALLEL: 3}
            assert metric(query_ranks([drawn("en*")]), EN).mean() is None

    @given(rankings(), LANGUAGE)
    @settings(deadline=None)
    def test_definition_and_range(self, problem, asked):
        """It is whether the first relevant passage is in the language asked in; the excess is over their share."""
        preference, excess = {}, {}
        for query, ranking in enumerate(problem):
            relevant = [passage.language for passage in ranking if passage.relevant]
            own = relevant.count(asked)
            if 0 < own < len(relevant):
                preference[query] = float(relevant[0] == asked)
                excess[query] = float(preference[query] - Fraction(own, len(relevant)))
                assert -own / len(relevant) <= excess[query] <= 1 - own / len(relevant)
        ranks = query_ranks(problem)
        assert by_query(language_preference(ranks, asked)) == preference
        assert by_query(language_preference_excess(ranks, asked)) == pytest.approx(excess)

    @given(moved_up())
    @settings(deadline=None)
    def test_direction(self, moved):
        """The question's own language one place up never makes it smaller, another one up never larger."""
        before, after, place = moved
        for asked in range(len(LANGUAGES)):
            values = [language_preference(query_ranks([one]), asked).mean() for one in (before, after)]
            if values[0] is not None:
                assert values[1] >= values[0] if after[place].language == asked else values[1] <= values[0]

    def test_every_order(self):
        """Over all orders of m translations it is 1/m and its excess 0; over two of three own ones 2/3 and 0."""
        for relevant, share in (([EN, DE, FR, 3], Fraction(1, 4)), ([EN, EN, DE], Fraction(2, 3))):
            orders = [[Passage(one, relevant=True) for one in order] for order in permutations(relevant)]
            ranks = query_ranks(orders)
            assert language_preference(ranks, EN).mean() == pytest.approx(float(share))
            assert language_preference_excess(ranks, EN).mean() == pytest.approx(0, abs=1e-12)

    def test_random(self):
        """So it is over 5,000 random rankings of 200 passages, 11 of them relevant, to five standard errors."""
        assert near(language_preference_excess(random_ranks([*range(11)], 200, 5000), 4).value, 0)


class TestMeanRankByLanguage:
    def test_by_hand(self):
        """The mean over a language's relevant passages of all questions; a language without any is absent."""
        ranks = query_ranks([drawn("en* de en* fr*"), drawn("en fr en fr en fr en en*")])
        assert mean_rank_by_language(ranks, LANGUAGES) == {"en": float(Fraction(1 + 3 + 8, 3)), "fr": 4}

    def test_empty(self):
        """Without relevant passages no language has a mean rank."""
        assert mean_rank_by_language(query_ranks([drawn("en de")]), LANGUAGES) == {}

    @given(rankings())
    @settings(deadline=None)
    def test_definition_and_range(self, problem):
        """It is the exact mean, in [1, N], of each language that occurs, in the order of the languages."""
        expected = {}
        for language, name in enumerate(LANGUAGES):
            mine = [
                rank
                for ranking in problem
                for rank, passage in enumerate(ranking, start=1)
                if passage == Passage(language, relevant=True)
            ]
            if mine:
                expected[name] = float(Fraction(sum(mine), len(mine)))
        means = mean_rank_by_language(query_ranks(problem), LANGUAGES)
        assert means == expected
        assert list(means) == list(expected)
        assert all(1 <= mean <= max(map(len, problem)) for mean in means.values())

    def test_random(self):
        """Every language is at (N + 1) / 2 over 5,000 random rankings of 200, to five standard errors."""
        ranks = random_ranks([EN, DE], 200, 5000)
        for name, mean in mean_rank_by_language(ranks, LANGUAGES).items():
            assert abs(mean - 201 / 2) < 5 * 200 / np.sqrt(12 * 5000), name


def without_other_targets(ranking, target: int) -> list[Passage]:
    """The oracle: the relevant passages of the other languages leave the pool."""
    return [passage for passage in ranking if not passage.relevant or passage.language == target]


class TestSingleTarget:
    def test_by_hand(self):
        """English at rank 1; German at 3 moves up past English, French at 6 past both."""
        ranks = query_ranks([drawn("en* de de* fr en fr*")])
        cells = [single_target_average_precision(ranks, target).mean() for target in (EN, DE, FR)]
        assert cells == [1, float(Fraction(1, 2)), float(Fraction(1, 4))]

    def test_two_of_the_target(self):
        """Two German ones: at ranks 2 and 4 without the English one, (1/2 + 2/4) / 2."""
        ranks = query_ranks([drawn("fr de* en* fr de*")])
        assert single_target_average_precision(ranks, DE).value.tolist() == [float(Fraction(1, 2))]

    def test_left_out(self):
        """A question without a relevant passage in the target language is left out, not 0."""
        result = single_target_average_precision(query_ranks([drawn("en* de"), drawn("en de*"), drawn("en")]), DE)
        assert (by_query(result), result.left_out) == ({1: 0.5}, {NO_TARGET: 2})
        assert single_target_average_precision(query_ranks([drawn("en*")]), FR).mean() is None

    @given(rankings(), LANGUAGE)
    @settings(deadline=None)
    def test_definition_and_range(self, problem, target):
        """It is the average precision of the ranking from which the other relevant passages are gone, in (0, 1]."""
        expected = {}
        for query, ranking in enumerate(problem):
            hits, precision = 0, Fraction(0)
            for rank, passage in enumerate(without_other_targets(ranking, target), start=1):
                if passage.relevant:
                    hits += 1
                    precision += Fraction(hits, rank)
            if hits:
                expected[query] = float(precision / hits)
        result = single_target_average_precision(query_ranks(problem), target)
        assert by_query(result) == pytest.approx(expected)
        assert ((result.value > 0) & (result.value <= 1)).all()
        assert len(result) + sum(result.left_out.values()) == len(problem)

    @given(moved_up(), LANGUAGE)
    @settings(deadline=None)
    def test_direction(self, moved, target):
        """The target one place up raises it; another language's relevant passage up changes nothing, as it leaves."""
        before, after, place = moved
        values = [single_target_average_precision(query_ranks([one]), target).mean() for one in (before, after)]
        if values[0] is not None:
            own = after[place].language == target
            assert values[1] > values[0] if own else values[1] == pytest.approx(values[0])


class TestSingleTargetMap:
    def test_by_hand(self):
        """Two question languages: the diagonal has 1 and 1/2, the rest 1/2 and 1; all means 3/4, gap 0."""
        ranks = {"en": query_ranks([drawn("en* en de*")]), "de": query_ranks([drawn("en* en de*")])}
        matrix = single_target_map(ranks, ["en", "de"])
        assert matrix.cell == {("en", "en"): 1, ("en", "de"): 0.5, ("de", "en"): 1, ("de", "de"): 0.5}
        assert (matrix.mean(), matrix.same(), matrix.other(), matrix.gap()) == (0.75, 0.75, 0.75, 0)

    def test_own_language_first(self):
        """A model that puts everything in the question's language above the rest: diagonal 1, and a gap above 0."""
        lists = {"en": query_ranks([drawn("en* en en de* de de")]), "de": query_ranks([drawn("de* de de en* en en")])}
        matrix = single_target_map(lists, ["en", "de"])
        assert (matrix.same(), matrix.other()) == (1, float(Fraction(1, 3)))
        assert matrix.mean() == pytest.approx(float(Fraction(2, 3)))
        assert matrix.gap() == pytest.approx(float(Fraction(2, 3)))

    def test_absent(self):
        """Cells without a question are absent; without a diagonal or without the rest there is no gap."""
        matrix = single_target_map({"en": query_ranks([drawn("en* de")])}, ["en", "de"])
        assert (dict(matrix.cell), matrix.same(), matrix.other(), matrix.gap()) == ({("en", "en"): 1}, 1, None, None)
        assert SingleTargetMap({}).mean() is SingleTargetMap({}).same() is SingleTargetMap({}).gap() is None
        assert SingleTargetMap({("en", "de"): 0.5}).gap() is None

    def test_perfect_and_random(self):
        """Translations at the top: 1 everywhere. Over random rankings the gap is 0, to five standard errors."""
        perfect = {name: query_ranks([drawn("fr* en* de* en")]) for name in ("en", "de", "fr")}
        matrix = single_target_map(perfect, ["en", "de", "fr"])
        assert len(matrix.cell) == 9
        assert set(matrix.cell.values()) == {1}
        assert matrix.gap() == 0
        ranks = random_ranks([EN, DE], 40, 5000)
        values = [single_target_average_precision(ranks, target).value for target in (EN, DE)]
        assert near(values[0] - values[1], 0)
        assert near(values[0], sum(1 / rank for rank in range(1, 40)) / 39)


@given(rankings(min_queries=1), LANGUAGE, st.permutations(range(len(LANGUAGES))), st.data())
@settings(deadline=None)
def test_invariance(problem, asked, names, data):
    """Other names for the languages and another order of the queries leave every value as it is."""
    order = data.draw(st.permutations(range(len(problem))))
    for metric in (language_preference, language_preference_excess, single_target_average_precision):
        before = metric(query_ranks(problem), asked)
        after = metric(query_ranks([renamed(problem[query], names) for query in order]), names[asked])
        assert {order[query]: value for query, value in by_query(after).items()} == pytest.approx(by_query(before))
    before = mean_rank_by_language(query_ranks(problem), LANGUAGES)
    after = mean_rank_by_language(query_ranks([renamed(ranking, names) for ranking in problem]), LANGUAGES)
    assert after == {LANGUAGES[names[LANGUAGES.index(name)]]: mean for name, mean in before.items()}


@given(rankings(min_queries=1), LANGUAGE, st.data())
@settings(deadline=None)
def test_duplicated_passage(problem, language, data):
    """An unjudged copy right below its original leaves preference as it is; ranks and single target never gain."""
    ranking = problem[0]
    copied = with_copy(ranking, data.draw(st.integers(0, len(ranking) - 1)))
    before, after = query_ranks([ranking]), query_ranks([copied])
    assert by_query(language_preference_excess(before, language)) == by_query(
        language_preference_excess(after, language)
    )
    lower = mean_rank_by_language(before, LANGUAGES)
    assert all(mean >= lower[name] for name, mean in mean_rank_by_language(after, LANGUAGES).items())
    single = [single_target_average_precision(one, language).mean() for one in (before, after)]
    assert single[0] is None or single[1] <= single[0] + 1e-12


def test_languages_are_needed():
    """Ranks without languages are refused."""
    ranks = QueryRanks.from_pairs(np.array([0]), np.array([1]), queries=1, pool_size=2)
    for metric in (language_preference, language_preference_excess, single_target_average_precision):
        with pytest.raises(ValueError, match="no languages"):
            metric(ranks, EN)
    with pytest.raises(ValueError, match="no languages"):
        mean_rank_by_language(ranks, LANGUAGES)
