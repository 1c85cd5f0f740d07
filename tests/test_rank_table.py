"""Rank tables: written and read back, refused when damaged, whole or not there."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mteb_hybrid.errors import RankTableError
from mteb_hybrid.file_names import is_file_name
from mteb_hybrid.rank_table import SCHEMA, RankTable, TableInfo, read_info, table_path, write_rank_table

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


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> bytes:
    path = tmp_path_factory.mktemp("written") / "table.parquet"
    write_rank_table(path, INFO, COLUMNS)
    return path.read_bytes()


def footer_start(content: bytes) -> int:
    return len(content) - 8 - int.from_bytes(content[-8:-4], "little")


class TestDamage:
    def test_missing(self, tmp_path):
        """A file that is not there is named."""
        with pytest.raises(RankTableError, match=r"none\.parquet"):
            RankTable.read(tmp_path / "none.parquet")

    def test_folder(self, tmp_path):
        """A folder in place of the file is refused, an empty one and one with rank tables."""
        with pytest.raises(RankTableError):
            RankTable.read(tmp_path)
        write_rank_table(tmp_path / "table.parquet", INFO, COLUMNS)
        with pytest.raises(RankTableError):
            RankTable.read(tmp_path)

    @pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1PAR1", b"query_id,rank\n1,2\n", b"\0" * 1000])
    def test_not_parquet(self, tmp_path, content):
        """Files of other kinds are refused by name."""
        (tmp_path / "other.parquet").write_bytes(content)
        with pytest.raises(RankTableError, match=r"other\.parquet"):
            RankTable.read(tmp_path / "other.parquet")

    @given(share=st.floats(0, 1, exclude_max=True))
    @SHARED_PATH
    def test_cut_off(self, tmp_path, written, share):
        """A file that was cut off anywhere is refused."""
        (tmp_path / "cut.parquet").write_bytes(written[: int(share * len(written))])
        with pytest.raises(RankTableError, match=r"cut\.parquet"):
            RankTable.read(tmp_path / "cut.parquet")

    def test_flipped_bits_in_the_footer(self, tmp_path, written):
        """Of a file with a flipped bit in its description nothing comes but a table or `RankTableError`."""
        path, escaped = tmp_path / "flipped.parquet", []
        for position in range(footer_start(written), len(written), 3):
            path.write_bytes(written[:position] + bytes([written[position] ^ 1]) + written[position + 1 :])
            try:
                RankTable.read(path)
            except RankTableError:
                continue
            except Exception as error:  # noqa: BLE001
                escaped.append((position, f"{type(error).__name__}: {error}"))
        assert not escaped, (len(escaped), escaped[:3])

    def test_flipped_bits_in_the_data(self, tmp_path, written):
        """A flipped bit in the data does not change ranks or ids silently."""
        path, changed = tmp_path / "flipped.parquet", []
        for position in range(footer_start(written)):
            path.write_bytes(written[:position] + bytes([written[position] ^ 1]) + written[position + 1 :])
            try:
                read = RankTable.read(path).rows
            except RankTableError:
                continue
            try:
                if read.to_pydict() != COLUMNS:
                    changed.append(position)
            except UnicodeDecodeError:
                changed.append(position)
        assert not changed, (len(changed), changed[:10])

    @pytest.mark.parametrize(
        "metadata",
        [
            None,
            {},
            {"pandas": "{}"},
            {"mteb_hybrid": ""},
            {"mteb_hybrid": "not json"},
            {"mteb_hybrid": "[]"},
            {"mteb_hybrid": "3"},
            {"mteb_hybrid": "{}"},
            {"mteb_hybrid": '{"format": 2}'},
            {"mteb_hybrid": '{"format": 2, "model": "m"}'},
        ],
    )
    def test_foreign(self, tmp_path, metadata):
        """Parquet files of others are refused by name, whatever stands in their metadata."""
        path = tmp_path / "foreign.parquet"
        pq.write_table(pa.table(COLUMNS, schema=SCHEMA).replace_schema_metadata(metadata), path)
        with pytest.raises(RankTableError, match=r"foreign\.parquet"):
            RankTable.read(path)

    def test_foreign_columns(self, tmp_path):
        """A file with our metadata but other columns is refused by name when it is read."""
        path = tmp_path / "columns.parquet"
        write_rank_table(path, INFO, COLUMNS)
        metadata = pq.read_schema(path).metadata
        pq.write_table(pa.table({"query_id": ["q"]}).replace_schema_metadata(metadata), path)
        with pytest.raises(RankTableError, match=r"columns\.parquet"):
            RankTable.read(path)

    @pytest.mark.parametrize(
        ("column", "values", "message"),
        [
            ("query_id", ["q1", "q2", "q1"], "a query_id comes twice"),
            ("rank", [[1, 51], [], [7]], r"ranks must lie in \[1, 50\], not in \[1, 51\]"),
            ("rank", [[0, 50], [], [7]], r"ranks must lie in \[1, 50\], not in \[0, 50\]"),
            ("rank", [[7, 7], [], [7]], "two relevant passages of a query have one rank"),
            ("rank", [[1, None], [], [7]], "a rank is missing, where the ranking is full"),
            ("rank", [[1], [], [7]], "rank has lists of other lengths"),
            ("rank", [[1, 50], None, [7]], "rank has a null"),
            ("relevant_id", [["a", None], [], ["c"]], "relevant_id has a null"),
            ("relevant_language", [["en", "fr"], [], ["en"]], "relevant_language has a language that is none of"),
            ("relevant_grade", [[1.0, 0.0], [], [1.0]], "relevant_grade must be positive and finite"),
            ("relevant_grade", [[1.0, float("inf")], [], [1.0]], "relevant_grade must be positive and finite"),
            ("relevant_grade", [[1.0, float("nan")], [], [1.0]], "relevant_grade must be positive and finite"),
            ("top_language", [["en", "xx"], ["de", "de"], ["en", "en"]], "top_language has a language that is none"),
            ("top_id", [["a"], ["x", "y"], ["z", "c"]], "top_language has lists of other lengths"),
            ("top_score", [[0.5, None], [0.5, 0.125], [1.0, -1.0]], "top_score has a null"),
        ],
    )
    def test_rows_that_do_not_fit(self, tmp_path, column, values, message):
        """Rows that contradict each other or the pool are refused with what is wrong: no score is taken of them."""
        path = tmp_path / "odd.parquet"
        write_rank_table(path, INFO, {**COLUMNS, column: values})
        with pytest.raises(
            RankTableError, match=rf"odd\.parquet is damaged, or was not made by mteb-hybrid: {message}"
        ):
            RankTable.read(path)

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"pool": {}}, r"pool is \{\}, no numbers of passages by language"),
            ({"pool": {"en": -1}}, "pool is .*, no numbers"),
            ({"pool": {"en": True}}, "pool is .*, no numbers"),
            ({"pool": ["en"]}, "pool is .*, no numbers"),
            ({"model": 5}, "model is 5, no text"),
            ({"parallel": 1}, "parallel is 1, neither true nor false"),
            ({"depth": "10"}, "depth is '10'"),
            ({"list_depth": None}, "list_depth None"),
            ({"subset": "../x"}, "subset is '../x', which cannot name a file"),
            ({"novelty": 1}, "unexpected keyword argument 'novelty'"),
        ],
    )
    def test_info_that_does_not_fit(self, tmp_path, changes, message):
        """What holds for the table is refused with what is wrong, also where no rows are read."""
        path = tmp_path / "odd.parquet"
        write_rank_table(path, INFO, COLUMNS)
        known = json.loads(pq.read_schema(path).metadata[b"mteb_hybrid"])
        metadata = {"mteb_hybrid": json.dumps({**known, **changes})}
        pq.write_table(pa.table(COLUMNS, schema=SCHEMA.with_metadata(metadata)), path)
        for read in (RankTable.read, read_info):
            with pytest.raises(RankTableError, match=rf"odd\.parquet is not a rank table of mteb-hybrid: .*{message}"):
                read(path)

    def test_newer_format(self, tmp_path):
        """A table of another format says so, whatever else it may hold."""
        path = tmp_path / "newer.parquet"
        metadata = {"mteb_hybrid": json.dumps({"format": 3, "novelty": 1})}
        pq.write_table(pa.table(COLUMNS, schema=SCHEMA.with_metadata(metadata)), path)
        with pytest.raises(RankTableError, match=r"newer\.parquet has format 3, this mteb-hybrid reads 2: update it"):
            RankTable.read(path)


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
