"""Results in a compact form, for the repository, and back to what ``mteb-hybrid compare`` and ``report`` read.

    python study/keep.py pack --work FOLDER        # FOLDER/results/ARM to study/results/ARM.tar.xz
    python study/keep.py unpack --work FOLDER      # and back; lists of top passages are not kept

An arm's archive holds MTEB's JSON files as they are, and of its rank tables the ranks, float scores and lists left out.
Ids of questions and relevant passages are the same for all arms: they stand once in ``judgments-TASK.parquet``, and the
paragraph of every question in ``paragraphs.parquet``. What study/choose.py measured is kept as it is.
"""

from __future__ import annotations

import argparse
import io
import json
import lzma
import shutil
import sys
import tarfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from folders import whole_folder
from plan import arms
from slices import COLLECTIONS, paragraph_of

from mteb_hybrid.atomic import atomic_path
from mteb_hybrid.rank_table import RankTable, TableInfo, find_tables, list_column, write_rank_table

if TYPE_CHECKING:
    from collections.abc import Iterable

KEPT = Path(__file__).with_name("results")
SHARED = ("query_id", "relevant_id", "relevant_language", "relevant_grade")
RANKS, TABLES, PARAGRAPHS = "ranks.npy", "tables.json", "paragraphs.parquet"


def pack(arm: Path, kept: Path) -> Path:
    """Write an arm's archive, and the judgments of its tasks if they are not there.

    Raises:
        ValueError: The arm's questions are not those of the judgments that are there.
    """
    tables = [RankTable.read(path) for path in find_tables([arm / "predictions"])]
    names = [str(path.relative_to(arm)) for path in find_tables([arm / "predictions"])]
    sets = {task: judgments(table for table in tables if table.info.task == task) for task in _tasks(tables)}
    for task, found in sets.items():
        path = kept / f"judgments-{task}.parquet"
        if not path.is_file():
            with atomic_path(path) as temporary:
                pq.write_table(found, temporary, compression="zstd", compression_level=19)
        elif not pq.read_table(path).equals(found):
            raise ValueError(f"{arm}: {task} has other questions or judgments than {path}")
    ranks = np.concatenate([_ranks(table) for table in tables])
    listed = [{"path": name, **asdict(table.info), "list_depth": 0} for name, table in zip(names, tables, strict=True)]
    files = {RANKS: _bytes(ranks), TABLES: json.dumps(listed).encode()}
    for path in sorted([*arm.rglob("*.json"), *arm.rglob("*.jsonl"), *arm.glob("done")]):
        files[str(path.relative_to(arm))] = path.read_bytes()
    target = kept / f"{arm.name}.tar.xz"
    with (
        atomic_path(target) as temporary,
        lzma.open(temporary, "wb", preset=9) as stream,
        tarfile.open(fileobj=stream, mode="w") as archive,
    ):
        for name, content in files.items():
            entry = tarfile.TarInfo(name)  # without times and owners: the same results are the same bytes
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return target


