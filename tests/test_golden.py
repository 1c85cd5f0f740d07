"""The scores of the shipped baseline on MiniQA-R are those of tests/golden_miniqa_r_char_ngram.json: nothing drifts."""

from __future__ import annotations

import golden
import pytest
from task_names import MINIQA_R

from mteb_hybrid.collections import miniqa_r


@pytest.fixture(scope="module")
def found() -> golden.Scores:
    return golden.evaluated()


@pytest.mark.slow
def test_no_score_has_changed(found):
    """The same tasks, subsets and scores; every value to the ninth digit after the point."""
    expected = golden.read()
    shape = {task: {subset: sorted(scores) for subset, scores in subsets.items()} for task, subsets in expected.items()}
    assert {task: {s: sorted(scores) for s, scores in subsets.items()} for task, subsets in found.items()} == shape
    changed = [
        f"{task}, {subset}, {name}: {value!r} instead of {expected[task][subset][name]!r}"
        for task, subsets in found.items()
        for subset, scores in subsets.items()
        for name, value in scores.items()
        if abs(value - expected[task][subset][name]) > 1e-9
    ]
    assert not changed, f"{len(changed)} scores; if that is meant, see tests/golden.py\n" + "\n".join(changed[:20])


def test_the_file_is_complete():
    """All subsets of the three settings, and the pooled scores of language bias."""
    expected = golden.read()
    assert set(expected) == {*MINIQA_R, golden.ACROSS}
    monolingual, crossed, pooled = (expected[task] for task in MINIQA_R)
    languages = set(miniqa_r().languages)
    assert set(monolingual) == set(pooled) == languages
    assert set(crossed) == {f"{a}-{b}" for a in languages for b in languages if a != b}
    assert all(
        {"map", "rank_distance", *(f"mean_rank_{one}" for one in languages)} <= row.keys() for row in pooled.values()
    )
