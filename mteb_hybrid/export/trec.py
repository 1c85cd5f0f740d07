"""Runs of models in the layout of trec_eval, from the lists in their rank tables."""

from __future__ import annotations

import logging
import re
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mteb_hybrid.atomic import atomic_path
from mteb_hybrid.errors import RankTableError, ResultsError
from mteb_hybrid.export.rows import is_trec_id
from mteb_hybrid.parsing import shown
from mteb_hybrid.rank_table import AGAIN, find_tables, read_info
from mteb_hybrid.rank_table_checks import check_lists

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from mteb_hybrid.rank_table import TableInfo

logger = logging.getLogger(__name__)

_AT_ONCE = 256  # queries
_LISTS = ("query_id", "top_id", "top_score")
_WHY_NO_LISTS = (
    "by itself `mteb run` keeps each query's best passages only where languages are pooled (Multilingual tasks) and "
    "for MIRACL; run again with MTEB_HYBRID_LIST_DEPTH=1000 and the same prediction folder to have 1,000 of them"
)


def export_runs(
    predictions: Iterable[Path],
    task_name: str,
    folder: Path,
    subsets: Iterable[str] | None = None,
    dataset_revision: str | None = None,
) -> list[Path]:
    """Write the lists of all models that have rank tables of a task, as files of trec_eval.

    They are named ``<subset>/runs/<split>/<model>@<revision>.trec``, with ``@<experiment>`` where MTEB files a variant
    of the model. A line is ``query_id Q0 passage_id rank score tag``; the tag is the name of the file. A list is as
    deep as the table has it, so scores at a larger k come out lower than ours. For the scores see `run_scores`.

    Args:
        predictions: Prediction folders of `mteb run`, or folders above them.
        task_name: Name of the task.
        folder: Where `mteb_hybrid.export.export_beir` writes the task.
        subsets: Which. Default: all that there are tables of.
        dataset_revision: The revision of the data that tables have to be of. Default: any.

    Returns:
        The files, in the order of the tables.

    Raises:
        ResultsError: As `find_runs`, before anything is written; an id has white space, which separates the fields of a
            line.
        RankTableError: A table is damaged.
    """
    return write_runs(find_runs(predictions, task_name, subsets, dataset_revision), folder)


def find_runs(
    predictions: Iterable[Path],
    task_name: str,
    subsets: Iterable[str] | None = None,
    dataset_revision: str | None = None,
) -> dict[Path, Path]:
    """The runs that `export_runs` with these arguments writes. Tables without lists give none, with a warning.

    Returns:
        The runs' files, relative to the folder of the task, and the tables that they are made of.

    Raises:
        ResultsError: There is no table of a subset, or two of one; a table is of other data; no table has lists.
        RankTableError: A table is damaged.
    """
    tables = [(path, read_info(path)) for path in find_tables(predictions) if path.parent.name == task_name]
    wanted = dict.fromkeys(info.subset for _, info in tables) if subsets is None else dict.fromkeys(subsets)
    missing = [one for one in wanted if one not in {info.subset for _, info in tables}]
    if missing or not wanted:
        raise ResultsError(
            f"there is no rank table of {' '.join([task_name, ', '.join(missing)]).strip()} in the prediction folders; "
            "make them with `mteb run --prediction-folder`"
        )
    runs: dict[Path, Path] = {}
    without: dict[Path, str] = {}
    for path, info in tables:
        if info.subset not in wanted:
            continue
        if dataset_revision not in (None, info.dataset_revision):
            raise ResultsError(
                f"{path} is of the data {info.dataset_revision}, the task is of {dataset_revision}: {AGAIN}"
            )
        run = Path(info.subset, "runs", info.split, f"{_name(info)}.trec")
        if run in runs:
            raise ResultsError(
                f"{runs[run]} and {path} are two tables of one model and subset; name the folder of one run"
            )
        runs[run] = path
        if not any(ids for _, ids, _ in _lists(path)):  # where there are lists, the first rows tell
            without[run] = f"{info.variant} {info.revision}"
    if len(without) == len(runs):
        raise ResultsError(f"no rank table of {task_name} has lists of passages to make runs of: {_WHY_NO_LISTS}")
    for model in dict.fromkeys(without.values()):
        names = ", ".join(dict.fromkeys(run.parts[0] for run, one in without.items() if one == model))
        logger.warning("no runs of %s on %s %s, whose tables have no lists: %s", model, task_name, names, _WHY_NO_LISTS)
    return {run: path for run, path in runs.items() if run not in without}


