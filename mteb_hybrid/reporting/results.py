"""MTEB's result JSON, read."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mteb_hybrid.errors import ResultsError
from mteb_hybrid.languages import KNOWN_SCRIPTS
from mteb_hybrid.parsing import check_unicode, parse_json, shown
from mteb_hybrid.task_names import parse_task

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SPLITS = ("test", "dev")
"""Of several splits the first of these is reported, and otherwise the first by name."""
_LARGEST = 1e15  # beyond every rank and number of passages; sums and differences of what is below can be computed


@dataclass(frozen=True, slots=True)
class SubsetScores:
    """Scores of one subset of one task for one model.

    Attributes:
        model: The model's name in MTEB.
        revision: Its revision.
        languages: What a local model's card says that it was trained on, as two-letter codes; empty if it says nothing.
        collection: Task family, such as ``XQuADR``.
        setting: ``Monolingual``, ``CrossLingual`` or ``Multilingual``.
        subset: Name of the subset.
        data: Revision of the task's data.
        scores: Name to value, all finite.
        split: Name of the split.
    """

    model: str
    revision: str
    languages: tuple[str, ...]
    collection: str
    setting: str
    subset: str
    data: str
    scores: dict[str, float]
    split: str = "test"


def read_results(folder: Path) -> list[SubsetScores]:
    """Scores of all our kinds of tasks in a results folder of `mteb run`, a folder above or below it, or a file of it.

    Raises:
        ResultsError: No such folder, a file that is not JSON, or no result of ours.
    """
    if not folder.exists():
        raise ResultsError(f"{folder} is not there; give the --output-folder of `mteb run`")
    found: list[SubsetScores] = []
    for path in sorted(folder.rglob("*.json")) if folder.is_dir() else [folder]:
        if parse_task(path.stem) is None:
            continue
        try:
            found += _subsets(path)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
            raise ResultsError(
                f"{path} is not a result of MTEB, or cut off: {error}. Remove it and run again"
            ) from error
    if not found:
        raise ResultsError(
            f"{folder} holds no result of a Monolingual, CrossLingual or Multilingual task with the score map; "
            "give the --output-folder of an `mteb run` of such tasks"
        )
    return found


def _subsets(path: Path) -> Iterator[SubsetScores]:
    """The subsets of one file, all of one split."""
    collection, setting = parse_task(path.stem) or ("", "")
    model, revision, languages = _identity(path)
    content = parse_json(path.read_text(encoding="utf-8"))
    by_split, data = content["scores"], str(content.get("dataset_revision"))
    split = next((split for split in (*SPLITS, *sorted(by_split)) if by_split.get(split)), None)
    for row in by_split[split] if split is not None else ():
        subset, numbers = row["hf_subset"], {name: value for name, value in row.items() if _is_number(value)}
        if not isinstance(subset, str):
            raise TypeError(f"hf_subset is {shown(subset)}, no text")
        if "map" in numbers:  # other tasks of MTEB end in these words too, and have no full ranking
            if large := [name for name, value in numbers.items() if abs(value) > _LARGEST]:
                raise ValueError(f"{large[0]} of {shown(subset)} is {shown(numbers[large[0]])}, which no score can be")
            scores = {name: float(value) for name, value in numbers.items()}
            yield SubsetScores(model, revision, languages, collection, setting, subset, data, scores, str(split))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _identity(path: Path) -> tuple[str, str, tuple[str, ...]]:
    """Model, revision and training languages: from the model_meta.json beside a result, else from its folders.

    MTEB files a variant of a model (another output precision, say) under ``<revision>/experiments/<variant>``; the
    variant becomes part of the name. What MTEB knows of other models than local ones are the languages that they
    support, which says nothing about training.
    """
    folder, variant = path.parent, ""
    if folder.parent.name == "experiments":
        folder, variant = folder.parent.parent, f" ({folder.name})"
    try:
        meta: dict[str, Any] = parse_json((path.parent / "model_meta.json").read_text(encoding="utf-8"))
        name, revision, codes = str(meta["name"]), str(meta["revision"]), meta.get("languages")
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        name, revision, codes = folder.parent.name.replace("__", "/"), folder.name, None
    check_unicode(f"{name} {revision} {variant}")  # of folders as well, whose names are bytes
    known = {code: language for language, code in KNOWN_SCRIPTS.items()}
    listed = codes if isinstance(codes, list) and name.startswith("local/") else []
    languages = {known[code] for code in listed if isinstance(code, str) and code in known}
    return name + variant, revision, tuple(sorted(languages))
