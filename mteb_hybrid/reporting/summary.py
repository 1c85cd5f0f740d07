"""The paper's view of results: per model and collection the macro-averages of the three settings.

Macro-average: first the mean over the queries of a subset (that is what MTEB's JSON holds), then the mean over subsets
(arXiv 2408.10536, section 3.2).
"""

from __future__ import annotations

import logging
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mteb_hybrid.errors import ResultsError
from mteb_hybrid.task_names import parse_task

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mteb_hybrid.across import AcrossLanguages
    from mteb_hybrid.reporting.pooled import PooledQueries
    from mteb_hybrid.reporting.results import SubsetScores

logger = logging.getLogger(__name__)

_AGAIN = "run the Multilingual task again, all of it, with --prediction-folder"
_REVISION = 8  # as much of a revision as is shown, if it tells models apart


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
        languages: What a local model's card says that it was trained on; empty if it says nothing.
        label: What tells it from the other models: its name, and its revision if there are others of the name.
        data: Setting to the revision of its data and its split.
    """

    model: str
    revision: str
    collection: str
    scores: dict[str, dict[str, dict[str, float]]] = field(default_factory=dict)
    across: AcrossLanguages | None = None
    queries: PooledQueries | None = None
    languages: tuple[str, ...] = ()
    label: str = ""
    data: dict[str, tuple[str, str]] = field(default_factory=dict)

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

    def subsets(self, setting: str) -> frozenset[str]:
        """Names of the subsets of a setting: averages over others do not compare."""
        return frozenset(self.scores.get(setting, ()))

    def is_bound(self, setting: str, score: str) -> bool:
        """Whether a score is a lower bound, because relevant passages were on no list of the model's.

        Those of an approximate search are none: where it passes over other passages too, scores may be too high.
        """
        missed = (
            scores.get("not_retrieved", 0.0) > 0 and "faiss_depth" not in scores
            for scores in self.scores.get(setting, {}).values()
        )
        return score in ("map", "mrr") and any(missed)

    def query_languages(self) -> list[str]:
        """Query languages of all settings, sorted."""
        return sorted({subset.split("-")[0] for subsets in self.scores.values() for subset in subsets})

    def languages_run(self) -> set[str]:
        """Every language that the names of its subsets have: of queries, and of passages where they are of one."""
        return {language for subsets in self.scores.values() for subset in subsets for language in subset.split("-")}

    def by_query_language(self, setting: str, score: str) -> dict[str, float]:
        """Mean of a score over the subsets of each query language."""
        values: dict[str, list[float]] = {}
        for subset, scores in self.scores.get(setting, {}).items():
            if score in scores:
                values.setdefault(subset.split("-")[0], []).append(scores[score])
        return {language: sum(found) / len(found) for language, found in values.items()}


def summarise(
    scores: Iterable[SubsetScores],
    across: Iterable[AcrossLanguages] = (),
    queries: Iterable[PooledQueries] = (),
) -> list[ModelSummary]:
    """Group scores by collection and model, and add what the rank tables of pooled tasks tell beyond them.

    Rank tables of other data than the scores, or of some of their subsets only, are left out with a warning.

    Raises:
        ResultsError: Results of one task are of different data, such as two sets of translations, or one subset of a
            model has two different results.
    """
    data: dict[tuple[str, str], SubsetScores] = {}
    summaries: dict[tuple[str, str, str], ModelSummary] = {}
    for one in scores:
        key = (one.collection, one.model, one.revision)
        summary = summaries.setdefault(
            key, ModelSummary(one.model, one.revision, one.collection, languages=one.languages)
        )
        other = data.setdefault((one.collection, one.setting), one)
        if (other.data, other.split) != (one.data, one.split):
            raise ResultsError(
                f"the {one.setting} results on {one.collection} are of different data: revision {other.data}, split "
                f"{other.split} for {other.model}, and {one.data}, split {one.split} for {one.model}. Report them "
                "apart from each other"
            )
        summary.data[one.setting] = (one.data, one.split)
        known = summary.scores.setdefault(one.setting, {}).setdefault(one.subset, one.scores)
        if known != one.scores:
            raise ResultsError(
                f"{one.model}@{one.revision} has two different results of {one.collection}{one.setting} {one.subset}. "
                "Name the results folder of one run"
            )
    for summary in summaries.values():
        # translations that a user made are named behind the revision of what they are translations for
        revisions = {revision.partition("+")[0] for revision, _ in summary.data.values()}
        if len(revisions) > 1:
            logger.warning(
                "%s on %s: the settings are of different data (revisions %s): run the older ones again",
                *_who(summary), ", ".join(sorted(revisions)),
            )  # fmt: skip
    for pooled in across:
        task = parse_task(pooled.task)
        found = summaries.get((task[0] if task else pooled.task, pooled.model, pooled.revision))
        if found is not None and found.data.get("Multilingual") == (pooled.dataset_revision, pooled.split):
            found.across = pooled
    for table in queries:
        found = summaries.get((table.collection, table.model, table.revision))
        if found is None:
            continue
        if found.data.get("Multilingual") != (table.dataset_revision, table.split):
            logger.warning(
                "%s on %s: rank tables of other data than the results are left out: %s", *_who(found), _AGAIN
            )
        elif found.subsets("Multilingual") != frozenset(table.subsets):
            logger.warning(
                "%s on %s: rank tables of %d of %d pooled subsets are left out; those of all are needed: %s",
                *_who(found), len(table.subsets), len(found.subsets("Multilingual")), _AGAIN,
            )  # fmt: skip
        else:
            found.queries = table
    _label(summaries.values())
    return [summaries[key] for key in sorted(summaries)]


def _who(summary: ModelSummary) -> tuple[str, str]:
    return summary.model, summary.collection


def _label(summaries: Iterable[ModelSummary]) -> None:
    """Name models of one name by as much of their revisions as tells them apart."""
    by_name: dict[str, list[ModelSummary]] = defaultdict(list)
    for one in summaries:
        by_name[one.model].append(one)
    for group in by_name.values():
        revisions = {one.revision for one in group}
        if len(revisions) > 1:
            short = len({revision[:_REVISION] for revision in revisions}) == len(revisions)
            for one in group:
                one.label = f"{one.model}@{one.revision[:_REVISION] if short else one.revision}"