def write_runs(runs: Mapping[Path, Path], folder: Path) -> list[Path]:
    """Write what `find_runs` has found below the folder of the task.

    Raises:
        ResultsError: An id has white space, which separates the fields of a line.
        RankTableError: A table is damaged.
    """
    return [_write_run(path, folder / run) for run, path in runs.items()]


def _name(info: TableInfo) -> str:
    """Model, revision and experiment as one word that a file can have for its name."""
    parts = [info.model.replace("/", "__"), info.revision, info.experiment]
    return "@".join(re.sub(r"[^\w.+=-]", "_", part) for part in parts if part)


def _write_run(path: Path, target: Path) -> Path:
    try:
        with atomic_path(target) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as stream:
            stream.writelines(_run_lines(path, target.stem))
    except OSError as error:
        raise ResultsError(f"{target} cannot be written: {error}; name another folder") from error
    return target


def _run_lines(path: Path, tag: str) -> Iterator[str]:
    """The lines of a run, from a rank table."""
    for query, ids, scores in _lists(path):
        odd = next((one for one in (query, *ids) if not is_trec_id(one)), None)
        if odd is not None:
            raise ResultsError(
                f"{path}: the id {shown(odd)} has white space, which separates the fields of a run: leave out its table"
            )
        written = run_scores(ids, np.array(scores, dtype=np.float64)).tolist()
        for rank, (one, score) in enumerate(zip(ids, written, strict=True), start=1):
            yield f"{query} Q0 {one} {rank} {score:.9g} {tag}\n"  # 9 digits are enough for any float32


def _lists(path: Path) -> Iterator[tuple[str, list[str], list[float]]]:
    """Query, passages and scores of each row of a rank table, read some at a time."""
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            for batch in file.iter_batches(_AT_ONCE, columns=list(_LISTS)):
                batch.validate(full=True)
                check_lists(batch, ("top_id", "top_score"))
                yield from zip(*(batch.column(name).to_pylist() for name in _LISTS), strict=True)
    except (OSError, pa.ArrowException, ValueError, KeyError) as error:
        raise RankTableError(f"{path} cannot be read as Parquet, or was altered: {error}; {AGAIN}") from error


def run_scores(ids: Sequence[str], scores: NDArray[np.float64]) -> NDArray[np.float32]:
    """Scores from which trec_eval makes the order that a list has.

    trec_eval holds scores as float32 and orders equal ones by id, descending. So a score is rounded to float32; where
    the list's order would be lost by that, it is the next smaller float32 after the score before it. Passages stay
    equal only where they were so before and stand in the order of their ids. Scores outside of the range of float32
    become its ends, and no score moves by more steps than the list has passages.

    Args:
        ids: Ids of the passages, best first.
        scores: float64, shape (passages,), not increasing.

    Returns:
        float32, shape (passages,), finite and not increasing.
    """
    if not len(ids):
        return np.empty(0, dtype=np.float32)
    with np.errstate(over="ignore"):
        rounded = np.nan_to_num(scores.astype(np.float32))
    # float32 in their order are integers: a step is the next float, and -0.0 is 0.0
    step_of = np.abs(rounded).view(np.uint32).astype(np.int64)
    wanted = np.where(rounded < 0, -step_of, step_of)
    least = len(ids) - int(np.finfo(np.float32).max.view(np.uint32))
    stays = (scores[1:] == scores[:-1]) & np.array([before > after for before, after in pairwise(ids)], dtype=bool)
    steps = np.concatenate([[0], np.cumsum(~stays)])
    kept = np.minimum.accumulate(np.maximum(wanted, least) + steps) - steps
    magnitude: NDArray[np.float32] = np.abs(kept).astype(np.uint32).view(np.float32)
    return np.where(kept < 0, -magnitude, magnitude)
