"""What the rank tables of a pooled task tell beyond the means of MTEB's JSON: distributions over single queries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mteb_hybrid.metrics import rank_distance
from mteb_hybrid.task_names import parse_task

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from mteb_hybrid.rank_table import RankTable

TOP = 10
"""How much of a pooled list is what a user looks at."""


@dataclass(frozen=True, slots=True)
class PooledQueries:
    """The queries of one model on one pooled task.

    Attributes:
        model: The model's name in MTEB, and the experiment in brackets if it is one.
        revision: Its revision.
        collection: Task family, such as ``XQuADR``.
        pool: Language to its number of passages.
        dataset_revision: Revision of the collection.
        split: Name of the split.
        subsets: Names of the subsets whose tables these are.
        excess_distance: Query language to the rank distances of its queries with at least two relevant passages, less
            m - 1, that of a perfect ranking of m of them: int64, shape (queries,), at least 0. Empty where relevant
            passages are no translations of each other, or not all of them were ranked.
        top: Query language to language to its mean share of the first `TOP` passages, in [0, 1].
    """

    model: str
    revision: str
    collection: str
    dataset_revision: str
    split: str
    subsets: tuple[str, ...]
    pool: dict[str, int]
    excess_distance: dict[str, NDArray[np.int64]]
    top: dict[str, dict[str, float]]

    def pool_share(self) -> dict[str, float]:
        """Share of each language in the pool."""
        size = sum(self.pool.values())
        return {language: count / size for language, count in self.pool.items()}

    def top_share(self) -> dict[str, float]:
        """Share of each language in the first `TOP`, macro-averaged over query languages; empty without lists."""
        if not self.top:
            return {}
        return {
            language: sum(shares[language] for shares in self.top.values()) / len(self.top) for language in self.pool
        }

    def distances_within(self, edges: Sequence[int]) -> list[float]:
        """Share of excess rank distances in each interval (edge, next edge], macro-averaged over query languages.

        Args:
            edges: Increasing; the first one less than every excess, the last at least as large.
        """
        shares = [
            np.histogram(values, np.array(edges) + 0.5)[0] / len(values) for values in self.excess_distance.values()
        ]
        return [float(share) for share in np.mean(shares, axis=0)]


def pooled_queries(tables: Sequence[RankTable]) -> PooledQueries | None:
    """What the tables of one model and pooled task hold, as many of its query languages as there are.

    Args:
        tables: Tables of one model, revision, task and split; one a subset.

    Returns:
        None where the task is none of ours or not pooled.
    """
    first = tables[0].info
    task = parse_task(first.task)
    if task is None or len(first.pool) < 2:
        return None
    distances = {
        table.info.query_language: _excess_distances(table)
        for table in tables
        if table.info.parallel and table.info.full_ranking
    }
    top = {table.info.query_language: shares for table in tables if (shares := _top_shares(table))}
    return PooledQueries(
        model=first.variant,
        revision=first.revision,
        collection=task[0],
        dataset_revision=first.dataset_revision,
        split=first.split,
        subsets=tuple(table.info.subset for table in tables),
        pool=first.pool,
        excess_distance={language: values for language, values in distances.items() if len(values)},
        top=top,
    )


def _excess_distances(table: RankTable) -> NDArray[np.int64]:
    ranks = table.query_ranks()
    distance = rank_distance(ranks)
    return (distance.value - (ranks.counts()[distance.query] - 1)).astype(np.int64)


def _top_shares(table: RankTable) -> dict[str, float]:
    """Mean over queries of the languages' shares in their first `TOP` passages; empty if there are no lists."""
    column = table.rows.column("top_language").combine_chunks()
    lengths = np.asarray(column.value_lengths().fill_null(0))
    if not lengths.any():
        return {}
    position = {language: number for number, language in enumerate(table.info.pool)}
    labels = np.array([position[label] for label in column.flatten().to_pylist()], dtype=np.int64)
    query = np.repeat(np.arange(len(lengths)), lengths)
    rank = np.arange(len(labels)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    near = rank < TOP
    counts = np.zeros((len(lengths), len(position)))
    np.add.at(counts, (query[near], labels[near]), 1.0)
    shares = counts[lengths > 0] / np.minimum(lengths, TOP)[lengths > 0, None]
    return dict(zip(position, shares.mean(axis=0).tolist(), strict=True))
