"""A rank table of three questions, for tests."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

from mteb_hybrid.rank_table import TableInfo

INFO = TableInfo(
    model="maker/model",
    revision="abc",
    task="Task",
    split="test",
    subset="en-pool",
    query_language="en",
    pool={"en": 30, "de": 20},
    parallel=True,
    dataset_revision="1",
    similarity="cosine",
)
COLUMNS = {
    "query_id": ["q1", "q2", "q3"],
    "relevant_id": [["a", "b"], [], ["c"]],
    "relevant_language": [["en", "de"], [], ["en"]],
    "relevant_grade": [[1.0, 2.0], [], [1.0]],
    "rank": [[1, 50], [], [7]],
    "top_id": [["a", "x"], ["x", "y"], ["z", "c"]],
    "top_language": [["en", "de"], ["de", "de"], ["en", "en"]],
    "top_score": [[0.5, 0.25], [0.5, 0.125], [1.0, -1.0]],
}
SHARED_PATH = settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
