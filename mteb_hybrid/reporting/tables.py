"""Rank tables in a prediction folder: what they hold together that no single one does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mteb_hybrid.across import AcrossLanguages, across_languages, group_tables
from mteb_hybrid.rank_table import RankTable, find_tables, read_info
from mteb_hybrid.reporting.pooled import PooledQueries, pooled_queries

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


def read_pooled(folders: Iterable[Path]) -> tuple[list[AcrossLanguages], list[PooledQueries]]:
    """All that reports take from the tables of pooled tasks, of every model and task.

    Args:
        folders: Prediction folders of `mteb run`, or folders above them.

    Returns:
        The scores that need all query languages, where the tables of all of them are there; and the single queries.

    Raises:
        ResultsError: A folder does not exist.
        RankTableError: A table is damaged, or one subset of a model is there twice.
    """
    pooled = (RankTable.read(path) for path in find_tables(folders) if len(read_info(path).pool) > 1)
    groups = group_tables(pooled)
    across = [one for group in groups if (one := across_languages(group)) is not None and one.scores()]
    queries = [found for group in groups if (found := pooled_queries(group)) is not None]
    return across, queries
