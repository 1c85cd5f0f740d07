"""What ``--prediction-folder`` writes: one rank table per model, revision, task and subset, and none missing."""

from __future__ import annotations

import copy
import logging
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mteb_hybrid import _mteb
from mteb_hybrid.across import SUFFIX, across_languages
from mteb_hybrid.atomic import check_folder
from mteb_hybrid.errors import RankTableError, ResultsError
from mteb_hybrid.rank_table import RankTable, TableInfo, list_column, table_path, write_rank_table
from mteb_hybrid.tasks.ranked import asked_depth
from mteb_hybrid.tasks.settings import Setting
from mteb_hybrid.tasks.together import our_tasks

if TYPE_CHECKING:
    from collections.abc import Callable

    from mteb.abstasks.task_metadata import TaskMetadata
    from mteb.models.model_meta import ModelMeta

    from mteb_hybrid.tasks.base import AbsTaskRankedRetrieval
    from mteb_hybrid.tasks.ranked import RankedSubset

logger = logging.getLogger(__name__)


def model_folder(meta: ModelMeta) -> str:
    """``<model>/<revision>``, and the experiment below it, as MTEB lays out its results."""
    folder = f"{meta.model_name_as_path()}/{meta.revision or 'no_revision_available'}"
    return f"{folder}/experiments/{meta.experiment_name}" if meta.experiment_name else folder


def check_predictions(folder: Any) -> None:
    """See before a run that rank tables can be written; the folder is made.

    Args:
        folder: The run's prediction folder; None for none.

    Raises:
        ResultsError: They cannot.
    """
    if folder is None:
        return
    try:
        check_folder(Path(folder))
    except OSError as error:
        raise ResultsError(f"--prediction-folder: {folder} cannot be written: {error}; name another folder") from error


def save_rank_table(
    folder: Path,
    model: Any,
    metadata: TaskMetadata,
    split: str,
    subset: str,
    ranked: RankedSubset,
    encode_kwargs: Any = None,
) -> None:
    """Write the rank table of one subset."""
    data, meta = ranked.data, _mteb.results_meta(model.mteb_model_meta, encode_kwargs)
    info = TableInfo(
        model=str(meta.name),
        revision=str(meta.revision),
        task=metadata.name,
        split=split,
        subset=subset,
        query_language=data.query_language,
        pool=dict(zip(data.languages, data.pool.tolist(), strict=True)),
        parallel=data.parallel,
        dataset_revision=metadata.dataset["revision"],
        similarity=ranked.similarity,
        full_ranking=ranked.full,
        depth=ranked.depth,
        experiment=meta.experiment_name or "",
        list_depth=ranked.top_id.shape[1],
    )
    best_first = np.lexsort((ranked.rank, data.pair_query))
    per_query = np.bincount(data.pair_query, minlength=len(data.query_ids))
    kept = ranked.top_language >= 0
    per_top = kept.sum(axis=1)
    labels = np.array(data.languages, dtype=object)
    columns: dict[str, Any] = {
        "query_id": data.query_ids,
        "relevant_id": list_column(data.pair_id[best_first], per_query),
        "relevant_language": list_column(labels[data.pair_language[best_first]], per_query),
        "relevant_grade": list_column(data.pair_grade[best_first], per_query),
        "rank": list_column(ranked.rank[best_first], per_query, null=~ranked.retrieved[best_first]),
        "top_id": list_column(ranked.top_id[kept], per_top),
        "top_language": list_column(labels[ranked.top_language[kept]], per_top),
        "top_score": list_column(ranked.top_score[kept], per_top),
    }
    write_rank_table(table_path(Path(folder), model_folder(meta), metadata.name, split, subset), info, columns)


