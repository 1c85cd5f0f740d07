"""Everything that this package touches of MTEB and that MTEB does not promise: the only module that does.

Tested against the lowest and the newest version of MTEB that we support. Every function checks what it relies on and
raises `RegistrationError` with the name of what is missing, so that a change in MTEB reads as such.
"""

from __future__ import annotations

import copy
import functools
import inspect
import json
import sys
import traceback
from abc import ABCMeta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mteb_hybrid.errors import OptionError, RegistrationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from types import ModuleType

    from mteb.abstasks.abstask import AbsTask
    from mteb.abstasks.task_metadata import TaskMetadata
    from mteb.benchmarks.benchmark import Benchmark
    from mteb.models.model_meta import ModelMeta
    from mteb.results import TaskResult
    from mteb.types import PromptType

    from mteb_hybrid.exact import Similarity


# marks the functions that we have put in the place of MTEB's
_OURS = "_mteb_hybrid"
# the modules that look up tasks and benchmarks by name
_LOOK_UPS = "mteb.get_tasks", "mteb.benchmarks.get_benchmark"


def module(name: str) -> ModuleType:
    """A loaded module of MTEB by name; ``mteb.evaluate`` is a function in the package and a module here."""
    return sys.modules[name]


def _need(owner: Any, name: str) -> Any:
    if not hasattr(owner, name):
        import importlib.metadata

        where = getattr(owner, "__name__", repr(owner))
        version = importlib.metadata.version("mteb")
        raise RegistrationError(
            f"{where}.{name} is not there in mteb {version}: update mteb-hybrid, or take another mteb"
        )
    return getattr(owner, name)


def add_tasks(classes: Sequence[type[AbsTask]]) -> None:
    """Make task classes known by name, type and language, all of them or none.

    Raises:
        RegistrationError: A foreign task of one of the names exists already, or the registry takes no tasks.
    """
    registries = module("mteb.get_tasks")
    by_name: dict[str, type[AbsTask]] = _need(registries, "_TASKS_REGISTRY")
    listed: tuple[type[AbsTask], ...] = _need(registries, "TASK_LIST")
    similar: dict[str, list[str]] = _need(registries, "_SIMILAR_TASKS")
    check_names(classes, by_name)
    new = [cls for cls in classes if cls.metadata.name not in by_name]
    for cls in new:
        try:
            by_name[cls.metadata.name] = cls
        except TypeError as error:
            raise RegistrationError(
                f"mteb.get_tasks._TASKS_REGISTRY is a {type(by_name).__name__}, which takes no tasks: another package "
                "has put it there, and has to be removed"
            ) from error
        for origin in cls.metadata.adapted_from or ():
            similar.setdefault(origin, []).append(cls.metadata.name)
    kind = list if isinstance(listed, list) else tuple  # another package may have made a list of it, to append to
    registries.TASK_LIST = kind((*listed, *new))  # type: ignore[attr-defined]


def check_names(classes: Iterable[type[AbsTask]], known: Mapping[str, type[AbsTask]]) -> None:
    """Make sure that no task has the name of another known one.

    Raises:
        RegistrationError: One has.
    """
    for cls in classes:
        other = known.get(cls.metadata.name)
        if other is not None and other is not cls:
            raise RegistrationError(
                f"a task {cls.metadata.name} exists already: {other.__module__}.{other.__qualname__}. Two tasks of one "
                "name would share their cached results: give one of them another name"
            )


def registered_tasks() -> dict[str, type[AbsTask]]:
    """MTEB's tasks by name."""
    tasks: dict[str, type[AbsTask]] = _need(module("mteb.get_tasks"), "_TASKS_REGISTRY")
    return tasks


def tasks_so_far() -> dict[str, type[AbsTask]]:
    """MTEB's tasks by name; none while MTEB is still making its list of them."""
    return dict(getattr(sys.modules.get("mteb.get_tasks"), "_TASKS_REGISTRY", {}))


def add_models(metas: Iterable[ModelMeta]) -> None:
    """Make models known by name; names that exist are left as they are."""
    registry: dict[str, ModelMeta] = _need(module("mteb.models.model_implementations"), "MODEL_REGISTRY")
    for meta in metas:
        registry.setdefault(str(meta.name), meta)


def add_benchmarks(benchmarks: Iterable[Benchmark]) -> None:
    """Make benchmarks known by name and alias: MTEB collects them from the module's attributes."""
    target = module("mteb.benchmarks.benchmarks")
    for benchmark in benchmarks:
        setattr(target, f"mteb-hybrid: {benchmark.name}", benchmark)  # cannot clash with a name of MTEB's
    lookup = sys.modules.get("mteb.benchmarks.get_benchmark")
    if lookup is not None:
        for cached in ("_build_registry", "_build_aliases_registry"):
            _need(lookup, cached).cache_clear()


