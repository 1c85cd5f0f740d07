"""What every rank table must be, so that no score is taken of a damaged one, or of one that somebody made by hand.

All functions raise `ValueError` with what is wrong, for messages that name the file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mteb_hybrid.file_names import is_file_name
from mteb_hybrid.parsing import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_TEXTS = ("model", "revision", "task", "split", "subset", "query_language", "dataset_revision", "similarity",
          "experiment", "version")  # fmt: skip
_NAMES = ("task", "split", "subset")  # what files and folders are called by
_LARGEST = 2**62  # passages; a pool of several languages of them has fewer than 2^63


def check_info(info: Mapping[str, Any]) -> None:
    """See that what holds for a whole table is of the right types, and can name files.

    Args:
        info: The fields of `mteb_hybrid.rank_table.TableInfo`.
    """
    for key in _TEXTS:
        if key in info and not isinstance(info[key], str):
            raise ValueError(f"{key} is {shown(info[key])}, no text")
    for key in _NAMES:
        if not is_file_name(info[key]):
            raise ValueError(f"{key} is {shown(info[key])}, which cannot name a file")
    for key in ("parallel", "full_ranking"):
        if type(info.get(key, True)) is not bool:
            raise ValueError(f"{key} is {shown(info[key])}, neither true nor false")
    if not (info.get("depth") is None or _is_count(info["depth"])) or not _is_count(info.get("list_depth", 0)):
        raise ValueError(f"depth is {shown(info.get('depth'))}, list_depth {shown(info.get('list_depth'))}: no numbers")
    pool = info["pool"]
    if not isinstance(pool, dict) or not all(map(_is_count, pool.values())) or not any(pool.values()):
        raise ValueError(f"pool is {shown(pool)}, no numbers of passages by language")


def check_rows(rows: pa.Table, pool: Iterable[str], size: int, *, full: bool) -> None:
    """See that the rows of a table fit each other and its pool.

    Args:
        rows: Columns of `mteb_hybrid.rank_table.SCHEMA`, of the right types.
        pool: Languages of the pool.
        size: Number of its passages.
        full: Whether every rank must be there.
    """
    rows.validate(full=True)
    if len(rows.column("query_id").unique()) < len(rows):
        raise ValueError("a query_id comes twice")
    per_query = check_lists(rows, ("relevant_id", "relevant_language", "relevant_grade", "rank"), unknown="rank")
    check_lists(rows, ("top_id", "top_language", "top_score"))
    known = pa.array(list(pool), type=pa.string())
    for column in ("relevant_language", "top_language"):
        found = _flat(rows, column)
        if not pc.all(pc.is_in(found, value_set=known), min_count=0).as_py():
            raise ValueError(f"{column} has a language that is none of the pool's")
    grades = np.asarray(_flat(rows, "relevant_grade"))
    if not (np.isfinite(grades) & (grades > 0)).all():
        raise ValueError("relevant_grade must be positive and finite")
    _check_ranks(_flat(rows, "rank"), np.repeat(np.arange(len(per_query)), per_query), size, full=full)


def check_lists(rows: pa.Table | pa.RecordBatch, columns: Iterable[str], unknown: str = "") -> np.ndarray:
    """See that columns hold lists of equal lengths in every row, and no nulls.

    Args:
        rows: The rows.
        columns: Their columns.
        unknown: The one column whose lists may have nulls in them.

    Returns:
        The lengths, int64, shape (rows,).
    """
    lengths = None
    for name in columns:
        column = _combined(rows, name)
        if column.null_count or (name != unknown and column.flatten().null_count):
            raise ValueError(f"{name} has a null")
        found = np.asarray(column.value_lengths(), dtype=np.int64)
        lengths = found if lengths is None else lengths
        if not np.array_equal(found, lengths):
            raise ValueError(f"{name} has lists of other lengths than the columns beside it")
    assert lengths is not None
    return lengths


def _check_ranks(ranks: pa.Array, query: np.ndarray, size: int, *, full: bool) -> None:
    if full and ranks.null_count:
        raise ValueError("a rank is missing, where the ranking is full")
    there = np.asarray(pc.is_valid(ranks))
    rank, query = np.asarray(ranks.drop_null(), dtype=np.int64), query[there]
    if len(rank) and not (rank.min() >= 1 and rank.max() <= size):
        raise ValueError(f"ranks must lie in [1, {size}], not in [{rank.min()}, {rank.max()}]")
    order = np.lexsort((rank, query))
    rank, query = rank[order], query[order]
    if ((rank[1:] == rank[:-1]) & (query[1:] == query[:-1])).any():
        raise ValueError("two relevant passages of a query have one rank")


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _LARGEST


def _flat(rows: pa.Table | pa.RecordBatch, column: str) -> pa.Array:
    return _combined(rows, column).flatten()


def _combined(rows: pa.Table | pa.RecordBatch, column: str) -> pa.ListArray:
    found = rows.column(column)
    return found.combine_chunks() if isinstance(found, pa.ChunkedArray) else found
