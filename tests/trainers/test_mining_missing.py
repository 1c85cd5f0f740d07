"""Mining where too few negatives are found: random ones, dropped languages, errors."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from datasets import Dataset
from mined_negatives import LookUp, as_view, by_sorting, drawn_vectors, negatives_of

from mteb_hybrid.errors import TrainingDataError
from mteb_hybrid.trainers import ParallelDataset, mine_parallel_hard_negatives


def scarce_items():
    """Four items in English, two also in German, one of which lacks its German query."""
    items = [{"en": (f"q{n}", f"p{n}")} for n in range(4)]
    items[0]["de"] = ("dq0", "dp0")
    items[1]["de"] = (None, "dp1")
    return items


def test_random_passages_stand_in_where_none_is_found(caplog):
    """Every row of the view keeps its place; the log says how many there are."""
    items = scarce_items()
    view = as_view(items)
    with caplog.at_level(logging.WARNING):
        mined = mine_parallel_hard_negatives(view, LookUp(drawn_vectors(items, 0)), use_faiss=False)
    assert len(mined) == len(view)
    assert [row["query"] for row in mined] == [row["query"] for row in view]
    assert {row["passage"]: row["negative"] for row in mined if row["passage"].startswith("d")} == {
        "dp0": "dp1",
        "dp1": "dp0",
    }
    assert "1 of 2 passages in 'de' have fewer than 1 hard negatives: random passages stand in" in caplog.text


def test_random_passages_fill_up_what_is_found():
    """Mined ones stay in front, the others are different from them and no answers."""
    items = [{"en": (f"q{n}", f"p{n}")} for n in range(9)]
    vectors = drawn_vectors(items, 0)
    options = {"range_max": 8, "num_negatives": 3, "max_score": -0.2, "use_faiss": False}
    mined = mine_parallel_hard_negatives(as_view(items), LookUp(vectors), **options)
    oracle = by_sorting(items, vectors, "en", "monolingual", options)
    assert any(0 < len(found) < 3 for found in oracle.values())
    for row in mined:
        found = negatives_of(row)
        known = oracle[row["query"]]
        assert found[: len(known)] == known
        assert len({row["passage"], *found}) == 4


def test_too_few_passages_for_random_ones_is_an_error():
    items = scarce_items()
    view = as_view(items)
    with pytest.raises(TrainingDataError, match=r"'de'.*no 2 passages to draw at random.*'drop'"):
        mine_parallel_hard_negatives(view, LookUp(drawn_vectors(items, 0)), num_negatives=2, use_faiss=False)


def test_languages_without_negatives_are_dropped(caplog):
    """The passage of which none is found goes, and the item stays in its other languages and with its group."""
    items = scarce_items()
    view = as_view([*items, {"en": ("q2", "p5")}])  # shares a query
    vectors = {**drawn_vectors(items, 0), "p5": np.ones(5)}
    with caplog.at_level(logging.WARNING):
        mined = mine_parallel_hard_negatives(view, LookUp(vectors), use_faiss=False, missing="drop")
    before, after = ({(row["query"], row["passage"]) for row in one} for one in (view, mined))
    assert before - after == {("q1", "dp1")}
    assert after <= before
    assert "1 of 2 passages in 'de' have fewer than 1 hard negatives and are left out" in caplog.text
    same = {(a["label"] >> 2 == b["label"] >> 2) for a in mined for b in mined if {a["query"], b["query"]} == {"q2"}}
    assert same == {True}
    labels = {row["label"] >> 2 for row in mined}
    assert len(labels) == 4


def test_items_can_be_dropped_in_a_multilingual_pool():
    """Without a negative for its query, an item loses the query language; with none left, it goes."""
    items = [{"en": ("q0", "p0"), "de": ("dq0", "dp0")}, {"en": ("q1", "p1")}, {"en": ("q2", "p2")}]
    vectors = {text: [1.0, 0.0] for text in ("q0", "p0", "q1", "p1", "dp0")} | {"dq0": [0, 1], "q2": [-1, 0.1]}
    vectors["p2"] = [1.0, 0.01]
    mined = mine_parallel_hard_negatives(
        as_view(items), LookUp(vectors), pool="multilingual", use_faiss=False, missing="drop", min_score=0.5
    )
    assert {row["query"] for row in mined} == {"q0", "q1"}
    assert {(row["query"], row["passage"]) for row in mined} == {("q0", "p0"), ("q0", "dp0"), ("q1", "p1")}


def test_missing_negatives_can_be_an_error():
    items = scarce_items()
    with pytest.raises(TrainingDataError, match="1 of 2 passages in 'de' have fewer than 1 hard"):
        mine_parallel_hard_negatives(as_view(items), LookUp(drawn_vectors(items, 0)), use_faiss=False, missing="error")


@pytest.mark.parametrize("missing", ["random", "drop"])
def test_nothing_to_mine_is_an_error(missing):
    """One item, or margins that nothing keeps: it is said, and random passages are not sold as hard ones."""
    one = [{"en": ("q", "p")}]
    with pytest.raises(TrainingDataError, match=r"no item has 1 hard|no 1 passages to draw"):
        mine_parallel_hard_negatives(as_view(one), LookUp(drawn_vectors(one, 0)), use_faiss=False, missing=missing)
    several = [{"en": (f"q{n}", f"p{n}")} for n in range(5)]
    with pytest.raises(TrainingDataError, match=r"no item has 1 hard negatives.*margins"):
        mine_parallel_hard_negatives(
            as_view(several), LookUp(drawn_vectors(several, 0)), use_faiss=False, missing=missing, absolute_margin=3
        )


def test_pairs_of_different_languages_have_only_a_multilingual_pool():
    pairs = Dataset.from_dict({"query": ["q0", "q1", "q2"], "passage": ["p0", "p1", "p2"]})
    view = ParallelDataset.from_dict({"en-de": pairs})
    model = LookUp(drawn_vectors([{"en": (f"q{n}", f"p{n}")} for n in range(3)], 0))
    with pytest.raises(TrainingDataError, match="pool='multilingual'"):
        mine_parallel_hard_negatives(view, model, use_faiss=False)
    mined = mine_parallel_hard_negatives(view, model, use_faiss=False, pool="multilingual", missing="error")
    assert mined.column_names == ["query", "passage", "negative", "label"]
