"""Differences between groups of arms: averaged over seeds, question by question, and whatever the seeds."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from evidence import Contrast, Group, findings, spread
from made_tables import write
from plan import Arm

from mteb_hybrid.significance import compare, read_scores

QUESTIONS = 12
SUBSETS = ("de", "en")
OWN = {f"q{number}": number for number in range(QUESTIONS)}
PAIRS = {f"q{number}": number // 2 for number in range(QUESTIONS)}


@pytest.fixture
def ranks(tmp_path):
    """Ranks of one right answer by arm, subset and question."""
    rng = np.random.default_rng(5)
    drawn = {}
    for name, high in (("good", 3), ("bad", 9), ("start", 30)):
        for seed in range(1 if name == "start" else 3):
            arm = Arm(name, "mlqa-r", "layers4", seed)
            drawn[name, seed] = rng.integers(1, high, (len(SUBSETS), QUESTIONS))
            for subset, row in zip(SUBSETS, drawn[name, seed], strict=True):
                folder = tmp_path / arm.id / "predictions"
                write(folder, f"local/{arm.id}", "XQuADRFifthMonolingual", subset, row[:, None])
    return drawn


@pytest.fixture
def groups(tmp_path, ranks):
    return {
        name: Group(tmp_path, tuple(Arm(name, "mlqa-r", "layers4", seed) for one, seed in ranks if one == name))
        for name in ("good", "bad", "start", "nothing")
    }


def contrast(groups, first, second, **changes):
    return Contrast(((first, groups[first]),), ((second, groups[second]),), "map", "Monolingual", **changes)


def scores(ranks, name) -> np.ndarray:
    """Seeds, subsets, questions."""
    return np.array([1 / found for (one, _), found in ranks.items() if one == name])


def p_of_flips(values) -> float:
    """By brute force over all patterns of signs."""
    flips = np.array(list(itertools.product((-1, 1), repeat=len(values)))) @ values
    return np.mean(np.abs(flips) >= abs(values.sum()) - 1e-12)


def test_difference_of_means_over_seeds(groups, ranks):
    """The mean over settings, questions and seeds; every pair of trainings is looked at."""
    (found,) = findings([contrast(groups, "good", "bad")], OWN)
    assert found.difference == pytest.approx(scores(ranks, "good").mean() - scores(ranks, "bad").mean())
    of_seed = {name: scores(ranks, name).mean(axis=(1, 2)) for name in ("good", "bad")}
    assert found.combinations == 9
    assert found.agreeing == sum(one > other for one, other in itertools.product(of_seed["good"], of_seed["bad"]))


def test_p_is_that_of_all_sign_flips(groups, ranks):
    """Of questions, whose settings flip together, and of paragraphs, whose questions do."""
    (found,) = findings([contrast(groups, "good", "bad")], PAIRS)
    of_question = (scores(ranks, "good") - scores(ranks, "bad")).mean(axis=(0, 1))
    assert found.p_compare == pytest.approx(p_of_flips(of_question))
    assert found.p == pytest.approx(p_of_flips(of_question.reshape(-1, 2).sum(axis=1)))
    assert found.p != pytest.approx(found.p_compare)
    (alone,) = findings([contrast(groups, "good", "bad")], OWN)
    assert alone.p == pytest.approx(alone.p_compare)


def test_p_is_that_of_compare(groups, ranks, tmp_path):
    """With one training on either side, what `mteb-hybrid compare` says of the two."""
    first, second = (Group(tmp_path, groups[name].arms[:1]) for name in ("good", "bad"))
    (found,) = findings([contrast({"good": first, "bad": second}, "good", "bad")], PAIRS)
    models = [read_scores([tmp_path / group.arms[0].id / "predictions"])[0] for group in (first, second)]
    (said,) = compare(*models)
    assert found.p_compare == said.mean.p
    assert found.difference == pytest.approx(said.mean.difference)
    (plain,) = findings([contrast({"good": first, "bad": second}, "good", "bad")], OWN)
    assert plain.low == pytest.approx(said.mean.low, abs=0.03)
    assert plain.high == pytest.approx(said.mean.high, abs=0.03)


def test_interval_is_wider_over_paragraphs_that_hang_together(tmp_path):
    """Twice the same questions are no more than one."""
    rng = np.random.default_rng(1)
    for name in ("good", "bad"):
        arm = Arm(name, "mlqa-r", "layers4", 0)
        row = np.repeat(rng.integers(1, 9, QUESTIONS // 2), 2)
        write(tmp_path / arm.id / "predictions", f"local/{arm.id}", "XQuADRFifthMonolingual", "de", row[:, None])
    made = {name: Group(tmp_path, (Arm(name, "mlqa-r", "layers4", 0),)) for name in ("good", "bad")}
    (alone,), (together,) = (findings([contrast(made, "good", "bad")], numbers) for numbers in (OWN, PAIRS))
    assert together.high - together.low > 1.2 * (alone.high - alone.low)


def test_family(groups):
    """By Holm's method over all contrasts of a table; groups without results are no part of it."""
    asked = [contrast(groups, "good", "bad"), contrast(groups, "bad", "start"), contrast(groups, "good", "nothing")]
    found = findings(asked, OWN)
    assert [one.contrast for one in found] == asked[:2]
    low, high = sorted(findings([one], OWN)[0].p for one in asked[:2])
    assert sorted(one.p for one in found) == pytest.approx([2 * low, max(2 * low, high)])


