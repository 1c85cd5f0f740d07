"""Distributions over single queries, against plain counting in the tables."""

from __future__ import annotations

import dataclasses
import shutil
from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mteb_hybrid.collections import miniqa_r
from mteb_hybrid.errors import RankTableError, ResultsError
from mteb_hybrid.rank_table import SCHEMA, RankTable, TableInfo, find_tables
from mteb_hybrid.reporting import read_pooled, read_results, summarise
from mteb_hybrid.reporting.pooled import PooledQueries, pooled_queries

LANGUAGES = miniqa_r().languages


@pytest.fixture(scope="module")
def rows(runs):
    """Query language to the rows of its table, of the baseline."""
    tables = (runs / "predictions").glob("mteb-hybrid__char-ngram/*/MiniQARMultilingual/*.parquet")
    read = [RankTable.read(path) for path in tables]
    return {table.info.query_language: table.rows.to_pylist() for table in read}


@pytest.fixture(scope="module")
def queries(runs):
    (found,) = (one for one in read_pooled([runs])[1] if one.model == "mteb-hybrid/char-ngram")
    return found


def test_rank_distances_are_those_of_the_tables(queries, rows):
    """Last relevant rank less first less what a perfect ranking has, query by query; every query language is there."""
    assert set(queries.excess_distance) == set(LANGUAGES)
    for language, values in queries.excess_distance.items():
        assert values.tolist() == [max(row["rank"]) - min(row["rank"]) - 10 for row in rows[language]]


def test_shares_of_the_first_ten(queries, rows):
    """Counted by hand; they add up to 1, also over query languages."""
    for language in ("de", "th"):
        counted = Counter(label for row in rows[language] for label in row["top_language"][:10])
        expected = {name: counted[name] / 10 / len(rows[language]) for name in LANGUAGES}
        assert queries.top[language] == pytest.approx(expected)
    assert sum(queries.top_share().values()) == pytest.approx(1)
    assert queries.top_share()["de"] == pytest.approx(np.mean([queries.top[one]["de"] for one in LANGUAGES]))
    assert queries.pool_share() == {one: queries.pool[one] / sum(queries.pool.values()) for one in LANGUAGES}


def test_shares_of_intervals():
    """By hand: query languages count alike, however many queries they have; both ends of an interval as documented."""
    queries = PooledQueries(
        "m",
        "r",
        "C",
        "1",
        "test",
        ("de", "en"),
        {"de": 50, "en": 50},
        {"de": np.array([1, 2, 10, 11]), "en": np.array([99])},
        {},
    )
    assert queries.distances_within([-1, 1, 10, 100]) == pytest.approx(
        [(1 / 4 + 0) / 2, (2 / 4 + 0) / 2, (1 / 4 + 1) / 2]
    )
    assert queries.top_share() == {}


def test_lists_that_are_short_or_empty(runs):
    """A list of three passages is divided by three; a query for which nothing was retrieved is left out."""
    path = next((runs / "predictions").glob("mteb-hybrid__char-ngram/*/MiniQARMultilingual/test.de.parquet"))
    table = RankTable.read(path)
    rows = table.rows.to_pylist()
    rows[0] |= {"top_language": ["de", "en", "de"]}
    for row in rows[1:]:
        row["top_language"] = []
    short = RankTable(table.info, pa.Table.from_pylist(rows, schema=table.rows.schema))
    found = pooled_queries([short])
    assert found.top["de"]["de"] == pytest.approx(2 / 3)
    assert sum(found.top["de"].values()) == pytest.approx(1)


def test_only_pooled_tasks_of_ours(runs):
    """Monolingual and cross-lingual tables have no languages to mix."""
    across, queries = read_pooled([runs])
    assert {one.task for one in across} == {"MiniQARMultilingual"}
    assert {(one.model, one.collection) for one in queries} == {
        ("mteb-hybrid/char-ngram", "MiniQAR"), ("test/<b>odd & $1_000$</b>", "MiniQAR"),
    }  # fmt: skip


def test_some_of_the_query_languages(runs, tmp_path):
    """Single queries are shown of what is there, other than scores that need all query languages."""
    (source,) = (runs / "predictions").glob("mteb-hybrid__char-ngram/*/MiniQARMultilingual")
    for language in ("de", "en"):
        shutil.copy(source / f"test.{language}.parquet", tmp_path)
    across, (queries,) = read_pooled([tmp_path])
    assert across == []
    assert set(queries.excess_distance) == set(queries.top) == set(queries.subsets) == {"de", "en"}


def test_tables_of_some_subsets_or_of_other_data_are_not_shown_with_results(runs, summaries, caplog):
    """A warning says so; scores that need all query languages are left out with them."""
    across, queries = read_pooled([runs])
    scores = [one for one in read_results(runs) if one.model == "mteb-hybrid/char-ngram"]
    (one,) = summarise(scores, across, queries)
    assert one.queries is not None
    assert one.across is not None
    other = [dataclasses.replace(row, data="of another day") for row in scores]
    (one,) = summarise(other, across, queries)
    assert (one.queries, one.across) == (None, None)
    assert "rank tables of other data than the results" in caplog.text
    part = [dataclasses.replace(found, subsets=("de", "en")) for found in queries]
    (one,) = summarise(scores, across, part)
    assert one.queries is None
    assert "rank tables of 2 of 11 pooled subsets" in caplog.text


def test_perfect_rankings_are_perfect_with_several_answers_in_a_language():
    """Two answers in each of two languages, the first four of the list: nothing beyond a perfect ranking."""
    info = TableInfo("m", "1", "OwnMultilingual", "test", "de", "de", {"de": 9, "en": 9}, True, "1", "cosine")
    row = {"query_id": "q", "relevant_id": list("abcd"), "relevant_language": ["de", "en"] * 2, "top_id": []}
    row |= {"relevant_grade": [1.0] * 4, "rank": [1, 2, 3, 4], "top_language": [], "top_score": []}
    table = RankTable(info, pa.Table.from_pylist([row], schema=SCHEMA))
    assert pooled_queries([table]).excess_distance["de"].tolist() == [0]


def test_folders_that_hold_each_other(runs):
    """A table is read once, whatever folders it is found through; a folder that is not there is an error."""
    once = find_tables([runs])
    assert len(once) == 2 * (11 + 30 + 11)
    assert find_tables([runs, runs / "predictions", runs]) == once
    with pytest.raises(ResultsError, match="gone is not a folder"):
        find_tables([runs / "gone"])


def test_other_parquet_files_are_no_rank_tables(tmp_path):
    """They may lie beside results; one that is damaged might be a table, and is not passed over in silence."""
    pq.write_table(pa.table({"a": [1]}), tmp_path / "corpus.parquet")
    assert find_tables([tmp_path]) == []
    (tmp_path / "test.de.parquet").write_bytes(b"PAR1 and no more")
    assert find_tables([tmp_path]) == [tmp_path / "test.de.parquet"]
    with pytest.raises(RankTableError, match=r"test\.de\.parquet cannot be read"):
        read_pooled([tmp_path])
