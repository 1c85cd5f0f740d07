"""Rank tables: written and read back, whole or not there."""

from __future__ import annotations

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from written_tables import COLUMNS, INFO, SHARED_PATH

from mteb_hybrid.errors import RankTableError
from mteb_hybrid.file_names import is_file_name
from mteb_hybrid.rank_table import SCHEMA, RankTable, TableInfo, table_path, write_rank_table

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)


@st.composite
def tables(draw):
    """Info and columns as a task writes them: lists of one length per query for relevant and for top passages."""
    pool = draw(st.dictionaries(TEXT, st.integers(1, 10**6), min_size=1, max_size=4))
    full = draw(st.booleans())
    info = TableInfo(
        **{name: draw(TEXT) for name in ("model", "revision", "query_language")},
        **{name: draw(TEXT.filter(is_file_name)) for name in ("task", "split", "subset")},
        pool=pool,
        parallel=draw(st.booleans()),
        dataset_revision=draw(TEXT),
        similarity=draw(st.sampled_from(["cosine", "dot", "model", "search"])),
        full_ranking=full,
        depth=None if full else draw(st.integers(1, 1000)),
    )
    language, known = st.sampled_from(sorted(pool)), st.integers(1, info.pool_size)
    rank = known if full else st.one_of(st.none(), known)
    pairs = st.lists(st.tuples(TEXT, language, st.floats(0.1, 10), rank), max_size=4)
    relevant = pairs.map(lambda found: list({one[3] or -number: one for number, one in enumerate(found, 1)}.values()))
    top = st.lists(st.tuples(TEXT, language, st.floats(allow_nan=False)), max_size=4)
    rows = draw(st.lists(st.tuples(TEXT, relevant, top), max_size=5, unique_by=lambda row: row[0]))
    columns = {"query_id": [row[0] for row in rows]}
    for place, name in enumerate(("relevant_id", "relevant_language", "relevant_grade", "rank")):
        columns[name] = [[item[place] for item in row[1]] for row in rows]
    for place, name in enumerate(("top_id", "top_language", "top_score")):
        columns[name] = [[item[place] for item in row[2]] for row in rows]
    return info, columns


class TestRoundTrip:
    @given(tables())
    @SHARED_PATH
    def test_everything_comes_back(self, tmp_path, table):
        """Info and all columns, in any script, with empty lists, null ranks and no rows at all, are read as written."""
        info, columns = table
        write_rank_table(tmp_path / "table.parquet", info, columns)
        read = RankTable.read(tmp_path / "table.parquet")
        assert read.info == info
        assert read.rows.to_pydict() == columns
        assert read.rows.schema.remove_metadata() == SCHEMA
        assert read.info.pool_size == sum(info.pool.values())

    @given(st.lists(st.dictionaries(st.integers(1, 50), st.sampled_from([1.0, 2.0, 3.5]), max_size=5), max_size=6))
    @SHARED_PATH
    def test_query_ranks(self, tmp_path, by_query):
        """The metrics get each query's ranks and grades, queries without relevant passages, and the pool's size."""
        columns = {
            "query_id": [f"q{number}" for number in range(len(by_query))],
            "relevant_id": [[f"p{rank}" for rank in ranks] for ranks in by_query],
            "relevant_language": [["en"] * len(ranks) for ranks in by_query],
            "relevant_grade": [list(ranks.values()) for ranks in by_query],
            "rank": [list(ranks) for ranks in by_query],
            **{name: [[] for _ in by_query] for name in ("top_id", "top_language", "top_score")},
        }
        write_rank_table(tmp_path / "table.parquet", INFO, columns)
        ranks = RankTable.read(tmp_path / "table.parquet").query_ranks()
        expected = [(query, *pair) for query, pairs in enumerate(by_query) for pair in sorted(pairs.items())]
        assert list(zip(ranks.query.tolist(), ranks.rank.tolist(), ranks.grade.tolist(), strict=True)) == expected
        assert (ranks.queries, ranks.pool_size) == (len(by_query), 50)

    def test_not_full(self, tmp_path):
        """Where a relevant passage was not retrieved its rank is null, and there are no ranks for the metrics."""
        path = tmp_path / "table.parquet"
        info = TableInfo(
            **{**{name: getattr(INFO, name) for name in INFO.__slots__}, "full_ranking": False, "depth": 10}
        )
        columns = {**COLUMNS, "rank": [[1, None], [], [7]]}
        write_rank_table(path, info, columns)
        read = RankTable.read(path)
        assert read.rows.column("rank").to_pylist() == [[1, None], [], [7]]
        assert (read.info.full_ranking, read.info.depth) == (False, 10)
        with pytest.raises(RankTableError, match=r"on Task en-pool is ranked to depth 10 only.*unknown: leave it out"):
            read.query_ranks()

    def test_many_row_groups(self, tmp_path):
        """A file of several row groups, as other writers leave them, gives the ranks of all of them."""
        path = tmp_path / "table.parquet"
        write_rank_table(path, INFO, COLUMNS)
        pq.write_table(pq.read_table(path), tmp_path / "groups.parquet", row_group_size=1)
        ranks = RankTable.read(tmp_path / "groups.parquet").query_ranks()
        assert (ranks.query.tolist(), ranks.rank.tolist()) == ([0, 0, 2], [1, 50, 7])

    @pytest.mark.parametrize("folder", ["language=en", "a:b", "100%25 ü", "a/deep/er"])
    def test_folders(self, tmp_path, folder):
        """Folders are made, and their names are taken literally (not as partitions, addresses or escapes)."""
        path = table_path(tmp_path / folder, "maker__model/abc", "Task", "test", "en-pool")
        assert path == tmp_path / folder / "maker__model" / "abc" / "Task" / "test.en-pool.parquet"
        write_rank_table(path, INFO, COLUMNS)
        assert RankTable.read(path).rows.to_pydict() == COLUMNS


