"""What takes several query languages at once, from the rank tables: nothing is encoded or ranked again."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.compute as pc

from mteb_hybrid.atomic import atomic_path
from mteb_hybrid.errors import RankTableError
from mteb_hybrid.metrics import (
    AskedLists,
    SingleTargetMap,
    pairwise_consistency,
    query_language_consistency,
    single_target_map,
)
from mteb_hybrid.metrics.consistency import DEPTH

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    import pyarrow as pa

    from mteb_hybrid.rank_table import RankTable

SUFFIX = ".across.json"


@dataclass(frozen=True, slots=True)
class AcrossLanguages:
    """The scores of one model on one pooled task that need all query languages.

    Attributes:
        model: The model's name in MTEB, and the experiment in brackets if it is one.
        revision: Its revision.
        task: Name of the task.
        split: Name of the split.
        languages: The query languages.
        consistency: Query language to the mean rank-biased overlap of its questions' lists with those of the same
            questions in the other languages; empty where no question is asked in two languages.
        consistency_left_out: Questions that are asked in one language only, or for which nothing was retrieved.
        single_target: The single-target matrix; None where relevant passages have no parallels, or ranks are not full.
        dataset_revision: Revision of the collection.
    """

    model: str
    revision: str
    task: str
    split: str
    languages: tuple[str, ...]
    consistency: dict[str, float]
    consistency_left_out: int
    single_target: SingleTargetMap | None
    dataset_revision: str

    def scores(self) -> dict[str, float]:
        """Macro-averages over the query languages, under the names of docs/bias.md; what is undefined is absent."""
        scores: dict[str, float | None] = {}
        if self.consistency:
            scores["query_language_consistency"] = sum(self.consistency.values()) / len(self.consistency)
        if self.single_target is not None:
            scores["single_target_map"] = self.single_target.mean()
            scores["single_target_map_same"] = self.single_target.same()
            scores["single_target_map_other"] = self.single_target.other()
            scores["single_target_map_gap"] = self.single_target.gap()
        return {name: value for name, value in scores.items() if value is not None}

    def save(self, path: Path) -> None:
        """Write everything as JSON, whole or not at all."""
        content: dict[str, Any] = {
            "model": self.model,
            "revision": self.revision,
            "task": self.task,
            "split": self.split,
            "dataset_revision": self.dataset_revision,
            "languages": list(self.languages),
            "scores": self.scores(),
            "query_language_consistency": self.consistency,
            "query_language_consistency_left_out": self.consistency_left_out,
        }
        if self.single_target is not None:
            matrix: dict[str, dict[str, float]] = defaultdict(dict)
            for (query, target), value in self.single_target.cell.items():
                matrix[query][target] = value
            content["single_target_map"] = matrix
        with atomic_path(path) as temporary:
            temporary.write_text(json.dumps(content, indent=2, ensure_ascii=False), encoding="utf-8")


def across_languages(tables: Sequence[RankTable]) -> AcrossLanguages | None:
    """The scores of one pooled task from the tables of all its query languages.

    Args:
        tables: Tables of one model, revision, task and split; one a subset.

    Returns:
        None where the tables are not those of a pooled task, or a language of the pool has no table.

    Raises:
        RankTableError: Two tables of one query language, or tables of different data.
    """
    by_language = {table.info.query_language: table for table in tables}
    first = tables[0].info
    if len(by_language) < len(tables) or len({table.info.dataset_revision for table in tables}) > 1:
        raise RankTableError(
            f"{first.task} of {first.variant}: the tables are of different runs or data, with "
            f"{len(tables)} tables for {len(by_language)} query languages; name the prediction folder of one run"
        )
    languages = tuple(first.pool)
    if len(languages) < 2 or set(by_language) != set(languages):
        return None
    ordered = {language: by_language[language] for language in languages}
    lists = asked_lists(ordered)
    asked = query_language_consistency(lists, pairwise_consistency(lists))
    consistency = {language: mean for language, values in asked.items() if (mean := values.mean()) is not None}
    return AcrossLanguages(
        model=first.variant,
        revision=first.revision,
        task=first.task,
        split=first.split,
        languages=languages,
        consistency=consistency,
        consistency_left_out=sum(sum(values.left_out.values()) for values in asked.values()) if consistency else 0,
        single_target=_single_target(ordered),
        dataset_revision=first.dataset_revision,
    )


def asked_lists(tables: Mapping[str, RankTable]) -> dict[str, AskedLists]:
    """The lists of tables by query language, with questions and passages as numbers that all of them share.

    Returns:
        Language to lists; empty where questions are not parallel, whatever ids they share by chance.
    """
    if not all(table.info.parallel for table in tables.values()):
        return {}
    questions, passages = _Numbers(), _Numbers()
    lists = {}
    for language, table in tables.items():
        column = pc.list_slice(table.rows.column("top_id").combine_chunks(), 0, DEPTH)  # lists may be deeper
        lengths = np.asarray(column.value_lengths().fill_null(0))
        top = np.full((len(lengths), int(lengths.max(initial=0))), -1, dtype=np.int64)
        top[np.arange(top.shape[1]) < lengths[:, None]] = passages.of(column.flatten())
        lists[language] = AskedLists(questions.of(table.rows.column("query_id").combine_chunks()), top)
    return lists


def group_tables(tables: Iterable[RankTable]) -> list[list[RankTable]]:
    """Tables by model and experiment, revision, task and split."""
    groups: dict[tuple[str, ...], list[RankTable]] = defaultdict(list)
    for table in tables:
        info = table.info
        groups[info.variant, info.revision, info.task, info.split].append(table)
    return [groups[key] for key in sorted(groups)]


def _single_target(tables: Mapping[str, RankTable]) -> SingleTargetMap | None:
    if not all(table.info.parallel and table.info.full_ranking for table in tables.values()):
        return None
    return single_target_map({language: table.query_ranks() for language, table in tables.items()}, list(tables))


class _Numbers:
    """Gives every text a number, the same at every call."""

    def __init__(self) -> None:
        self._known: dict[str, int] = {}

    def of(self, texts: pa.Array) -> Any:
        encoded = texts.dictionary_encode()
        numbers = [self._known.setdefault(text, len(self._known)) for text in encoded.dictionary.to_pylist()]
        return np.array(numbers, dtype=np.int64)[np.asarray(encoded.indices, dtype=np.int64)]
