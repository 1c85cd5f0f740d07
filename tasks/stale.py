"""What a run finds in MTEB's cache: results of other data and broken ones are set aside; what is missing is checked."""

from __future__ import annotations

import contextlib
import json
import logging
import re
from typing import TYPE_CHECKING, Any

from mteb_hybrid import _mteb
from mteb_hybrid.atomic import atomic_path
from mteb_hybrid.errors import StorageError
from mteb_hybrid.tasks.predictions import check_predictions
from mteb_hybrid.tasks.ranked import asked_depth
from mteb_hybrid.tasks.result_files import forget, watch
from mteb_hybrid.tasks.together import Evaluated, our_tasks

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mteb.models.model_meta import ModelMeta

    from mteb_hybrid.tasks.base import AbsTaskRankedRetrieval

logger = logging.getLogger(__name__)


def prepare(evaluate: Callable[..., Any], model: Any, tasks: Any, **options: Any) -> list[Evaluated]:
    """Before a run: see that the data of what is to be evaluated can be had, and set results of other data aside.

    MTEB does not write its results at once: a run that was killed may leave half a file, on which every later run would
    fail. It is set aside as well, under the ending ``.broken``, and what was in it is evaluated again.

    MTEB asks a cached result for the revision of its data only where subsets are missing, and would serve the others.
    A result that is set aside stays beside the new one, under its revision, and comes back when its data does. This is
    for MTEB's default strategy, ``only-missing``; who asks for another one gets what it says.

    Args:
        evaluate: `mteb.evaluate` itself.
        model: The model of the run, as the user gave it.
        tasks: The tasks of the run.
        options: The run's options.

    Returns:
        Our tasks, and what of them is to be evaluated.

    Raises:
        MtebHybridError: The data of a task cannot be had, ``MTEB_HYBRID_LIST_DEPTH`` is no usable depth, or the
            prediction folder cannot be written.
    """
    ours = list(our_tasks(tasks))
    if ours:
        asked_depth()  # a wrong one is said now, not after hours
    for task in ours:
        task.refresh()
    strategy = options.get("overwrite_strategy", "only-missing")
    strategy = str(getattr(strategy, "value", strategy))
    if ours and strategy != "only-cache":
        check_predictions(options.get("prediction_folder"))  # likewise
    cache = _mteb.cache_of(evaluate, options)
    cached = strategy == "only-missing" and hasattr(cache, "load_task_result")
    meta = _mteb.results_meta(_mteb.model_meta_of(model), options.get("encode_kwargs")) if ours and cached else None
    forget()
    paths = [] if meta is None else [cache.get_task_result_path(task.metadata.name, meta) for task in ours]
    for path in paths:
        watch(path)
    results = [None if meta is None else _load(cache, task.metadata.name, meta) for task in ours]
    missing = [Evaluated(task, _missing(task, result)) for task, result in zip(ours, results, strict=True)]
    if options.get("raise_error", True) and strategy != "only-cache":
        for one in missing:
            if one.subsets:
                one.task.check()
    if meta is not None:
        for task, result, path in zip(ours, results, paths, strict=True):
            _set_aside(task, result, path, str(meta.name))
            _complete_meta(path, meta)
    return missing


def _load(cache: Any, task: str, meta: ModelMeta) -> Any:
    """A cached result; None if there is none, or none that can be read."""
    try:
        return cache.load_task_result(task, meta)
    except (ValueError, KeyError, TypeError, AttributeError) as error:  # whatever half a file, or another one, leads to
        path: Path = cache.get_task_result_path(task, meta)
        broken = path.with_name(f"{path.name}.broken")
        with contextlib.suppress(FileNotFoundError):  # another process has set it aside just now
            path.replace(broken)
        logger.warning(
            "%s: the cached results of %s cannot be read (%s); they are now in %s, and evaluated again",
            task, meta.name, str(error).partition("\n")[0], broken,
        )  # fmt: skip
        return None


def _missing(task: AbsTaskRankedRetrieval, result: Any) -> frozenset[str]:
    """The subsets that a task is to evaluate and that a cached result, on the same data, does not have."""
    kept = frozenset(task.hf_subsets)
    if result is None or result.dataset_revision != task.metadata.revision:
        return kept
    done = ({row["hf_subset"] for row in result.scores.get(split, ())} for split in task.eval_splits)
    return kept.difference(set.intersection(*done))


def _set_aside(task: AbsTaskRankedRetrieval, result: Any, path: Path, model: str) -> None:
    revision = task.metadata.revision
    if result is not None and result.dataset_revision != revision and path.is_file():
        aside = _aside(path, result.dataset_revision)
        logger.warning(
            "%s: the cached results of %s are of data %s, this is %s; they are now in %s",
            task.metadata.name, model, result.dataset_revision, revision, aside,
        )  # fmt: skip
        path.replace(aside)
    if not path.exists() and _aside(path, revision).is_file():
        _aside(path, revision).replace(path)


def _complete_meta(path: Path, meta: ModelMeta) -> None:
    """Write the note of the model beside a result if it is not there, or cut off: MTEB's own reader needs it.

    MTEB writes it after the result, and never again once all subsets are there.
    """
    note = path.with_name("model_meta.json")
    if not path.is_file():
        return
    try:
        json.loads(note.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        # a cache that cannot be written is still read
        with contextlib.suppress(StorageError), atomic_path(note) as temporary:
            temporary.write_text(_mteb.model_meta_content(meta), encoding="utf-8")


def _aside(path: Path, revision: str) -> Path:
    """Where a result of other data waits; no name that MTEB would read."""
    return path.with_name(f"{path.name}.{re.sub(r'[^A-Za-z0-9.+-]', '_', revision)}")