def complete_rank_tables(
    evaluate: Callable[..., Any], model: Any, tasks: Any, result: Any, *, prediction_folder: Any, **options: Any
) -> None:
    """After a run: write the rank tables of subsets whose scores came from MTEB's cache.

    MTEB does not ask a task for what it has cached, so these tables would be silently absent. The subsets are evaluated
    again, outside of the cache, whose scores stay as they are. A failure becomes a warning that names the task: the run
    itself is done, and its result must reach the caller.

    Args:
        evaluate: `mteb.evaluate` itself.
        model: The model of the run, as the user gave it.
        tasks: The tasks of the run: one, several or a benchmark.
        result: What the run returned; tasks that failed in it are left alone.
        prediction_folder: The run's prediction folder.
        options: The run's other options.
    """
    if str(options.get("overwrite_strategy", "")) == "only-cache":
        return
    finished = {one.task_name for one in result.task_results}
    meta = _mteb.results_meta(_mteb.model_meta_of(model), options.get("encode_kwargs"))
    for task in our_tasks(tasks):
        missing = missing_tables(task, meta, Path(prediction_folder)) if task.metadata.name in finished else []
        if not missing:
            continue
        logger.warning(
            "%s: %d subsets have scores but no rank table in %s; ranking them again: %s",
            task.metadata.name, len(missing), prediction_folder, ", ".join(missing),
        )  # fmt: skip
        again = copy.copy(task)
        again.hf_subsets = missing
        rerun = {**options, "cache": None, "overwrite_strategy": "always", "prediction_folder": prediction_folder}
        try:
            evaluate(model, again, **rerun)
        except Exception as error:  # noqa: BLE001 - see above
            warnings.warn(
                f"{task.metadata.name}: no rank tables for {', '.join(missing)}: {type(error).__name__}: {error}",
                stacklevel=5,
            )


def save_across_languages(model: Any, tasks: Any, result: Any, *, prediction_folder: Any, **options: Any) -> None:
    """After a run: write the scores that need all query languages, for each pooled task whose tables are all there.

    They lie beside the tables, as ``<split>.across.json``. A failure becomes a warning, as in `complete_rank_tables`.
    """
    finished = {one.task_name for one in result.task_results}
    meta = _mteb.results_meta(_mteb.model_meta_of(model), options.get("encode_kwargs"))
    for task in our_tasks(tasks):
        if task.setting is not Setting.MULTILINGUAL or task.metadata.name not in finished:
            continue
        for split in task.eval_splits:
            paths = [
                table_path(Path(prediction_folder), model_folder(meta), task.metadata.name, split, subset)
                for subset in task.metadata.hf_subsets
            ]
            if not all(path.is_file() for path in paths):
                continue
            try:
                across = across_languages([RankTable.read(path) for path in paths])
                if across is None or not across.scores():
                    continue
                across.save(paths[0].with_name(split + SUFFIX))
            except (RankTableError, OSError) as error:
                warnings.warn(f"{task.metadata.name}: no scores across query languages: {error}", stacklevel=5)
                continue
            scores = ", ".join(f"{name} {value:.4f}" for name, value in across.scores().items())
            logger.info("%s, over all query languages: %s", task.metadata.name, scores)


def missing_tables(task: AbsTaskRankedRetrieval, meta: ModelMeta, folder: Path) -> list[str]:
    """Subsets of a task without a readable rank table of the task's data revision, with lists as deep as asked for.

    Raises:
        OptionError: ``MTEB_HYBRID_LIST_DEPTH`` is no usable depth.
    """
    missing, depth = [], asked_depth() or 0
    for subset in task.hf_subsets:
        for split in task.eval_splits:
            path = table_path(folder, model_folder(meta), task.metadata.name, split, subset)
            try:
                info = RankTable.read(path).info
                reachable = min(depth, info.pool_size, info.depth or info.pool_size)
                current = info.dataset_revision == task.metadata.dataset["revision"] and info.list_depth >= reachable
            except RankTableError:
                current = False
            if not current and subset not in missing:
                missing.append(subset)
    return missing
