"""Tables whose numbers have bars beside them: one row for what is counted, one column for each model."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mteb_hybrid.reporting.pooled import TOP
from mteb_hybrid.reporting.report_tables import Cell
from mteb_hybrid.reporting.views import distance_edges

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mteb_hybrid.reporting.views import CollectionView


@dataclass(frozen=True, slots=True)
class BarTable:
    """Numbers with bars.

    Attributes:
        title: What is counted.
        explanation: How to read it.
        heading: Above the names of the rows.
        languages: Whether rows are languages.
        models: Headings of the columns.
        rows: Name of the row, and a cell for each column.
        marks: Name of the row to a number that is marked beside its bars; empty for no marks.
        top: The number whose bar is as long as there is room.
    """

    title: str
    explanation: str
    heading: str
    languages: bool
    models: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Cell, ...]], ...]
    marks: Mapping[str, float]
    top: float


def bar_tables(view: CollectionView) -> Iterator[BarTable]:
    """The tables that there are numbers for."""
    if view.ranks:
        yield _bar_table(
            view.ranks,
            ",.1f",
            title="Mean rank of the right answer, by passage language",
            explanation="In the pool, over questions of all languages: a language whose answers stand further up "
            "(shorter bar) is favoured. Where questions are not answered in every language (MLQA-R), the means are "
            "over different questions, and a difference may be one of the questions.",
            heading="Passages",
            languages=True,
        )
    if view.distances:
        edges = distance_edges(list(view.distances.values()))
        names = [
            f"{high:,}" if low + 1 == high else f"{low + 1:,} to {high:,}" for low, high in itertools.pairwise(edges)
        ]
        yield _bar_table(
            {
                model: dict(zip(names, queries.distances_within(edges), strict=True))
                for model, queries in view.distances.items()
            },
            ".1%",
            title="Rank distance of single queries",
            explanation="By how many ranks the first and the last right answer stand further apart in the pool than in "
            "a perfect ranking, where it is 0: share of the queries with two answers or more, over all languages.",
            heading="Ranks too far",
            languages=False,
        )
    if view.lists:
        yield _bar_table(
            {model: queries.top_share() for model, queries in view.lists.items()},
            ".1%",
            title=f"Languages of the first {TOP}",
            explanation=f"Share of each language among the first {TOP} passages, over questions of all languages. The "
            "line marks its share of the pool: a bar beyond it is a language that is shown more often than by chance.",
            heading="Passages",
            languages=True,
            marks=view.pool_share(),
        )


def _bar_table(
    columns: Mapping[str, Mapping[str, float]],
    form: str,
    *,
    title: str,
    explanation: str,
    heading: str,
    languages: bool,
    marks: Mapping[str, float] | None = None,
) -> BarTable:
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
    values = [value for column in (*columns.values(), marks or {}) for value in column.values()]
    return BarTable(
        title, explanation, heading, languages, tuple(columns), rows, marks or {}, max(values, default=0.0) or 1.0
    )