def unpack(archive: Path, folder: Path) -> None:
    """Write an arm's JSON files and rank tables, without top passages, below a new folder.

    Raises:
        ValueError: A file of the archive would lie elsewhere.
    """
    with tarfile.open(archive) as opened:
        files = {entry.name: opened.extractfile(entry).read() for entry in opened}  # type: ignore[union-attr]
    ranks, used = np.load(io.BytesIO(files.pop(RANKS))), 0
    tables: list[dict[str, Any]] = json.loads(files.pop(TABLES))
    shared = {
        task: pq.read_table(archive.with_name(f"judgments-{task}.parquet")) for task in {one["task"] for one in tables}
    }
    with whole_folder(folder) as temporary:
        for name, content in files.items():
            path = _inside(temporary, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        for one in tables:
            path, info = _inside(temporary, one.pop("path")), TableInfo(**one)
            judged = shared[info.task].filter(pa.compute.equal(shared[info.task]["subset"], info.subset))
            count = len(judged["relevant_id"].combine_chunks().flatten())
            write_rank_table(path, info, _columns(judged, ranks[used : used + count]))
            used += count


def _inside(folder: Path, name: str) -> Path:
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        raise ValueError(f"{name!r} leads out of the folder that is unpacked into")
    return path


def write_paragraphs(kept: Path) -> None:
    """Write which paragraph every question of both collections is about, numbered over both."""
    texts: dict[str, int] = {}
    rows = [
        {"question": question, "paragraph": texts.setdefault(text, len(texts))}
        for collection in COLLECTIONS.values()
        for question, text in paragraph_of(collection().load("en")).items()
    ]
    with atomic_path(kept / PARAGRAPHS) as temporary:
        pq.write_table(pa.Table.from_pylist(rows), temporary, compression="zstd", compression_level=19)


def paragraph_numbers(kept: Path = KEPT) -> dict[str, int]:
    """Number of the paragraph of every question of both collections."""
    columns = pq.read_table(kept / PARAGRAPHS).to_pydict()
    return dict(zip(columns["question"], columns["paragraph"], strict=True))


def unpack_all(kept: Path, results: Path) -> None:
    """Unpack every archive; arms that are there stay as they are."""
    for archive in sorted(kept.glob("*.tar.xz")):
        arm = results / archive.name.removesuffix(".tar.xz")
        if not arm.exists():
            unpack(archive, arm)


def judgments(tables: Iterable[RankTable]) -> pa.Table:
    """Questions and relevant passages of all subsets of a task, the passages by language and id."""
    rows = [
        {"subset": table.info.subset, "query_id": row["query_id"]}
        | dict(zip(SHARED[1:], map(list, zip(*_sorted(row), strict=True)), strict=False))
        for table in tables
        for row in table.rows.select([*SHARED, "rank"]).to_pylist()
    ]
    return pa.Table.from_pylist([{name: row[name] for name in ("subset", *SHARED)} for row in rows])


def _sorted(row: dict[str, Any]) -> list[tuple[str, str, float, int]]:
    """A question's relevant passages with their ranks, by language and id instead of rank."""
    found = zip(row["relevant_id"], row["relevant_language"], row["relevant_grade"], row["rank"], strict=True)
    return sorted(found, key=lambda one: (one[1], one[0]))


def _ranks(table: RankTable) -> np.ndarray:
    """Ranks of a table in the order of `judgments`, uint16 or wider."""
    rows = table.rows.select([*SHARED, "rank"]).to_pylist()
    ranks = np.array([rank for row in rows for *_, rank in _sorted(row)], dtype=np.int64)
    return ranks.astype(np.min_scalar_type(int(ranks.max())))


def _columns(judged: pa.Table, ranks: np.ndarray) -> dict[str, Any]:
    """Columns of a rank table, relevant passages by rank."""
    lists = {name: judged[name].combine_chunks() for name in SHARED[1:]}
    per_row = lists["relevant_id"].value_lengths().to_numpy()
    by_rank = np.lexsort((ranks, np.repeat(np.arange(len(per_row)), per_row)))
    empty = list_column(np.empty(0, dtype=object), np.zeros_like(per_row))
    return {
        "query_id": judged["query_id"].combine_chunks(),
        **{
            name: list_column(values.flatten().to_numpy(zero_copy_only=False)[by_rank], per_row)
            for name, values in lists.items()
        },
        "rank": list_column(ranks[by_rank], per_row),
        **dict.fromkeys(("top_id", "top_language", "top_score"), empty),
    }


def _tasks(tables: Iterable[RankTable]) -> list[str]:
    return sorted({table.info.task for table in tables})


def _bytes(ranks: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, ranks)
    return stream.getvalue()


def main() -> None:
    """Pack or unpack all arms that are finished."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("pack", "unpack"))
    parser.add_argument("--work", type=Path, required=True, help="the driver's folder")
    options = parser.parse_args()
    results = options.work / "results"
    if options.what == "pack":
        for arm in arms():
            if (results / arm.id / "done").is_file():
                print(pack(results / arm.id, KEPT), file=sys.stderr)
        write_paragraphs(KEPT)
        for table in sorted((options.work / "choice").glob("*.csv")):
            shutil.copy(table, KEPT / f"choice_{table.name}")
        return
    unpack_all(KEPT, results)


if __name__ == "__main__":
    main()
