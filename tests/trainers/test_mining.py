"""Mined negatives: those that sorting all scores gives, and never an answer."""

from __future__ import annotations

import random
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mined_negatives import LANGUAGES, LookUp, as_view, by_sorting, drawn_items, drawn_vectors, families, negatives_of

from mteb_hybrid.errors import TrainingDataError
from mteb_hybrid.trainers import ParallelDataset, mine_parallel_hard_negatives


def read_rows(view):
    """Every row with the language of its passage."""
    decoded = view.training_rows.triples.decode(np.arange(len(view)))
    return zip(view, [view.languages[code] for code in decoded.passage], strict=True)


CHOICES = [
    {},
    {"num_negatives": 3},
    {"range_min": 2, "range_max": 5, "num_negatives": 2},
    {"absolute_margin": 0.1},
    {"absolute_margin": 0.05, "max_score": 0.5, "min_score": -0.5, "num_negatives": 3},
]


@pytest.mark.parametrize("pool", ["monolingual", "multilingual"])
@pytest.mark.parametrize("choice", CHOICES)
def test_negatives_are_those_that_sorting_all_scores_gives(pool, choice):
    """Top passages that are no answers, within ranks, margins and scores; items without enough lose the language."""
    mined_rows = 0
    for seed in range(2):
        items = drawn_items(seed)
        vectors = drawn_vectors(items, seed)
        view = mine_parallel_hard_negatives(
            as_view(items), LookUp(vectors), pool=pool, use_faiss=False, missing="drop", **choice
        )
        oracle = {language: by_sorting(items, vectors, language, pool, choice) for language in LANGUAGES}
        wanted = Counter()
        for item in items:
            for asked, (query, _) in item.items():
                for answered, (_, passage) in item.items():
                    if query and passage:
                        # monolingual: the negatives of the passage, found with the query in its language
                        source = asked if pool == "multilingual" else answered
                        text = item[source][0]
                        found = oracle[source].get(text.strip(), []) if text else []
                        if len(found) == choice.get("num_negatives", 1):
                            wanted[(query, passage, *found)] += 1
        got = Counter((row["query"], row["passage"], *negatives_of(row)) for row in view)
        assert got == wanted
        mined_rows += len(view)
    assert mined_rows > 30


def test_a_relative_margin_is_a_share_of_the_positives_score():
    """With positives of score .8, a margin of .1 leaves .72 and below: by hand."""
    vectors = {"q0": [1, 0], "q1": [1, 0.001]}
    for name, score in (("p0", 0.8), ("p1", 0.7), ("near", 0.75), ("far", 0.1), ("q2", 0.0), ("q3", -0.1)):
        vectors[name] = [score, np.sqrt(1 - score**2)]
    items = [
        {"en": ("q0", "p0")}, {"en": ("q1", "p1")}, {"en": ("q2", "near")}, {"en": ("q3", "far")},
    ]  # fmt: skip
    view = as_view(items)
    plain = mine_parallel_hard_negatives(view, LookUp(vectors), use_faiss=False)
    margin = mine_parallel_hard_negatives(view, LookUp(vectors), use_faiss=False, relative_margin=0.1)
    assert {row["query"]: row["negative"] for row in plain.select([0, 1])} == {"q0": "near", "q1": "p0"}
    assert {row["query"]: row["negative"] for row in margin.select([0, 1])} == {"q0": "p1", "q1": "far"}


@pytest.mark.parametrize("pool", ["monolingual", "multilingual"])
@pytest.mark.parametrize("number", [1, 3])
def test_faiss_and_plain_search_agree(pool, number):
    items = drawn_items(5, 25)
    vectors = drawn_vectors(items, 5)
    options = {"pool": pool, "num_negatives": number, "range_max": 15}
    fast = mine_parallel_hard_negatives(as_view(items), LookUp(vectors), use_faiss=True, **options)
    plain = mine_parallel_hard_negatives(as_view(items), LookUp(vectors), use_faiss=False, **options)
    assert fast[:] == plain[:]
    assert fast.column_names[2:-1] == (["negative"] if number == 1 else ["negative_1", "negative_2", "negative_3"])


