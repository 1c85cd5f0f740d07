"""The tests of significance that a report shows: every pair of models in every setting."""

from __future__ import annotations

import dataclasses
import itertools
from typing import TYPE_CHECKING

from mteb_hybrid.reporting.columns import columns_of, main_score
from mteb_hybrid.significance import compare_all, read_scores
from mteb_hybrid.significance.flips import DRAWS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from mteb_hybrid.reporting.summary import ModelSummary
    from mteb_hybrid.significance import Comparison


def read_differences(
    summaries: Sequence[ModelSummary], folders: Iterable[Path], *, draws: int = DRAWS, seed: int = 0
) -> list[Comparison]:
    """Compare the models of a report from their rank tables, by the score that the pooled setting is judged by.

    Args:
        summaries: Sorted by collection.
        folders: Where rank tables may lie.
        draws: Sign patterns of the tests.
        seed: Of tests and intervals.

    Returns:
        Comparisons by collection; none where fewer than two models have tables with full rankings.

    Raises:
        ResultsError: Results of two models are of different data.
        RankTableError: A table is damaged.
    """
    metrics: dict[str, set[str]] = {}
    for collection, members in itertools.groupby(summaries, key=lambda summary: summary.collection):
        metrics.setdefault(main_score(columns_of(list(members)), "Multilingual"), set()).add(collection)
    labels = {(one.model, one.revision): one.label for one in summaries}
    places = list(folders)
    comparisons: list[Comparison] = []
    for metric, collections in metrics.items():
        models = []
        for one in read_scores(places, metric, models={model for model, _ in labels}, full_only=True):
            scores = {family: found for family, found in one.scores.items() if family[0] in collections}
            if scores and (one.model, one.revision) in labels:
                models.append(dataclasses.replace(one, scores=scores, label=labels[one.model, one.revision]))
        if len(models) > 1:
            comparisons += compare_all(models, metric, draws=draws, seed=seed)
    return comparisons
