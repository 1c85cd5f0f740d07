"""Rank tables of models that do not exist."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mteb_hybrid.rank_table import TableInfo, list_column, table_path, write_rank_table

if TYPE_CHECKING:
    from pathlib import Path

LANGUAGES = ("de", "en", "es")


def write(folder: Path, model: str, task: str, subset: str, ranks: np.ndarray, /, **changes: Any) -> None:
    """A rank table; a row of ranks for each question, an answer in each language of the pool."""
    pool = dict.fromkeys(LANGUAGES if task.endswith("Multilingual") else LANGUAGES[:1], 100)
    known = {"model": model, "revision": "1", "task": task, "split": "test", "subset": subset, "query_language": "de"}
    known |= {"pool": pool, "parallel": True, "dataset_revision": "7", "similarity": "cosine"}
    info = TableInfo(**{**known, **changes})
    ranks = np.sort(ranks, axis=1)
    width = np.full(len(ranks), ranks.shape[1])
    empty = list_column(np.array([], dtype=object), np.zeros(len(ranks), dtype=np.int64))
    columns = {
        "query_id": [f"q{number}" for number in range(len(ranks))],
        "relevant_id": list_column(np.array([f"p{n}" for n in range(ranks.size)]), width),
        "relevant_language": list_column(np.array([*info.pool] * len(ranks)), width),
        "relevant_grade": list_column(np.ones(ranks.size), width),
        "rank": list_column(ranks.ravel(), width),
        "top_id": empty, "top_language": empty, "top_score": empty,
    }  # fmt: skip
    write_rank_table(table_path(folder, model.replace("/", "__") + "/1", task, "test", subset), info, columns)
