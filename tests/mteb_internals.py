"""What we rely on in MTEB beyond what its packages export: the list that test_mteb_internals.py holds against both.

An entry says what the thing is for, and what to do if MTEB changes it. Not listed is what a package of MTEB names in
its ``__all__``, such as ``mteb.get_task`` or ``mteb.types.PromptType``.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Internal:
    """Something of MTEB's that it does not promise.

    Attributes:
        name: Its dotted name: of a module, or of an attribute of one or of a class.
        use: What we use it for.
        advice: What to do if it has changed.
        kind: What it must be: of classes of Python's, by name; ``function`` for whatever is called, or ``field`` for
            what is only read, be it a value, a property, or declared.
        takes: Parameters that we name when we call it, or that MTEB hands what we put in its place.
        spelled: Whether the name stands in the source so that `mteb_uses` sees whose it is; otherwise the object that
            has it comes from MTEB without an annotation.
        missing: Whether versions that we support do without it, and so do we.
    """

    name: str
    use: str
    advice: str
    kind: str
    takes: tuple[str, ...] = ()
    spelled: bool = True
    missing: bool = False


def several(
    owner: str, names: str, use: str, advice: str, kind: str = "field", *, spelled: bool = True
) -> list[Internal]:
    """Attributes of one owner that are used for one thing; those written with ``()`` are called."""
    return [
        Internal(
            f"{owner}.{name.removesuffix('()')}", use, advice, "function" if "()" in name else kind, spelled=spelled
        )
        for name in names.split()
    ]


HOOK = "If it moved, name its new place in `_autoload.TARGETS` and `plugin._ON_LOAD`."
REGISTRY = "See how mteb.get_task finds a class now, and change `_mteb.add_tasks` so that it finds ours."
BENCHMARKS = "See how mteb.get_benchmark finds a benchmark now, and change `_mteb.add_benchmarks`."
PROMPT = "Change `_mteb.resolved_prompt` to ask MTEB the new way; a wrong prompt shares embeddings that differ."
TASK = "Change the class in tasks/ that has it as MTEB's own tasks have it now; tests/test_end_to_end.py must pass."
DATA = "See what MTEB's search is handed now (`AbsTaskRetrieval._evaluate_subset`), and make `load_data` return that."
CACHE = (
    "Change tasks/stale.py, which must find what MTEB would read from its cache; tests/tasks/test_stale.py shows it."
)
STORE = "Change `_mteb.wrap_to_disk` and tasks/result_files.py; tests/tasks/test_stale.py and tests/torture say why."
META = "Change where results and rank tables are filed (tasks/predictions.py), which must be where MTEB files its own."
CARD = "Change export/card.py; the card of an exported data set says it."
PATCHED = "If it is gone, see what `mteb run` calls for a name of a model; `_mteb.wrap_from_hub` must go around that."

_TASK, _RETRIEVAL = "mteb.abstasks.abstask.AbsTask", "mteb.abstasks.retrieval.AbsTaskRetrieval"
_METADATA, _META = "mteb.abstasks.task_metadata.TaskMetadata", "mteb.models.model_meta.ModelMeta"
_RESULT = "mteb.results.TaskResult"

INTERNALS = [
    # how MTEB comes to know us
    Internal(
        "mteb.get_tasks", "its import is when our tasks are registered; it says where there is no task of a name", HOOK,
        "ModuleType",
    ),
    Internal("mteb.models.model_implementations", "its import is when our model is registered", HOOK, "ModuleType"),
    Internal("mteb.models.model_meta", "its import is when local directories become models", HOOK, "ModuleType"),
    Internal("mteb.benchmarks.benchmarks", "its import is when our benchmarks are registered", HOOK, "ModuleType"),
    Internal("mteb.evaluate", "its import is when runs go through us", HOOK, "ModuleType"),
    Internal("mteb.get_tasks._TASKS_REGISTRY", "our tasks by name are put into it", REGISTRY, "dict"),
    Internal("mteb.get_tasks.TASK_LIST", "it is replaced by one with our tasks", REGISTRY, "tuple list"),
    Internal("mteb.get_tasks._SIMILAR_TASKS", "our tasks join those adapted from the same one", REGISTRY, "dict"),
    Internal("mteb.models.model_implementations.MODEL_REGISTRY", "our model is put into it", REGISTRY, "dict"),
    Internal(
        "mteb.benchmarks.get_benchmark", "its caches are emptied if loaded before us; says that there is no such one",
        BENCHMARKS, "ModuleType",
    ),
    Internal(
        "mteb.benchmarks.get_benchmark._build_registry.cache_clear", "as said", BENCHMARKS,
        "function", spelled=False,
    ),
    Internal(
        "mteb.benchmarks.get_benchmark._build_aliases_registry.cache_clear", "as said", BENCHMARKS,
        "function", spelled=False,
    ),
    Internal(
        f"{_META}.from_hub", "is asked for models that are not registered", PATCHED,
        "function", takes=("model", "revision"),
    ),
    Internal(
        "mteb.evaluate.evaluate", "every run goes through `plugin.run`, which goes around it",
        "See what `mteb run` calls now, and what it hands over; `plugin.run` reads these options.",
        "function",
        takes=("model", "tasks", "cache", "overwrite_strategy", "prediction_folder", "raise_error", "encode_kwargs"),
    ),
    Internal(
        "mteb.evaluate._sanitize_model", "tells a model's metadata as MTEB files its results",
        "See how evaluate comes to `model_meta`, and change `_mteb.model_meta_of` and `loaded_model`.",
        "function", takes=("model",),
    ),
    Internal(
        "mteb.evaluate._apply_precision_to_meta", "tells where results of another output precision are filed",
        "See how evaluate files them now, and change `_mteb.results_meta`.",
        "function", takes=("meta", "encode_kwargs"), missing=True,
    ),
    Internal("mteb.cli", "the command `mteb`", "Change `_mteb.run_command` to call the new entry point.", "ModuleType"),
    Internal(
        "mteb.cli.main", "does what `mteb-hybrid run` is told", "Change `_mteb.run_command` to call the new one.",
        "function",
    ),
    Internal("mteb.benchmarks.benchmark.Benchmark", "the class of our benchmarks", BENCHMARKS, "type"),
    Internal("mteb.benchmarks.benchmark.Benchmark.name", "names a benchmark of ours", BENCHMARKS, "field"),
    # what runs on the inside of a task
    Internal(_RETRIEVAL, "the class that our tasks inherit", TASK, "type"),
    Internal(
        f"{_RETRIEVAL}._evaluate_subset", "scores a subset; ours takes its place, and calls it for other models", TASK,
        "function", takes=("model", "data_split", "encode_kwargs", "hf_split", "hf_subset", "prediction_folder"),
    ),
    *several(_RETRIEVAL, "evaluate()", "is called for a task by itself; ours goes around it", TASK),
    Internal(
        f"{_RETRIEVAL}.task_specific_scores", "hands us the lists that MTEB's search has found", TASK,
        "function", takes=("scores", "qrels", "results", "hf_split", "hf_subset"), spelled=False,
    ),
    *several(_RETRIEVAL, "_top_k", "says how long MTEB's lists are", TASK),
    *several(
        _RETRIEVAL, "dataset data_loaded eval_splits hf_subsets load_data() unload_data() metadata", "loads data",
        DATA,
    ),
    *several(_TASK, "hf_subsets metadata", "says which task and subsets these are", DATA),
    *several(_RETRIEVAL, "convert_v1_dataset_format_to_v2()", "brings older tasks' data into one form", DATA),
    *several(
        "mteb.abstasks.retrieval_dataset_loaders", "RetrievalDatasetLoader RetrievalSplitData", "loads data", DATA,
        "type",
    ),
    Internal(
        "mteb.abstasks.retrieval_dataset_loaders.RetrievalDatasetLoader.__init__", "reads a data set of the hub", DATA,
        "function", takes=("hf_repo", "revision", "split", "config"), spelled=False,
    ),
    Internal(
        "mteb.abstasks.retrieval_dataset_loaders.RetrievalDatasetLoader.load", "reads it", DATA,
        "function", takes=("num_proc",),
    ),
    *several(
        "mteb.abstasks.retrieval_dataset_loaders.RetrievalSplitData", "corpus queries relevant_docs top_ranked",
        "the keys of a subset's data", DATA, spelled=False,
    ),
    Internal("mteb.abstasks.task_metadata.TaskMetadata", "describes our tasks", TASK, "type"),
    *several(_METADATA, "name dataset revision adapted_from model_copy()", "files and registers tasks", TASK),
    *several(
        _METADATA, "type prompt", "decides the prompt, and so whether embeddings are shared", PROMPT, spelled=False,
    ),
    *several(
        _METADATA, "description license reference bibtex_citation hf_subsets_to_langscripts", "goes on cards", CARD,
    ),
    Internal(
        "mteb.languages.check_language_code", "says whether MTEB takes a language code of a user's card",
        "Change tasks/beir.py to ask what checks `eval_langs` now.", "function", takes=("code",),
    ),
    # models
    Internal("mteb.models.abs_encoder", "modules that read a task for its prompt alone", PROMPT, "ModuleType"),
    Internal("mteb.abstasks.task_metadata", "as said", PROMPT, "ModuleType"),
    Internal("mteb.models.instruct_wrapper", "as said", PROMPT, "ModuleType"),
    Internal("mteb.models.sentence_transformer_wrapper", "as said", PROMPT, "ModuleType"),
    Internal(
        "mteb.models.abs_encoder.AbsEncoder", "the class of our baseline, and of encoders with prompts", PROMPT,
        "type",
    ),
    *several(
        "mteb.models.abs_encoder.AbsEncoder", "model_prompts prompts_dict instruction_template similarity()",
        "says which prompt an encoder uses, and what it compares by", PROMPT, spelled=False,
    ),
    Internal(
        "mteb.models.abs_encoder.AbsEncoder.get_task_instruction", "the instruction of a task", PROMPT,
        "function", takes=("task_metadata", "prompt_type"), spelled=False,
    ),
    Internal(
        "mteb.models.abs_encoder.get_prompt_name", "which of its prompts a model uses", PROMPT,
        "function", takes=("model_prompts", "task_metadata", "prompt_type"),
    ),
    Internal(
        "mteb.models.search_encoder_index", "MTEB's search through an index",
        "Change `_mteb._faiss_backend_class` to where the class is now.", "ModuleType",
    ),
    Internal(
        "mteb.models.search_encoder_index.FaissSearchIndex", "MTEB's FAISS, which our exact ranks are compared with",
        "Change `_mteb.faiss_backend`; tests/tasks/test_faiss.py must pass.", "type", takes=("model",),
    ),
    Internal("mteb.models.model_meta.ModelMeta", "describes models", META, "type"),
    Internal("mteb.models.model_meta.ScoringFunction", "names a model's similarity", META, "type"),
    *several("mteb.models.model_meta.ScoringFunction", "COSINE DOT_PRODUCT", "names a model's similarity", META),
    *several(_META, "name revision experiment_name model_name_as_path()", "files results and rank tables", META),
    *several(_META, "create_empty() model_copy()", "describes local directories", META),
    *several(_META, "to_dict()", "writes a model_meta.json that a kill has lost", META),
    *several(
        _META, "load_model() model_type similarity_fn_name", "loads a model and tells its kind", META, spelled=False,
    ),
    # results
    Internal(
        "mteb.cache.ResultCache.load_task_result", "reads a cached result", CACHE,
        "function", takes=("task_name",), spelled=False,
    ),
    Internal(
        "mteb.cache.ResultCache.get_task_result_path", "where it lies", CACHE,
        "function", takes=("task_name",), spelled=False,
    ),
    Internal("mteb.cache.ResultCache.cache_path", "where results lie", CACHE, "field", spelled=False),
    *several(_RESULT, "scores dataset_revision", "says what was scored, on which data", CACHE),
    Internal(f"{_RESULT}.task_name", "says what was scored", CACHE, "field", spelled=False),
    Internal(f"{_RESULT}.to_disk", "writes a result; ours writes it whole", STORE, "function", takes=("path",)),
    Internal(f"{_RESULT}.model_copy", "a result with what another process has stored", STORE, "function"),
    *several("mteb.results.model_result.ModelResult", "task_results", "what a run returns", CACHE, spelled=False),
    *several("mteb.types.PromptType", "query document value", "the two roles of a text", DATA),
]  # fmt: skip
