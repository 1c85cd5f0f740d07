"""The paper's view of a results folder: per model and collection the macro-averages of the three settings.

Works from MTEB's result JSON alone. Macro-average: first the mean over the queries of a subset (that is what the JSON
holds), then the mean over subsets (arXiv 2408.10536, section 3.2).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mteb_hybrid.errors import ResultsError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from mteb_hybrid.across import AcrossLanguages

SETTINGS = ("Monolingual", "CrossLingual", "Multilingual")
SPLITS = ("test", "dev")
# family, setting, and which data of the family: XQuADRMonolingual, MIRACLMonolingualHardNegatives
_TASK = re.compile(rf"(?P<family>\w+?)(?P<setting>{'|'.join(SETTINGS)})(?P<data>HardNegatives)?")


@dataclass(frozen=True, slots=True)
class SubsetScores:
    """Scores of one subset of one task for one model; ``data`` is the revision of the task's data."""

    model: str
    revision: str
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
    """

    model: str
    revision: str
    collection: str
    scores: dict[str, dict[str, dict[str, float]]] = field(default_factory=dict)
    across: AcrossLanguages | None = None

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
    """Scores of all our kinds of tasks in a results folder of `mteb run`, or in any folder above or below it.

    Raises:
        ResultsError: No such folder, a file that is not JSON, or no result of ours.
    """
    if not folder.is_dir():
        raise ResultsError(f"{folder} is not a folder; give the --output-folder of `mteb run`")
    found: list[SubsetScores] = []
    for path in sorted(folder.rglob("*.json")):
        task = parse_task(path.stem)
        if task is None:
            continue
        model, revision = _identity(path)
        collection, family = task
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            by_split, data = content["scores"], str(content.get("dataset_revision"))
            for row in next((by_split.get(split) for split in SPLITS if by_split.get(split)), []):
                scores = {name: float(value) for name, value in row.items() if isinstance(value, int | float)}
                if "map" in scores:  # other tasks of MTEB end in these words too, and have no full ranking
                    found.append(SubsetScores(model, revision, collection, family, row["hf_subset"], data, scores))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ResultsError(
                f"{path} is not a result of MTEB, or cut off: {error}. Remove it and run again"
            ) from error
    if not found:
        raise ResultsError(f"{folder} holds no result of a Monolingual, CrossLingual or Multilingual task")
    return found


def parse_task(name: str) -> tuple[str, str] | None:
    """Collection and setting of a task of ours by its name, such as ("XQuADR", "Monolingual"); None for another."""
    match = _TASK.fullmatch(name)
    return (match["family"] + (match["data"] or ""), match["setting"]) if match else None


def summarise(scores: Iterable[SubsetScores], across: Iterable[AcrossLanguages] = ()) -> list[ModelSummary]:
    """Group scores by collection and model, and add what takes all query languages at once.

    Raises:
        ResultsError: Results of one model and task are of different data, such as two sets of translations.
    """
    data: dict[tuple[str, ...], str] = {}
    summaries: dict[tuple[str, str, str], ModelSummary] = {}
    for one in scores:
        key = (one.collection, one.model, one.revision)
        summary = summaries.setdefault(key, ModelSummary(one.model, one.revision, one.collection))
        if data.setdefault((*key, one.setting), one.data) != one.data:
            raise ResultsError(
                f"the {one.setting} results of {one.model} on {one.collection} are of different data: revisions "
                f"{data[*key, one.setting]} and {one.data}. Report them one folder at a time"
            )
        summary.scores.setdefault(one.setting, {})[one.subset] = one.scores
    for pooled in across:
        task = parse_task(pooled.task)
        key = (task[0] if task else pooled.task, pooled.model, pooled.revision)
        if key in summaries:
            summaries[key].across = pooled
    return [summaries[key] for key in sorted(summaries)]


def _identity(path: Path) -> tuple[str, str]:
    """Model and revision: from the model_meta.json beside a result, else from its folders.

    MTEB files a variant of a model (another output precision, say) under ``<revision>/experiments/<variant>``; the
    variant becomes part of the name.
    """
    folder, variant = path.parent, ""
    if folder.parent.name == "experiments":
        folder, variant = folder.parent.parent, f" ({folder.name})"
    try:
        meta: dict[str, Any] = json.loads((path.parent / "model_meta.json").read_text(encoding="utf-8"))
        return str(meta["name"]) + variant, str(meta["revision"])
    except (OSError, ValueError, KeyError, TypeError):
        return folder.parent.name.replace("__", "/") + variant, folder.name
