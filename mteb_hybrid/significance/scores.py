"""Scores of single queries, by model, from the rank tables of ``--prediction-folder``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from mteb_hybrid.errors import ResultsError
from mteb_hybrid.metrics import effectiveness, rank_distance
from mteb_hybrid.rank_table import RankTable, find_tables, read_info
from mteb_hybrid.task_names import parse_task

if TYPE_CHECKING:
    from collections.abc import Container, Iterable
    from pathlib import Path

    from mteb_hybrid.metrics import QueryRanks
    from mteb_hybrid.rank_table import TableInfo

METRICS = ("map", "map_at_20", "mrr", "ndcg_at_10", "recall_at_1", "recall_at_10", "recall_at_100", "rank_distance")
"""Metrics that single queries have; ``rank_distance`` in pooled settings only, and there lower is better."""


@dataclass(slots=True)
class ModelScores:
    """One metric of one model.

    Attributes:
        model: The model's name in MTEB, and the experiment in brackets if it is one.
        revision: Its revision.
        label: What tells it from the others: its name, and its revision if there are others of the name.
        scores: (collection, setting) to subset to question to score.
        data: (collection, setting, subset) to what was searched: revision of the collection and sizes of the pool.
    """

    model: str
    revision: str
    label: str = ""
    scores: dict[tuple[str, str], dict[str, dict[str, float]]] = field(default_factory=dict)
    data: dict[tuple[str, str, str], str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.label = self.label or self.model


def read_scores(
    folders: Iterable[Path], metric: str = "map", *, models: Container[str] | None = None, full_only: bool = False
) -> list[ModelScores]:
    """Scores of all models whose rank tables lie below some folders, in the order in which they are found.

    Args:
        folders: Prediction folders of `mteb run`, or folders above them.
        metric: One of `METRICS`.
        models: Names of the models to read. Default: all.
        full_only: Leave tables out that do not rank every relevant passage, instead of raising.

    Raises:
        ResultsError: A folder does not exist, the metric is unknown, or a subset of a model is there twice.
        RankTableError: A table is damaged, or does not rank every relevant passage.
    """
    if metric not in METRICS:
        raise ResultsError(f"there is no metric {metric!r} of single queries; there are {', '.join(METRICS)}")
    found: dict[tuple[str, str], ModelScores] = {}
    places: dict[tuple[str, ...], Path] = {}
    for path in find_tables(folders):
        info = read_info(path)
        known = parse_task(info.task)
        if known is None or (metric == "rank_distance" and len(info.pool) < 2):
            continue
        if (full_only and not info.full_ranking) or (models is not None and info.variant not in models):
            continue
        model = found.setdefault((info.variant, info.revision), ModelScores(info.variant, info.revision))
        key = (*known, info.subset)
        other = places.setdefault((info.variant, info.revision, *key), path)
        if other != path:
            raise ResultsError(
                f"{info.variant}@{info.revision} has two tables of {info.task} {info.subset}: {other} and {path}. Name "
                "the prediction folder of one run"
            )
        model.data[key] = _searched(info)
        model.scores.setdefault(known, {})[info.subset] = _by_question(RankTable.read(path), metric)
    names = [one.model for one in found.values()]
    for one in found.values():
        if names.count(one.model) > 1:
            one.label = f"{one.model}@{one.revision}"
    return list(found.values())


def _searched(info: TableInfo) -> str:
    return f"{info.dataset_revision}, split {info.split}, {dict(sorted(info.pool.items()))}"


def _by_question(table: RankTable, metric: str) -> dict[str, float]:
    ids = table.rows.column("query_id").to_pylist()
    if not table.info.parallel:  # an id says nothing outside of the language that its question was written in
        ids = [f"{table.info.subset.split('-')[-1]}/{one}" for one in ids]
    query, value = _of_queries(table.query_ranks(), metric)
    return {ids[number]: score for number, score in zip(query.tolist(), value.tolist(), strict=True)}


def _of_queries(ranks: QueryRanks, metric: str) -> tuple[np.ndarray, np.ndarray]:
    """Queries that the metric is defined for, and its values."""
    if metric == "rank_distance":
        spread = rank_distance(ranks)
        return spread.query, spread.value
    return np.flatnonzero(ranks.counts() > 0), effectiveness(ranks, (1, 10, 20, 100))[metric]
