"""Scores of one subset, for tests."""

from __future__ import annotations

from mteb_hybrid.reporting.results import SubsetScores


def one_subset(revision: str, rank: float, data: str = "1"):
    scores = {"map": 0.5, "mean_rank_de": rank}
    return [SubsetScores("a/b", revision, (), "XQuADR", "Multilingual", "de", data, scores)]
