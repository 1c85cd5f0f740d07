"""Differences between groups of arms: averaged over seeds, question by question, and for each seed."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from evidence import Contrast, Group, findings, spread
from made_tables import write
from plan import Arm

QUESTIONS = 10
SUBSETS = ("de", "en")


@pytest.fixture
def ranks(tmp_path):
    """Ranks of one right answer by arm, subset and question; ``good`` is better, ``same`` equals ``bad``."""
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
    names = ("good", "bad", "start", "nothing")
    return {
        name: Group(tmp_path, tuple(Arm(name, "mlqa-r", "layers4", seed) for one, seed in ranks if one == name))
        for name in names
    }


def contrast(groups, first, second, **changes):
    return Contrast((first, groups[first]), (second, groups[second]), "map", "Monolingual", **changes)


def test_difference_of_means_over_seeds(groups, ranks):
    """The mean over settings of the mean over questions of the mean over seeds, and the same for every seed."""
    (found,) = findings([contrast(groups, "good", "bad")])
    seeds = [np.mean(1 / ranks["good", seed] - 1 / ranks["bad", seed]) for seed in range(3)]
    assert found.mean.difference == pytest.approx(np.mean(seeds))
    assert [difference for difference, _ in found.seeds] == pytest.approx(seeds)
    assert found.agreeing == 3


def test_p_is_that_of_all_sign_flips(groups, ranks):
    """Of questions, whose two settings flip together; by brute force."""
    (found,) = findings([contrast(groups, "good", "bad")])
    per_question = np.mean([1 / ranks["good", seed] - 1 / ranks["bad", seed] for seed in range(3)], axis=(0, 1))
    flips = np.array(list(itertools.product((-1, 1), repeat=QUESTIONS))) @ per_question
    assert found.p == pytest.approx(np.mean(np.abs(flips) >= abs(per_question.sum()) - 1e-12))


def test_family(groups):
    """By Holm's method over all contrasts of a table; groups without results are no part of it."""
    asked = [contrast(groups, "good", "bad"), contrast(groups, "bad", "start"), contrast(groups, "good", "nothing")]
    found = findings(asked)
    assert [one.contrast for one in found] == asked[:2]
    alone = [findings([one])[0].p for one in asked[:2]]
    low, high = sorted(alone)
    assert sorted(one.p for one in found) == pytest.approx([2 * low, max(2 * low, high)])


def test_start_against_every_seed(groups, ranks):
    (found,) = findings([contrast(groups, "good", "start", subsets=("en",))])
    seeds = [np.mean(1 / ranks["good", seed][1] - 1 / ranks["start", 0][1]) for seed in range(3)]
    assert [difference for difference, _ in found.seeds] == pytest.approx(seeds)


def test_seeds_that_only_one_group_has(groups, tmp_path):
    """They are left out: seeds are compared with their own kind."""
    fewer = Group(tmp_path, tuple(arm for arm in groups["bad"].arms if arm.seed != 1))
    (found,) = findings([Contrast(("good", groups["good"]), ("bad", fewer), "map", "Monolingual")])
    assert len(found.seeds) == 2


def test_what_holds(groups):
    """A significant mean and one sign; a difference of nothing does not hold."""
    (found,) = findings([contrast(groups, "good", "start")])
    assert found.holds
    (found,) = findings([contrast(groups, "good", "good")])
    assert not found.holds
    assert found.agreeing == 0


def test_spread():
    assert spread([1.0]) is None
    assert spread([1.0, 2.0, 4.0]) == pytest.approx(np.std([1, 2, 4], ddof=1))
