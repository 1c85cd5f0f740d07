"""Rank tables in a prediction folder: what they hold together that no single one does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mteb_hybrid.across import AcrossLanguages, across_languages, group_tables
from mteb_hybrid.errors import ResultsError
from mteb_hybrid.rank_table import RankTable, read_info

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


def read_across(folders: Iterable[Path]) -> list[AcrossLanguages]:
    """The scores that need all query languages, of every model and pooled task whose tables are all there.

    Args:
        folders: Prediction folders of `mteb run`, or folders above them.

    Raises:
        ResultsError: A folder does not exist.
        RankTableError: A table is damaged.
    """
    tables: list[RankTable] = []
    for folder in folders:
        if not folder.is_dir():
            raise ResultsError(f"{folder} is not a folder; give the --prediction-folder of `mteb run`")
        paths = sorted(folder.rglob("*.parquet"))
        tables += [RankTable.read(path) for path in paths if len(read_info(path).pool) > 1]
    found = [across_languages(group) for group in group_tables(tables)]
    return [one for one in found if one is not None and one.scores()]