def wrap_from_hub(local: Callable[[str, str | None], ModelMeta | None]) -> None:
    """Ask ``local`` (name, revision) first wherever MTEB would look a model up on the hub.

    Another package may have put something else than a class method in its place, before or after.
    """
    meta_class = _need(module("mteb.models.model_meta"), "ModelMeta")
    _need(meta_class, "from_hub")
    original: Any = inspect.getattr_static(meta_class, "from_hub")
    if hasattr(getattr(original, "__func__", original), _OURS):
        return
    bind: Callable[..., Any] = getattr(original, "__get__", lambda *_: original)

    def from_hub(cls: type[ModelMeta], model: str, revision: str | None = None, *args: Any, **kwargs: Any) -> ModelMeta:
        meta = local(model, revision)
        if meta is not None:
            return meta
        from_original: ModelMeta = bind(None, cls)(model, revision, *args, **kwargs)
        return from_original

    from_hub.__doc__ = original.__doc__
    setattr(from_hub, _OURS, True)
    meta_class.from_hub = classmethod(from_hub)


def wrap_evaluate(run: Callable[..., Any]) -> None:
    """Have every `mteb.evaluate` go through ``run(evaluate, model, tasks, **options)``.

    What another package has put into the package alone, before us, is wrapped there.
    """
    target = module("mteb.evaluate")
    original = _need(target, "evaluate")
    if hasattr(original, _OURS):
        return
    evaluate = _through(run, original)
    target.evaluate = evaluate  # type: ignore[attr-defined]
    package = sys.modules.get("mteb")
    named = getattr(package, "evaluate", None)  # while MTEB is imported, nothing, or the module of that name
    if package is not None and callable(named) and not hasattr(named, _OURS):
        package.evaluate = evaluate if named is original else _through(run, named)  # type: ignore[attr-defined]


