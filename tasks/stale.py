"""Results in MTEB's cache that were made on other data than the task's: another folder, other translations."""

from __future__ import annotations

import inspect
import logging
from typing import TYPE_CHECKING, Any

from mteb_hybrid import _mteb
from mteb_hybrid.tasks.predictions import our_tasks

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger(__name__)


def evaluate_stale(evaluate: Callable[..., Any], model: Any, tasks: Any, **options: Any) -> None:
    """Before a run: evaluate anew those of our tasks whose cached results are of another revision of the data.

    MTEB asks a cached result for its revision only where subsets are missing, and would serve the others. This is for
    its default strategy, ``only-missing``; who asks for another one gets what it says.
    """
    strategy = options.get("overwrite_strategy", "only-missing")
    cache = options.get("cache", inspect.signature(evaluate).parameters["cache"].default)
    if str(getattr(strategy, "value", strategy)) != "only-missing" or not hasattr(cache, "load_task_result"):
        return
    meta = _mteb.results_meta(_mteb.model_meta_of(model), options.get("encode_kwargs"))
    for task in our_tasks(tasks):
        cached = cache.load_task_result(task.metadata.name, meta)
        revision = task.metadata.revision
        if cached is not None and cached.dataset_revision != revision:
            logger.warning(
                "%s: the cached results of %s are of data %s, this is %s: evaluating anew",
                task.metadata.name, meta.name, cached.dataset_revision, revision,
            )  # fmt: skip
            evaluate(model, task, **{**options, "overwrite_strategy": "always"})