def files(folder) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


class TestAtomicity:
    @pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt()], ids=["full disk", "interrupt"])
    @pytest.mark.parametrize("stage", ["write", "rename"])
    @pytest.mark.parametrize("existing", [False, True])
    def test_failure_leaves_no_file(self, tmp_path, monkeypatch, error, stage, existing):
        """Whatever stops the writing, half-way or before the rename: the old table or none is there, and no rest."""
        path = tmp_path / "folder" / "table.parquet"
        if existing:
            write_rank_table(path, INFO, COLUMNS)
        before = path.read_bytes() if existing else None

        def half(table, where, **options):
            where.write_bytes(b"PAR1 and half of the rest")
            raise error

        def stop(*arguments):
            raise error

        with monkeypatch.context() as patch:
            if stage == "write":
                patch.setattr(pq, "write_table", half)
            else:
                patch.setattr(type(path), "replace", stop)
            with pytest.raises(type(error)):
                write_rank_table(path, INFO, {**COLUMNS, "query_id": ["x", "y", "z"]})
        assert files(tmp_path) == (["folder/table.parquet"] if existing else [])
        if existing:
            assert path.read_bytes() == before

    @pytest.mark.parametrize(
        "columns",
        [
            {**COLUMNS, "query_id": ["q1"]},
            {**COLUMNS, "query_id": ["q1", None, "q3"]},
            {**COLUMNS, "rank": [["first"], [], [7]]},
            {name: values for name, values in COLUMNS.items() if name != "rank"},
        ],
        ids=["unequal lengths", "no query id", "rank in words", "no ranks"],
    )
    def test_columns_that_do_not_fit(self, tmp_path, columns):
        """Columns that do not make a table are an error, and leave no file."""
        with pytest.raises((ValueError, KeyError)):
            write_rank_table(tmp_path / "table.parquet", INFO, columns)
        assert files(tmp_path) == []

    def test_replaced_as_a_whole(self, tmp_path):
        """A second table of the same name takes the place of the first, and is readable as other new files are."""
        path = tmp_path / "table.parquet"
        write_rank_table(path, INFO, COLUMNS)
        write_rank_table(path, INFO, {name: values[:1] for name, values in COLUMNS.items()})
        assert RankTable.read(path).query_ranks().rank.tolist() == [1, 50]
        (tmp_path / "plain").write_bytes(b"")
        assert path.stat().st_mode == (tmp_path / "plain").stat().st_mode
        assert files(tmp_path) == ["plain", "table.parquet"]
        assert np.isclose(RankTable.read(path).rows.column("top_score")[0].as_py(), [0.5, 0.25]).all()