def _through(run: Callable[..., Any], original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def evaluate(model: Any, tasks: Any, **options: Any) -> Any:
        return run(original, model, tasks, **options)

    setattr(evaluate, _OURS, True)
    return evaluate


def cache_of(evaluate: Callable[..., Any], options: Mapping[str, Any]) -> Any:
    """The cache of a call ``mteb.evaluate(model, tasks, **options)``; None for none."""
    return options["cache"] if "cache" in options else default_cache(evaluate)


def default_cache(evaluate: Callable[..., Any]) -> Any:
    """The cache that ``mteb.evaluate`` uses if it is told none; also where another package hides its signature."""
    known = inspect.signature(evaluate).parameters.get("cache")
    if known is not None:
        return known.default
    from mteb import ResultCache

    return ResultCache()


def run_command(arguments: Sequence[str]) -> None:
    """Do what the command ``mteb`` does with these arguments, in this process.

    Raises:
        OptionError: MTEB has no task or benchmark of a name.
    """
    import importlib
    from unittest.mock import patch

    main = _need(importlib.import_module("mteb.cli"), "main")
    try:
        with patch.object(sys, "argv", ["mteb", *arguments]):
            main()
    except KeyError as error:  # a sentence of its own where it looks names up, and anything at all elsewhere
        *_, (frame, _) = traceback.walk_tb(error.__traceback__)
        if frame.f_globals["__name__"] not in _LOOK_UPS:
            raise
        unknown = str(error.args[0]).removeprefix("KeyError: ")
        raise OptionError(f"{unknown} Take a name of `mteb available-tasks` or `mteb available-benchmarks`") from error


def wrap_to_disk(write: Callable[[Callable[[TaskResult, Path], None], TaskResult, Path], None]) -> None:
    """Have MTEB store every result by ``write(to_disk, result, path)``; a second call changes nothing."""
    from mteb.results import TaskResult

    original = _need(TaskResult, "to_disk")
    if hasattr(original, _OURS):
        return

    @functools.wraps(original)
    def to_disk(self: TaskResult, path: Path) -> None:
        write(original, self, Path(path))

    setattr(to_disk, _OURS, True)
    TaskResult.to_disk = to_disk  # type: ignore[method-assign]


def model_meta_content(meta: ModelMeta) -> str:
    """What MTEB writes into a ``model_meta.json``."""
    return json.dumps(_need(meta, "to_dict")(), default=str, indent=4)


def model_meta_of(model: Any) -> ModelMeta:
    """The metadata of whatever `mteb.evaluate` takes as a model."""
    sanitize = _need(module("mteb.evaluate"), "_sanitize_model")
    meta: ModelMeta = sanitize(model)[1]
    return meta


def loaded_model(model: Any) -> Any:
    """Whatever `mteb.evaluate` takes as a model, as one that can be evaluated."""
    from mteb.models.model_meta import ModelMeta

    if isinstance(model, ModelMeta):
        return model.load_model()
    return _need(module("mteb.evaluate"), "_sanitize_model")(model)[0]


def faiss_backend(index: Any, similarity: Similarity) -> Any:
    """MTEB's FAISS backend on an index that it did not make: an empty one for inner products.

    Args:
        index: A ``faiss.Index``.
        similarity: For ``cosine`` MTEB makes all vectors of length 1.
    """
    from types import SimpleNamespace

    from mteb.models.model_meta import ScoringFunction

    meta = SimpleNamespace(similarity_fn_name=ScoringFunction(similarity))  # all that it looks at of a model
    backend = _faiss_backend_class()(SimpleNamespace(mteb_model_meta=meta))
    _need(backend, "index")
    backend.index = index
    return backend


def searches_faiss(model: Any) -> bool:
    """Whether a model is MTEB's search of an encoder through its FAISS backend."""
    backend = getattr(model, "index_backend", None)
    return backend is not None and isinstance(backend, _faiss_backend_class())


def _faiss_backend_class() -> Any:
    import importlib

    return _need(importlib.import_module("mteb.models.search_encoder_index"), "FaissSearchIndex")


def results_meta(meta: ModelMeta, encode_kwargs: Any) -> ModelMeta:
    """The metadata under which results are filed: MTEB keeps runs of another output precision apart."""
    apply = getattr(sys.modules.get("mteb.evaluate"), "_apply_precision_to_meta", None)
    if apply is None or not (encode_kwargs or {}).get("precision"):
        return meta
    applied: ModelMeta = apply(meta, encode_kwargs)
    return applied


def uses_resolved_prompt_only(model: Any) -> bool:
    """Whether an encoder is known to look at nothing of a task but its resolved prompt."""
    from mteb.models import SentenceTransformerEncoderWrapper

    return type(model) is SentenceTransformerEncoderWrapper or type(model).__module__.startswith("mteb_hybrid.")


def resolved_prompt(model: Any, metadata: TaskMetadata, role: PromptType) -> tuple[str | None, str]:
    """The prompt and the instruction that encoders on MTEB's base class get for a task and role."""
    from mteb.models.abs_encoder import AbsEncoder, get_prompt_name

    if not isinstance(model, AbsEncoder):
        return None, ""
    prompts = getattr(model, "model_prompts", None)
    name = get_prompt_name(prompts, metadata, role)
    prompt = prompts.get(name) if prompts and name else None
    instructed = getattr(model, "prompts_dict", None) or getattr(model, "instruction_template", None)
    return prompt, model.get_task_instruction(metadata, role) if instructed else ""


# what these modules read of a task goes into the prompt and the instruction that `resolved_prompt` returns
_PROMPT_MODULES = {
    "mteb.abstasks.task_metadata",
    "mteb.models.abs_encoder",
    "mteb.models.instruct_wrapper",
    "mteb.models.sentence_transformer_wrapper",
}
# what does not tell our tasks of one collection apart
_COMMON_FIELDS = {"type", "prompt", "modalities", "category", "get_modalities", "simplified_task_type", "__class__"}


def watch_metadata(metadata: TaskMetadata) -> tuple[TaskMetadata, Callable[[], bool]]:
    """A copy of a task's metadata, and a function that tells whether foreign code has looked at what names the task.

    Looking is reading an attribute outside of `_COMMON_FIELDS` from a module outside of `_PROMPT_MODULES`, or pickling.
    """
    seen: list[str] = []
    kind = type(metadata)

    def look(self: Any, attribute: str) -> Any:
        if attribute not in _COMMON_FIELDS and sys._getframe(1).f_globals.get("__name__") not in _PROMPT_MODULES:  # noqa: SLF001
            seen.append(attribute)
        return kind.__getattribute__(self, attribute)

    def reduce(_self: Any, _protocol: Any) -> Any:
        seen.append("__reduce_ex__")
        return copy.copy, (metadata,)

    # a class that changes no field: pydantic, which takes milliseconds to make one, is passed by
    names = {"__getattribute__": look, "__reduce_ex__": reduce}
    watching = ABCMeta.__new__(type(kind), "Watched", (kind,), names)
    watched = copy.copy(metadata)
    object.__setattr__(watched, "__class__", watching)
    seen.clear()
    return watched, lambda: bool(seen)
