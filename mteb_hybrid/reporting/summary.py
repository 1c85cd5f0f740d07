"""The paper's view of a results folder: per model and collection the macro-averages of the three settings.

Works from MTEB's result JSON alone. Macro-average: first the mean over the queries of a subset (that is what the JSON
holds), then the mean over subsets (arXiv 2408.10536, section 3.2).
"""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mteb_hybrid.errors import ResultsError
from mteb_hybrid.languages import FURTHER_SCRIPTS, LANGUAGE_SCRIPTS
from mteb_hybrid.task_names import parse_task

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from mteb_hybrid.across import AcrossLanguages
    from mteb_hybrid.reporting.pooled import PooledQueries

SPLITS = ("test", "dev")
"""Of several splits the first of these is reported, and otherwise the first by name."""


@dataclass(frozen=True, slots=True)
class SubsetScores:
    """Scores of one subset of one task for one model.

    Attributes:
        model: The model's name in MTEB.
        revision: Its revision.
        languages: The languages that its card names, as two-letter codes; empty if none are known.
        collection: Task family, such as ``XQuADR``.
        setting: ``Monolingual``, ``CrossLingual`` or ``Multilingual``.
        subset: Name of the subset.
        data: Revision of the task's data.
        scores: Name to value, all finite.
    """

    model: str
    revision: str
    languages: tuple[str, ...]
    collection: str
    setting: str
    subset: str
    data: str
    scores: dict[str, float]


@dataclass(slots=True)
class ModelSummary:
    """One model on one collection.

    Attributes:
        model: The model's name in MTEB.
        revision: Its revision.
        collection: Task family, such as ``XQuADR``.
        scores: Setting to subset to scores, all of one split.
        across: What takes all query languages at once, from rank tables; None where there are none.
        queries: Single queries of the pooled setting, likewise.
        languages: The languages that the model's card names, as two-letter codes; empty if none are known.
        label: What tells it from the other models: its name, and its revision if there are others of the name.
    """

    model: str
    revision: str
    collection: str
    scores: dict[str, dict[str, dict[str, float]]] = field(default_factory=dict)
    across: AcrossLanguages | None = None
    queries: PooledQueries | None = None
    languages: tuple[str, ...] = ()
    label: str = ""

    def __post_init__(self) -> None:
        self.label = self.label or self.model

    def mean(self, setting: str, score: str) -> float | None:
        """Macro-average of a score over the subsets of a setting; None if a subset lacks it or there is none."""
        values = [subset.get(score) for subset in self.scores.get(setting, {}).values()]
        known = [value for value in values if value is not None]
        return sum(known) / len(known) if known and len(known) == len(values) else None

    def pooled(self, score: str) -> float | None:
        """Macro-average of a score of the pooled setting, also of one that takes all query languages at once."""
        mean = self.mean("Multilingual", score)
        return self.across.scores().get(score) if mean is None and self.across is not None else mean

    def query_languages(self) -> list[str]:
        """Query languages of all settings, sorted."""
        return sorted({subset.split("-")[0] for subsets in self.scores.values() for subset in subsets})

    def by_query_language(self, setting: str, score: str) -> dict[str, float]:
        """Mean of a score over the subsets of each query language."""
        values: dict[str, list[float]] = {}
        for subset, scores in self.scores.get(setting, {}).items():
            if score in scores:
                values.setdefault(subset.split("-")[0], []).append(scores[score])
        return {language: sum(found) / len(found) for language, found in values.items()}


def read_results(folder: Path) -> list[SubsetScores]:
    """Scores of all our kinds of tasks in a results folder of `mteb run`, a folder above or below it, or a file of it.

    Raises:
        ResultsError: No such folder, a file that is not JSON, or no result of ours.
    """
    if not folder.exists():
        raise ResultsError(f"{folder} is not there; give the --output-folder of `mteb run`")
    found: list[SubsetScores] = []
    for path in sorted(folder.rglob("*.json")) if folder.is_dir() else [folder]:
        task = parse_task(path.stem)
        if task is None:
            continue
        model, revision, languages = _identity(path)
        collection, family = task
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            by_split, data = content["scores"], str(content.get("dataset_revision"))
            splits = (by_split[split] for split in (*SPLITS, *sorted(by_split)) if by_split.get(split))
            for row in next(splits, []):
                numbers = {name: float(value) for name, value in row.items() if isinstance(value, int | float)}
                scores = {name: value for name, value in numbers.items() if math.isfinite(value)}
                if "map" in scores:  # other tasks of MTEB end in these words too, and have no full ranking
                    subset = row["hf_subset"]
                    found.append(SubsetScores(model, revision, languages, collection, family, subset, data, scores))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ResultsError(
                f"{path} is not a result of MTEB, or cut off: {error}. Remove it and run again"
            ) from error
    if not found:
        raise ResultsError(f"{folder} holds no result of a Monolingual, CrossLingual or Multilingual task")
    return found


def summarise(
    scores: Iterable[SubsetScores],
    across: Iterable[AcrossLanguages] = (),
    queries: Iterable[PooledQueries] = (),
) -> list[ModelSummary]:
    """Group scores by collection and model, and add what the rank tables of pooled tasks tell beyond them.

    Raises:
        ResultsError: Results of one task are of different data, such as two sets of translations.
    """
    data: dict[tuple[str, str], SubsetScores] = {}
    summaries: dict[tuple[str, str, str], ModelSummary] = {}
    for one in scores:
        key = (one.collection, one.model, one.revision)
        summary = summaries.setdefault(
            key, ModelSummary(one.model, one.revision, one.collection, languages=one.languages)
        )
        other = data.setdefault((one.collection, one.setting), one)
        if other.data != one.data:
            raise ResultsError(
                f"the {one.setting} results on {one.collection} are of different data: revision {other.data} for "
                f"{other.model}, and {one.data} for {one.model}. Report them apart from each other"
            )
        summary.scores.setdefault(one.setting, {})[one.subset] = one.scores
    for pooled in across:
        task = parse_task(pooled.task)
        key = (task[0] if task else pooled.task, pooled.model, pooled.revision)
        if key in summaries:
            summaries[key].across = pooled
    for pool in queries:
        key = (pool.collection, pool.model, pool.revision)
        if key in summaries:
            summaries[key].queries = pool
    revisions = {(model, revision) for _, model, revision in summaries}
    named_twice = {model for model, count in Counter(model for model, _ in revisions).items() if count > 1}
    for summary in summaries.values():
        if summary.model in named_twice:
            summary.label = f"{summary.model}@{summary.revision[:8]}"
    return [summaries[key] for key in sorted(summaries)]


def _identity(path: Path) -> tuple[str, str, tuple[str, ...]]:
    """Model, revision and languages: from the model_meta.json beside a result, else from its folders.

    MTEB files a variant of a model (another output precision, say) under ``<revision>/experiments/<variant>``; the
    variant becomes part of the name.
    """
    folder, variant = path.parent, ""
    if folder.parent.name == "experiments":
        folder, variant = folder.parent.parent, f" ({folder.name})"
    try:
        meta: dict[str, Any] = json.loads((path.parent / "model_meta.json").read_text(encoding="utf-8"))
        codes = {code: language for language, code in (FURTHER_SCRIPTS | LANGUAGE_SCRIPTS).items()}
        named = {codes[code] for code in meta.get("languages") or () if code in codes}
        return str(meta["name"]) + variant, str(meta["revision"]), tuple(sorted(named))
    except (OSError, ValueError, KeyError, TypeError):
        return folder.parent.name.replace("__", "/") + variant, folder.name, ()