def test_some_subsets(groups, ranks):
    (found,) = findings([contrast(groups, "good", "start", subsets=("en",))], OWN)
    assert found.difference == pytest.approx(scores(ranks, "good")[:, 1].mean() - scores(ranks, "start")[:, 1].mean())
    assert found.combinations == 3


def test_subsets_less_others(groups, ranks):
    """Whether the difference is larger in some subsets than in others, question by question."""
    (found,) = findings([contrast(groups, "good", "bad", subsets=("en",), less=("de",))], OWN)
    of_question = (scores(ranks, "good") - scores(ranks, "bad")).mean(axis=0)
    assert found.difference == pytest.approx((of_question[1] - of_question[0]).mean())
    assert found.p == pytest.approx(p_of_flips(of_question[1] - of_question[0]))


def test_difference_of_differences(groups, ranks):
    named = {name: (name, groups[name]) for name in ("good", "bad", "start")}
    asked = Contrast((named["good"], named["start"]), (named["bad"], named["bad"]), "map", "Monolingual")
    (found,) = findings([asked], OWN)
    good, bad, start = (scores(ranks, name).mean(axis=(0, 1)) for name in ("good", "bad", "start"))
    assert found.difference == pytest.approx((good + start - 2 * bad).mean())
    assert found.p == pytest.approx(p_of_flips(good + start - 2 * bad))
    assert found.combinations == 3 * 1 * 3 * 3


def test_what_holds(groups, tmp_path):
    """A significant difference that is there whatever the seeds; one that is significant alone does not hold."""
    (found,) = findings([contrast(groups, "good", "start")], OWN)
    assert found.holds
    (found,) = findings([contrast(groups, "good", "good")], OWN)
    assert not found.holds
    rng = np.random.default_rng(2)
    for name, highs in (("first", (2, 2, 9)), ("second", (9, 9, 6))):
        for seed, high in enumerate(highs):
            arm = Arm(name, "mlqa-r", "layers4", seed)
            row = rng.integers(high - 1, high + 1, QUESTIONS)
            write(tmp_path / arm.id / "predictions", f"local/{arm.id}", "XQuADRFifthMonolingual", "de", row[:, None])
    mixed = {
        name: Group(tmp_path, tuple(Arm(name, "mlqa-r", "layers4", n) for n in range(3)))
        for name in ("first", "second")
    }
    (found,) = findings([contrast(mixed, "first", "second")], OWN)
    assert found.p <= 0.05
    assert found.p_compare <= 0.05
    assert 0 < found.agreeing < found.combinations
    assert not found.holds


def test_spread():
    assert spread([1.0]) is None
    assert spread([1.0, 2.0, 4.0]) == pytest.approx(np.std([1, 2, 4], ddof=1))
