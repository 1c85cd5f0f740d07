"""What every layout reads of a task: its subsets, the rows of its corpora and queries, its judgments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mteb_hybrid.errors import MtebHybridError, ResultsError
from mteb_hybrid.suggest import suggestion

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from mteb.abstasks import AbsTask, AbsTaskRetrieval

_AT_ONCE = 10_000


def check_subsets(task: AbsTask, subsets: Iterable[str] | None = None) -> list[str]:
    """The subsets that are meant, each once. Default: all that the task was filtered to.

    Raises:
        ResultsError: The task has no such subset.
    """
    known = list(task.hf_subsets)
    wanted = known if subsets is None else list(dict.fromkeys(subsets))
    for subset in wanted:
        if subset not in known:
            hint = suggestion(subset, known, "it has")
            raise ResultsError(f"{task.metadata.name} has no subset {subset!r}{hint}")
    return wanted


def load_subsets(task: AbsTaskRetrieval, subsets: Iterable[str] | None = None) -> dict[str, dict[str, Any]]:
    """The data of a task's subsets, loaded if it is not yet.

    Args:
        task: Any retrieval task of MTEB.
        subsets: Which. Default: all that the task was filtered to.

    Returns:
        Subset to split to MTEB's ``RetrievalSplitData``, in the order of ``subsets``.

    Raises:
        ResultsError: The task has no such subset, something else than texts in it, or cannot be loaded.
        MtebHybridError: One of our tasks cannot be loaded, and says why.
    """
    wanted = check_subsets(task, subsets)
    try:
        task.load_data()
        task.convert_v1_dataset_format_to_v2(num_proc=None)  # what tasks of MTEB's older form load
    except MtebHybridError:
        raise
    except Exception as error:  # whatever a task's own code, `datasets` or the network raises
        raise ResultsError(
            f"MTEB could not load {task.metadata.name}: {type(error).__name__}: {error}; check the network, or the "
            "task's own code"
        ) from error
    dataset: Any = task.dataset
    for subset in wanted:
        for data in dataset[subset].values():
            for part in ("corpus", "queries"):
                if "text" not in data[part].column_names:
                    raise ResultsError(
                        f"{task.metadata.name} {subset} is no retrieval of texts by texts, which it must be: the "
                        f"{part} lacks 'text'"
                    )
    return {subset: dict(dataset[subset]) for subset in wanted}


def rows(dataset: Any) -> Iterator[dict[str, Any]]:
    """Rows of a data set, read some at a time."""
    for start in range(0, len(dataset), _AT_ONCE):
        columns = dataset[start : start + _AT_ONCE]
        for values in zip(*columns.values(), strict=True):
            yield dict(zip(columns, values, strict=True))


def judgments(relevant: Mapping[str, Mapping[str, int]]) -> Iterator[tuple[str, str, int]]:
    """Query, passage and grade of every judgment."""
    for query, grades in relevant.items():
        for passage, grade in grades.items():
            yield query, passage, int(grade)


def is_trec_id(text: str) -> bool:
    """Whether an id can stand in a file of trec_eval, whose fields are separated by white space."""
    return text.split() == [text]
