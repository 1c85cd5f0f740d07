"""How MTEB comes to know our tasks, models and benchmarks.

`tasks`, `models`, `benchmarks`, `model_directory` and `run` are what we have for MTEB. They are declared as entry
points in pyproject.toml, for an MTEB that asks for them (docs/upstream.md). Until then `mteb_hybrid._autoload` calls
`module_loaded` when MTEB imports one of its registries; `register` does it by hand.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator, Sized
from typing import TYPE_CHECKING, Any

from mteb_hybrid import _mteb
from mteb_hybrid.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Callable

    from mteb.abstasks.abstask import AbsTask
    from mteb.benchmarks.benchmark import Benchmark
    from mteb.models.model_meta import ModelMeta


def tasks() -> tuple[type[AbsTask], ...]:
    """Classes of our tasks, and of those of the user's cards; entry point of the group ``mteb.tasks``.

    A card that cannot be used is left out with a `RuntimeWarning`.
    """
    from mteb_hybrid.tasks.cards import card_tasks
    from mteb_hybrid.tasks.registry import TASKS

    return (*TASKS, *card_tasks(TASKS))


def models() -> tuple[ModelMeta, ...]:
    """Metadata of our models, which load them; entry point of the group ``mteb.models``."""
    from mteb_hybrid.models import char_ngram_meta

    return (char_ngram_meta(),)


def benchmarks() -> tuple[Benchmark, ...]:
    """Our benchmarks, with fresh task objects; entry point of the group ``mteb.benchmarks``."""
    from mteb_hybrid.tasks.benchmarks import benchmarks as ours

    return tuple(ours())


def model_directory(name: str, revision: str | None = None) -> ModelMeta | None:
    """Metadata of a local sentence-transformers directory; entry point of the group ``mteb.model_loaders``.

    Args:
        name: What the user named as a model.
        revision: What the user asked for, if anything.

    Returns:
        None if the name is none of such a directory: others may know it.

    Raises:
        ModelDirectoryError: It is one, but it is unusable or has another revision.
    """
    from mteb_hybrid.models.directory import directory_meta

    return directory_meta(name, revision)


def run(evaluate: Callable[..., Any], model: Any, tasks: Any, **options: Any) -> Any:
    """What goes around every ``mteb.evaluate(model, tasks, **options)``; entry point of the group ``mteb.runs``.

    Before it the model is put behind an index if FAISS was asked for, and cached results of other data are set aside;
    within it embeddings and ranks are shared; after it rank tables of cached subsets are completed.

    Args:
        evaluate: MTEB's function.
        model: As MTEB's function takes it.
        tasks: As MTEB's function takes them.
        options: All its other arguments.

    Returns:
        What MTEB's function returns.

    Raises:
        OptionError: There is no task.
        StorageError: There is no room for results.
    """
    predictions = sys.modules.get("mteb_hybrid.tasks.predictions")
    if predictions is None:  # our tasks are not registered: nothing here concerns us
        return evaluate(model, tasks, **options)
    from mteb_hybrid.embeddings import STORE
    from mteb_hybrid.tasks.faiss_search import searched
    from mteb_hybrid.tasks.result_files import disk_errors, write_whole
    from mteb_hybrid.tasks.stale import prepare
    from mteb_hybrid.tasks.together import together

    if isinstance(tasks, Iterator):  # is looked at more than once
        tasks = list(tasks)
    model = searched(model, tasks)
    evaluated = prepare(evaluate, model, tasks, **options)
    write_whole()
    with STORE.run(), together(evaluated), disk_errors(lambda: _mteb.cache_of(evaluate, options)):
        try:
            result = evaluate(model, tasks, **options)
        except UnboundLocalError as error:  # how MTEB ends where its filters have left nothing
            if isinstance(tasks, Sized) and len(tasks) == 0:
                raise OptionError(
                    "there is no task to evaluate. MTEB leaves out a task that has none of the named languages, and "
                    "every task if it does not know one of the names: give codes of three letters, -l deu eng and not "
                    "-l de en"
                ) from error
            raise
        if options.get("prediction_folder") is not None:
            predictions.complete_rank_tables(evaluate, model, tasks, result, **options)
            predictions.save_across_languages(model, tasks, result, **options)
    return result


_ON_LOAD: dict[str, Callable[[], None]] = {
    "mteb.get_tasks": lambda: _mteb.add_tasks(tasks()),
    "mteb.models.model_implementations": lambda: _mteb.add_models(models()),
    "mteb.models.model_meta": lambda: _mteb.wrap_from_hub(model_directory),
    "mteb.benchmarks.benchmarks": lambda: _mteb.add_benchmarks(benchmarks()),
    "mteb.evaluate": lambda: _mteb.wrap_evaluate(run),
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
