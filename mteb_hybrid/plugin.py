"""How MTEB comes to know our tasks, models and benchmarks.

`mteb_hybrid._autoload` calls `module_loaded` when MTEB imports one of its registries; `register` does it by hand.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from mteb_hybrid import _mteb

if TYPE_CHECKING:
    from collections.abc import Callable

    from mteb.models.model_meta import ModelMeta


def _tasks_loaded() -> None:
    from mteb_hybrid.tasks.cards import register_cards
    from mteb_hybrid.tasks.registry import TASKS

    _mteb.add_tasks(TASKS)
    register_cards()


def _models_loaded() -> None:
    from mteb_hybrid.models import char_ngram_meta

    _mteb.add_models([char_ngram_meta()])


def _model_meta_loaded() -> None:
    def local(model: str, revision: str | None) -> ModelMeta | None:
        from mteb_hybrid.models.directory import directory_meta

        return directory_meta(model, revision)

    _mteb.wrap_from_hub(local)


def _benchmarks_loaded() -> None:
    from mteb_hybrid.tasks.benchmarks import benchmarks

    _mteb.add_benchmarks(benchmarks())


def _evaluate_loaded() -> None:
    def run(evaluate: Callable[..., Any], model: Any, tasks: Any, **options: Any) -> Any:
        predictions = sys.modules.get("mteb_hybrid.tasks.predictions")
        if predictions is None:  # our tasks are not registered: nothing here concerns us
            return evaluate(model, tasks, **options)
        from mteb_hybrid.embeddings import STORE
        from mteb_hybrid.tasks.faiss_search import searched
        from mteb_hybrid.tasks.stale import prepare

        if isinstance(tasks, Iterator):  # is looked at more than once
            tasks = list(tasks)
        model = searched(model, tasks)
        prepare(evaluate, model, tasks, **options)
        with STORE.run():
            result = evaluate(model, tasks, **options)
            if options.get("prediction_folder") is not None:
                predictions.complete_rank_tables(evaluate, model, tasks, result, **options)
                predictions.save_across_languages(model, tasks, result, **options)
        return result

    _mteb.wrap_evaluate(run)


_ON_LOAD: dict[str, Callable[[], None]] = {
    "mteb.get_tasks": _tasks_loaded,
    "mteb.models.model_implementations": _models_loaded,
    "mteb.models.model_meta": _model_meta_loaded,
    "mteb.benchmarks.benchmarks": _benchmarks_loaded,
    "mteb.evaluate": _evaluate_loaded,
}


def module_loaded(name: str) -> None:
    """Register what belongs to a module of MTEB that has just been loaded."""
    _ON_LOAD[name]()


def register() -> None:
    """Make MTEB know our tasks, models and benchmarks, by hand; calling it again changes nothing.

    Only needed where the start-up hook is switched off (``MTEB_HYBRID_AUTOLOAD=0``, ``python -S``, a zipped install).

    Raises:
        RegistrationError: MTEB has changed, or has a foreign task of one of our names.
    """
    hook = "mteb_hybrid._autoload"
    sys.meta_path[:] = [finder for finder in sys.meta_path if type(finder).__module__ != hook]
    for name in _ON_LOAD:
        importlib.import_module(name)
    for name in _ON_LOAD:
        module_loaded(name)