@given(
    seed=st.integers(0, 10_000),
    pool=st.sampled_from(["monolingual", "multilingual"]),
    strategy=st.sampled_from(["top", "random"]),
    number=st.integers(1, 3),
    margin=st.sampled_from([None, 0.3]),
)
@settings(max_examples=12, deadline=None)
def test_a_negative_is_never_an_answer(seed, pool, strategy, number, margin):
    """No passage of the item in any language, of its group, or of equal text; in a monolingual pool of its language."""
    items = drawn_items(seed, 12)
    try:
        view = mine_parallel_hard_negatives(
            as_view(items), LookUp(drawn_vectors(items, seed)), pool=pool, sampling_strategy=strategy,
            num_negatives=number, absolute_margin=margin, use_faiss=False, missing="drop", range_max=8,
        )  # fmt: skip
    except TrainingDataError as error:
        assert "no item has" in str(error)  # noqa: PT017 - some collections have nothing to mine
        return
    kin = families(items)
    holders = {}
    for number_of, item in enumerate(items):
        for language, (_, passage) in item.items():
            if passage:
                holders.setdefault(passage.strip(), set()).add((number_of, language))
    owners = {}
    for number_of, item in enumerate(items):
        for pair in item.values():
            for text in pair:
                if text:
                    owners.setdefault(text, set()).add(number_of)
    for row, answered in read_rows(view):
        family = set().union(*(kin[owner] for owner in owners[row["query"]] & owners[row["passage"]]))
        found = negatives_of(row)
        assert len({text.strip() for text in found}) == number
        for text in found:
            assert not {owner for owner, _ in holders[text.strip()]} & family
            if pool == "monolingual":
                assert answered in {language for _, language in holders[text.strip()]}


def test_known_groups_are_respected():
    """Items that the view counts as the same are no negatives of each other, though they share no text."""
    items = [{"en": (f"q{number}", f"p{number}")} for number in range(3)]
    vectors = {"q0": [1, 0, 0], "q1": [0, 1, 0], "q2": [0, 0, 1], "p0": [1, 0, 0], "p1": [0.9, 1, 0], "p2": [0.1, 0, 1]}
    plain = as_view(items)
    free = mine_parallel_hard_negatives(plain, LookUp(vectors), use_faiss=False)
    assert free[0]["negative"] == "p1"
    grouped = ParallelDataset(plain.blocks, groups=np.array([0, 0, 2]))
    assert mine_parallel_hard_negatives(grouped, LookUp(vectors), use_faiss=False)[0]["negative"] == "p2"


def test_a_large_group_leaves_the_hard_negatives_beyond_it():
    """However many passages of the group are nearer than the first real negative, that one is found."""
    items = [{"en": ("q", "p0")}, *({"en": (f"q{n}", f"p{n}"), "de": ("shared", f"d{n}")} for n in range(1, 40))]
    items[0]["de"] = ("shared", "d0")
    items += [{"en": (f"o{n}", f"other {n}")} for n in range(5)]
    vectors = drawn_vectors(items, 0, 8)
    for number in range(40):
        vectors[f"p{number}"] = vectors["q"] + 0.01 * vectors[f"p{number}"]
    view = mine_parallel_hard_negatives(as_view(items), LookUp(vectors), num_negatives=2, missing="drop", range_max=60)
    row = next(row for row in view if row["query"] == "q" and row["passage"] == "p0")
    assert all(text.startswith("other") for text in negatives_of(row))


def test_random_negatives_are_of_the_range_and_hang_on_the_seed():
    """Each is among the ranks asked for; another seed gives others; the global generator is left alone."""
    items = [{"en": (f"q{n}", f"p{n}")} for n in range(30)]
    vectors = drawn_vectors(items, 3)
    options = {"sampling_strategy": "random", "range_min": 1, "range_max": 8, "num_negatives": 2, "use_faiss": False}
    random.seed(1)
    before = random.getstate()
    first = mine_parallel_hard_negatives(as_view(items), LookUp(vectors), **options)
    assert random.getstate() == before
    random.seed(2)
    again = mine_parallel_hard_negatives(as_view(items), LookUp(vectors), **options)
    other = mine_parallel_hard_negatives(as_view(items), LookUp(vectors), seed=1, **options)
    assert first[:] == again[:]
    assert first[:] != other[:]
    window = by_sorting(items, vectors, "en", "monolingual", {**options, "num_negatives": 7})
    drawn = Counter()
    for row in first:
        assert set(negatives_of(row)) <= set(window[row["query"]])
        drawn.update(window[row["query"]].index(text) for text in negatives_of(row))
    assert len(drawn) == 7
