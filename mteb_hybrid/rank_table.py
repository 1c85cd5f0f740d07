"""Rank tables: one Parquet file per model, revision, task and subset with what later analyses read.

Every row is a query; see `SCHEMA`. What holds for the whole table (pool sizes, model, versions) stands in the file's
metadata. Files are written whole or not at all.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mteb_hybrid import __version__
from mteb_hybrid.atomic import atomic_path
from mteb_hybrid.errors import RankTableError, ResultsError
from mteb_hybrid.metrics import QueryRanks
from mteb_hybrid.parsing import parse_json, shown
from mteb_hybrid.rank_table_checks import check_info, check_rows

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from numpy.typing import NDArray

FORMAT = 2
AGAIN = "run the task again with the same --prediction-folder, which writes it anew"
"""What to do about a table that cannot be used: a run ranks again what has no readable table of its data."""
_KEY = b"mteb_hybrid"

SCHEMA = pa.schema(
    [
        pa.field("query_id", pa.string(), nullable=False),
        pa.field("relevant_id", pa.list_(pa.string())),
        pa.field("relevant_language", pa.list_(pa.string())),
        pa.field("relevant_grade", pa.list_(pa.float64())),
        pa.field("rank", pa.list_(pa.int64())),  # null: not retrieved, where `full_ranking` is false
        pa.field("top_id", pa.list_(pa.string())),  # at most `list_depth` passages, best first
        pa.field("top_language", pa.list_(pa.string())),
        pa.field("top_score", pa.list_(pa.float64())),
    ]
)


@dataclass(frozen=True, slots=True)
class TableInfo:
    """What holds for a whole rank table.

    Attributes:
        model: The model's name in MTEB.
        revision: The model's revision.
        task: Name of the task.
        split: Name of the split.
        subset: Name of the subset.
        query_language: Two-letter code.
        pool: Number of passages per language of the pool.
        parallel: Whether the relevant passages of a question are translations of each other.
        dataset_revision: Revision of the collection.
        similarity: ``cosine``, ``dot`` or ``model`` (the model's own), ``search`` for lists from MTEB's search, or
            ``faiss`` for lists from its FAISS backend, whose ranks are approximate.
        full_ranking: Whether every relevant passage was ranked, exactly; if not, ``depth`` passages per query were.
        depth: Length of the lists, where the ranking is not full.
        experiment: MTEB's name for a variant of the model (another output precision, say); empty for the model itself.
        list_depth: How many of the best passages of each query were kept: 100 for pooled subsets and where passages are
            unjudged, elsewhere none, unless ``MTEB_HYBRID_LIST_DEPTH`` asked for more. 0 in tables that do not say it.
        version: Version of this package.
    """

    model: str
    revision: str
    task: str
    split: str
    subset: str
    query_language: str
    pool: dict[str, int]
    parallel: bool
    dataset_revision: str
    similarity: str
    full_ranking: bool = True
    depth: int | None = None
    experiment: str = ""
    list_depth: int = 0
    version: str = field(default=__version__)

    @property
    def variant(self) -> str:
        """The model's name, and the experiment in brackets if it is one."""
        return f"{self.model} ({self.experiment})" if self.experiment else self.model

    @property
    def pool_size(self) -> int:
        """Number of passages of the pool."""
        return sum(self.pool.values())


def table_path(folder: Path, model_folder: str, task: str, split: str, subset: str) -> Path:
    """Where a table lies below the prediction folder: ``<model>/<revision>/<task>/<split>.<subset>.parquet``."""
    return folder / model_folder / task / f"{split}.{subset}.parquet"


def find_tables(folders: Iterable[Path]) -> list[Path]:
    """All rank tables in some folders and below them, each once, in the order of the folders; no other Parquet files.

    Raises:
        ResultsError: A folder does not exist.
    """
    found: dict[Path, Path] = {}
    for folder in folders:
        if not folder.is_dir():
            raise ResultsError(f"{folder} is not a folder; give the --prediction-folder of `mteb run`")
        for path in sorted(folder.rglob("*.parquet")):
            found.setdefault(path.resolve(), path)  # folders may hold each other
    return [path for path in found.values() if not _is_foreign(path)]


def _is_foreign(path: Path) -> bool:
    """Whether a file is Parquet, and no rank table; a damaged file may be one."""
    try:
        return _KEY not in (pq.read_schema(path).metadata or {})
    except (OSError, ValueError, pa.ArrowException):
        return False


def list_column(values: NDArray[Any], per_row: NDArray[np.int64], null: NDArray[np.bool_] | None = None) -> pa.Array:
    """A column of lists from its values in a row.

    Args:
        values: Shape (sum of per_row,): the lists' values, one list after the other.
        per_row: int64, shape (rows,): the lists' lengths.
        null: bool, shape (sum of per_row,): values that are unknown, if any.
    """
    offsets = np.concatenate([[0], np.cumsum(per_row)]).astype(np.int32)
    return pa.ListArray.from_arrays(offsets, pa.array(values, mask=null))


def write_rank_table(path: Path, info: TableInfo, columns: dict[str, Any]) -> None:
    """Write one table; columns as in `SCHEMA`, the relevant passages of a query best first.

    Raises:
        KeyError: A column is missing.
        ValueError: Columns of unequal lengths or other types, or a row that lacks what every row has.
    """
    schema = SCHEMA.with_metadata({_KEY: json.dumps({"format": FORMAT, **asdict(info)}).encode()})
    table = pa.table([pa.array(columns[field.name]).cast(field.type) for field in schema], schema=schema)
    lacking = [field.name for field in schema if not field.nullable and table.column(field.name).null_count]
    if lacking:  # older versions of Arrow would write it
        raise ValueError(f"rows without {', '.join(lacking)}")
    with atomic_path(path) as temporary:
        pq.write_table(table, temporary, compression="zstd", write_page_checksum=True)


def read_info(path: Path) -> TableInfo:
    """What holds for a whole table, without reading its rows.

    Raises:
        RankTableError: As `RankTable.read`, as far as that can be told.
    """
    try:
        metadata = pq.read_schema(path).metadata
    except (OSError, ValueError, pa.ArrowException) as error:
        raise RankTableError(f"{path} cannot be read as Parquet: {error}; {AGAIN}") from error
    return _info(path, metadata)


def _info(path: Path, metadata: dict[bytes, bytes] | None) -> TableInfo:
    foreign = f"{path} is not a rank table of mteb-hybrid"
    try:
        content = parse_json((metadata or {})[_KEY])
        version = content.pop("format")
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise RankTableError(f"{foreign}; {AGAIN}") from error
    if version != FORMAT:
        raise RankTableError(
            f"{path} has format {shown(version)}, this mteb-hybrid reads {FORMAT}: update it, or {AGAIN}"
        )
    try:
        info = TableInfo(**content)
        check_info(content)
    except (TypeError, ValueError) as error:
        raise RankTableError(f"{foreign}: {error}; {AGAIN}") from error
    return info


@dataclass(frozen=True, slots=True)
class RankTable:
    """A rank table that was read back.

    Attributes:
        info: What holds for the whole table.
        rows: The columns of `SCHEMA`.
    """

    info: TableInfo
    rows: pa.Table

    @classmethod
    def read(cls, path: Path) -> RankTable:
        """Read one table.

        Raises:
            RankTableError: No such file, not a rank table, one of another format, or one whose rows do not fit each
                other or its pool.
        """
        if not path.is_file():
            raise RankTableError(f"{path} is not a file; `mteb run --prediction-folder` writes rank tables")
        try:
            with pq.ParquetFile(path, page_checksum_verification=True) as file:
                # a file says it twice; this is where `read_info` looks
                metadata = file.schema.to_arrow_schema().metadata
                rows = file.read()
        except (OSError, ValueError, pa.ArrowException) as error:
            raise RankTableError(f"{path} cannot be read as Parquet, or was altered: {error}; {AGAIN}") from error
        info = _info(path, metadata)
        if not rows.schema.equals(SCHEMA):
            raise RankTableError(f"{path} has other columns than a rank table; {AGAIN}")
        try:
            check_rows(rows, info.pool, info.pool_size, full=info.full_ranking)
        except ValueError as error:  # Arrow's of values that are none are such too
            raise RankTableError(f"{path} is damaged, or was not made by mteb-hybrid: {error}; {AGAIN}") from error
        return cls(info, rows)

    def query_ranks(self) -> QueryRanks:
        """The ranks as input of the metrics; languages as positions in ``info.pool``.

        Raises:
            RankTableError: The ranking is not full, so that some ranks are unknown.
        """
        ranks = self.rows.column("rank").combine_chunks()
        lengths = np.asarray(ranks.value_lengths().fill_null(0))
        flat = ranks.flatten()
        if flat.null_count:
            cure = "run it without FAISS, or leave it out" if self.info.similarity == "faiss" else "leave it out"
            raise RankTableError(
                f"{self.info.variant} on {self.info.task} {self.info.subset} is ranked to depth {self.info.depth} "
                f"only, and the ranks beyond are unknown: {cure}"
            )
        position = {language: number for number, language in enumerate(self.info.pool)}
        languages = self.rows.column("relevant_language").combine_chunks().flatten().to_pylist()
        return QueryRanks.from_pairs(
            np.repeat(np.arange(len(lengths)), lengths),
            np.asarray(flat, dtype=np.int64),
            queries=len(lengths),
            pool_size=self.info.pool_size,
            grade=np.asarray(self.rows.column("relevant_grade").combine_chunks().flatten()),
            language=np.array([position[language] for language in languages], dtype=np.int64),
        )
