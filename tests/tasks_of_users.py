"""What the tests of users' own tasks share."""

from __future__ import annotations

from typing import Any

import mteb
import pytest

from mteb_hybrid.task_names import parse_task


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MTEB_HYBRID_CACHE", str(tmp_path / "cache"))


def scores(model: Any, tasks: Any, **options: Any) -> dict[str, dict[str, dict[str, Any]]]:
    """Scores by setting and subset."""
    result = mteb.evaluate(model, tasks, **{"cache": None, "show_progress_bar": False, **options})
    return {
        parse_task(one.task_name)[1]: {row["hf_subset"]: row for row in rows}
        for one in result.task_results
        for rows in one.scores.values()
    }
