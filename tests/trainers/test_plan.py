"""What users ask for, as probabilities over the language pairs that the data has."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import chisquare

from mteb_hybrid.errors import TrainingDataError
from mteb_hybrid.trainers.data.language_pairs import split_pair
from mteb_hybrid.trainers.sampling.plan import Choice, Plan, make_plan

LANGUAGES = ("ar", "de", "en")
EVERY = {(query, passage) for query in range(3) for passage in range(3)}


def plan(available=frozenset(EVERY), **options) -> Plan:
    settings = {"alpha": 0.5, "monolingual": "one-language", "language_weights": None, "pair_weights": None}
    return make_plan(LANGUAGES, set(available), **{**settings, **options})


def shares(made: Plan) -> dict[str, float]:
    """Shares by the names of pairs, those of 0 left out."""
    names = ["-".join(LANGUAGES[code] for code in pair) for pair in made.pairs.tolist()]
    assert len(set(names)) == len(names)
    return {name: share for name, share in zip(names, made.shares.tolist(), strict=True) if share}


def always(number: float) -> SimpleNamespace:
    """A generator that draws one number again and again."""
    return SimpleNamespace(random=lambda size: np.full(size, number))


@pytest.mark.parametrize("monolingual", ["one-language", "mixed"])
def test_shares_are_uniform_within_a_kind(monolingual):
    """With alpha .4, three languages share .4 and six ordered pairs .6."""
    found = shares(plan(alpha=0.4, monolingual=monolingual))
    same = dict.fromkeys(("ar-ar", "de-de", "en-en"), 0.4 / 3)
    cross = dict.fromkeys(("ar-de", "ar-en", "de-ar", "de-en", "en-ar", "en-de"), 0.6 / 6)
    assert found == pytest.approx({**same, **cross})


def test_shares_follow_the_weights():
    """Weights need not add up to 1; what has none, or 0, is not drawn; both spellings of a pair are understood."""
    found = shares(
        plan(language_weights={"ar": 3, "en": 1, "de": 0}, pair_weights={"ar-de": 2, ("de", "ar"): 6, "en-ar": 0})
    )
    assert found == pytest.approx({"ar-ar": 0.375, "en-en": 0.125, "ar-de": 0.125, "de-ar": 0.375})


def test_only_what_the_data_has_is_drawn():
    """A pair that no item has is no choice, in either direction apart."""
    assert shares(plan({(0, 0), (0, 1), (2, 1)})) == pytest.approx({"ar-ar": 0.5, "ar-de": 0.25, "en-de": 0.25})
    assert shares(plan(EVERY, alpha=0)).keys() == {"ar-de", "ar-en", "de-ar", "de-en", "en-ar", "en-de"}
    assert shares(plan({(0, 0)}, alpha=1)) == {"ar-ar": 1}


def test_two_languages():
    """Both directions can be weighted where there are no other languages."""
    options = {"alpha": 0.0, "monolingual": "one-language", "language_weights": None}
    both = make_plan(("ar", "de"), {(0, 1), (1, 0)}, pair_weights={"ar-de": 1, "de-ar": 3}, **options)
    assert shares(both) == pytest.approx({"ar-de": 0.25, "de-ar": 0.75})


def test_draws_follow_the_shares():
    """Over many steps, and X-X steps of one language have one pair, mixed ones several."""
    for monolingual in ("one-language", "mixed"):
        made = plan(alpha=0.3, monolingual=monolingual, pair_weights={"ar-de": 1, "de-en": 3})
        cross, codes = made.draw(np.random.default_rng(0), 0, 5_000, 7)
        assert codes.shape == (5_000, 7)
        assert np.array_equal(cross, (made.pairs[codes][..., 0] != made.pairs[codes][..., 1]).any(axis=1))
        pairs = [len(set(step)) for step in codes[~cross].tolist()]
        assert set(pairs) == ({1} if monolingual == "one-language" else {1, 2, 3})
        seen = Counter(codes[:, 3].tolist())
        expected = {code: share for code, share in enumerate(made.shares.tolist()) if share}
        assert set(seen) == set(expected)
        assert chisquare([seen[code] for code in expected], [5_000 * one for one in expected.values()]).pvalue > 1e-3


def test_a_plan_of_more_pairs_than_a_byte_can_count():
    """Three hundred languages: codes of pairs are as wide as they need to be."""
    names = [f"l{number:03d}" for number in range(300)]
    wide = make_plan(
        names,
        {(one, other) for one in range(300) for other in range(300)},
        alpha=0.5,
        monolingual="one-language",
        language_weights=None,
        pair_weights=None,
    )
    _, codes = wide.draw(np.random.default_rng(0), 0, 300, 100)
    assert codes.max() > 2**16
    assert (wide.pairs[codes[:, 0]] >= 0).all()


def test_turns_follow_the_number_of_the_step():
    """Wherever a chunk of steps begins; at the ends of alpha there is one kind."""
    rng = np.random.default_rng(0)
    turns = plan(alternate=True)
    assert turns.draw(rng, 0, 6, 2)[0].tolist() == [False, True] * 3
    assert turns.draw(rng, 5, 4, 2)[0].tolist() == [True, False] * 2
    assert plan(alternate=True, alpha=0).draw(rng, 0, 4, 2)[0].all()
    assert not plan(alternate=True, alpha=1).draw(rng, 0, 4, 2)[0].any()


def test_another_pair_is_drawn_by_weight_among_the_same_kind():
    """First among the others comes a pair as often as its weight says; an X-X step of one language has none."""
    made = plan(pair_weights={"ar-de": 1, "de-en": 6, "en-ar": 3}, monolingual="one-language")
    rng = np.random.default_rng(0)
    orders = [made.others(rng, True) for _ in range(3_000)]
    cross = [code for code, pair in enumerate(made.pairs.tolist()) if pair[0] != pair[1]]
    assert all(sorted(order) == cross for order in orders)
    first = Counter(order[0] for order in orders)
    expected = [3_000 * made.shares[code] / 0.5 for code in cross]
    assert chisquare([first[code] for code in cross], expected).pvalue > 1e-3
    assert made.others(rng, False) == []
    mixed = plan(monolingual="mixed")
    assert sorted(mixed.others(rng, False)) == [0, 1, 2]


def test_tiny_weights_are_drawn_too():
    """A weighted choice never falls off its end."""
    choice = Choice([(0, 1), (1, 0), (1, 2)], [1e-12, 1.0, 1e-9])
    drawn = choice.draw(np.random.default_rng(0), (100_000,))
    assert drawn.min() >= 0
    assert drawn.max() < 3
    assert (drawn == 1).mean() > 0.999
    assert choice.probabilities.sum() == pytest.approx(1)


def test_the_largest_number_that_is_drawn_is_within_the_choice():
    """Where rounded probabilities add up to less than 1, what lies between belongs to the last pair."""
    largest = always(np.nextafter(1.0, 0.0))
    rng, short = np.random.default_rng(0), 0
    for size in range(2, 200):
        weights = rng.random(size)
        short += np.cumsum(weights / sum(weights))[-1] < 1
        choice = Choice([(0, 1)] * size, weights.tolist())
        assert choice.draw(largest, (3,)).tolist() == [size - 1] * 3
    assert short > 10


def test_draws_stay_what_they_are():
    """Whoever goes on with a training that an earlier version began gets the same pairs for the same seed."""
    equal, weighted = Choice([(0, 1), (1, 0), (1, 2)], [5, 5, 5]), Choice([(0, 1), (1, 0), (1, 2)], [1, 1, 2])
    drawn = np.random.default_rng(5).integers(3, size=50)
    assert equal.draw(np.random.default_rng(5), (50,)).tolist() == drawn.tolist()
    numbers = np.random.default_rng(5).random(50)
    expected = [0 if number < 0.25 else 1 if number < 0.5 else 2 for number in numbers]
    assert weighted.draw(np.random.default_rng(5), (50,)).tolist() == expected


def test_a_number_at_a_bound_belongs_to_what_comes_after_it():
    """So that of the numbers in [0, 1) each choice has its share to the last one, and what has none is never drawn."""
    choice = Choice([(0, 1), (1, 0), (1, 2)], [1, 1, 2])
    drawn = [choice.draw(always(number), (2,)).tolist() for number in (0.0, np.nextafter(0.25, 0), 0.25, 0.5)]
    assert drawn == [[0, 0], [0, 0], [1, 1], [2, 2]]
    weights = {"ar-de": 1, "de-en": 1, "en-ar": 2}
    assert plan(alpha=0, pair_weights=weights).draw(always(0.0), 0, 3, 2)[0].all()
    assert (
        plan(alpha=0.25, pair_weights=weights, language_weights={"ar": 1, "de": 1, "en": 2})
        .draw(always(0.25), 0, 3, 2)[0]
        .all()
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"alpha": -0.1}, r"in \[0, 1\]; got -0.1"),
        ({"monolingual": "one"}, "monolingual must be 'one-language' or 'mixed', got 'one'"),
        ({"language_weights": {"fr": 1.0}}, "language_weights: the data has nothing for 'fr'; it has ar, de, en"),
        (
            {"language_weights": {"ar": -1}},
            "language_weights: the weight of 'ar' must be a number of at least 0, not -1",
        ),
        ({"language_weights": {"ar": float("inf")}}, "the weight of 'ar' must be a number of at least 0, not inf"),
        ({"language_weights": {"ar": 0}}, "language_weights: no weight is above 0"),
        ({"language_weights": {}}, "language_weights: no weight is above 0"),
        (
            {"pair_weights": {"ar-fr": 1}},
            "pair_weights: 'ar-fr' must be a pair of different languages among ar, de, en",
        ),
        ({"pair_weights": {("ar", "ar"): 1}}, r"\('ar', 'ar'\) must be a pair of different languages"),
        ({"pair_weights": {"arde": 1}}, "a language pair must be"),
        ({"pair_weights": {("ar", "de", "en"): 1}}, "query language first; got"),
        (
            {"pair_weights": {"de-en": 1}, "available": {(0, 0), (0, 1)}},
            r"the data has nothing for \('de', 'en'\); it has ar-de",
        ),
        ({"available": {(0, 1), (1, 0)}}, "alpha=0.5 asks for X-X batches, but .* take alpha=0"),
        ({"available": {(0, 0), (1, 1)}, "alpha": 0.2}, "alpha=0.2 asks for X-Y batches"),
    ],
)
def test_what_cannot_be_asked_for(options, message):
    """Is said, with the option and the value."""
    with pytest.raises(TrainingDataError, match=message):
        plan(**options)


def test_pairs_are_written_in_two_ways():
    """And the query's language comes first."""
    assert split_pair("en-de") == split_pair(("en", "de")) == ("en", "de")
    for wrong in ("en", "en-", "zh-Hans-en", ("en",), ("en", ""), ("en", 3)):
        with pytest.raises(TrainingDataError, match="a language pair must be"):
            split_pair(wrong)
