"""Tables whose numbers have bars beside them: one row for what is counted, one column for each model."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mteb_hybrid.reporting.pooled import TOP
from mteb_hybrid.reporting.report_tables import Cell
from mteb_hybrid.reporting.views import distance_edges, mean_ranks

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mteb_hybrid.reporting.summary import ModelSummary


@dataclass(frozen=True, slots=True)
class BarTable:
    """Numbers with bars.

    Attributes:
        title: What is counted.
        explanation: How to read it.
        heading: Above the names of the rows.
        languages: Whether rows are languages.
        models: Headings of the columns; the pool may be one of them.
        rows: Name of the row, and a cell for each column.
        top: The number whose bar is as long as there is room.
    """

    title: str
    explanation: str
    heading: str
    languages: bool
    models: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Cell, ...]], ...]
    top: float


def right_answer_ranks(members: Sequence[ModelSummary]) -> BarTable | None:
    """Mean rank of the right answer by passage language; None where no model has it."""
    columns = {one.label: ranks for one in members if (ranks := mean_ranks(one))}
    return _bar_table(
        columns,
        ",.1f",
        title="Mean rank of the right answer, by passage language",
        explanation="In the pool, over questions of all languages. Questions have the same answer in several "
        "languages; one whose answers stand further up (shorter bar) is favoured.",
        heading="Passages",
        languages=True,
    )


def rank_distances(members: Sequence[ModelSummary]) -> BarTable | None:
    """Shares of the rank distances by interval; None where no model has them."""
    models = {one.label: one.queries for one in members if one.queries is not None and one.queries.rank_distance}
    if not models:
        return None
    edges = distance_edges(list(models.values()))
    names = [f"{low + 1:,} to {high:,}" for low, high in itertools.pairwise(edges)]
    columns = {
        model: dict(zip(names, queries.distances_within(edges), strict=True)) for model, queries in models.items()
    }
    return _bar_table(
        columns,
        ".1%",
        title="Rank distance of single queries",
        explanation="Share of queries whose first and last right answer stand this far apart in the pool, over "
        "questions of all languages. A perfect ranking has all of them in the first row.",
        heading="Ranks apart",
        languages=False,
    )


def language_mix(members: Sequence[ModelSummary]) -> BarTable | None:
    """Shares of languages in the top of the lists beside those in the pool; None where no model has lists."""
    models = {one.label: one.queries for one in members if one.queries is not None and one.queries.top}
    if not models:
        return None
    columns = {"the pool": next(iter(models.values())).pool_share()}
    columns |= {model: queries.top_share() for model, queries in models.items()}
    return _bar_table(
        columns,
        ".1%",
        title=f"Languages of the first {TOP}",
        explanation=f"Share of each language among the first {TOP} passages, over questions of all languages, beside "
        "its share of the pool. A language with a larger share than in the pool is shown more often than by chance.",
        heading="Passages",
        languages=True,
    )


def _bar_table(
    columns: Mapping[str, Mapping[str, float]],
    form: str,
    *,
    title: str,
    explanation: str,
    heading: str,
    languages: bool,
) -> BarTable | None:
    if not columns:
        return None
    names = dict.fromkeys(name for column in columns.values() for name in column)
    rows = tuple(
        (
            name,
            tuple(
                Cell(format(column[name], form), value=column[name]) if name in column else Cell("-")
                for column in columns.values()
            ),
        )
        for name in names
    )
    top = max(value for column in columns.values() for value in column.values())
    return BarTable(title, explanation, heading, languages, tuple(columns), rows, top or 1.0)
