"""Rank tables that are damaged, foreign or made by hand are refused."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from written_tables import COLUMNS, INFO, SHARED_PATH

from mteb_hybrid.errors import RankTableError
from mteb_hybrid.rank_table import SCHEMA, RankTable, read_info, write_rank_table


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
