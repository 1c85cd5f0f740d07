"""What a report shows, before it takes a form: tables of cells, the best models marked."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from mteb_hybrid.reporting.columns import BIAS, columns_of
from mteb_hybrid.task_names import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mteb_hybrid.reporting.columns import Column
    from mteb_hybrid.reporting.summary import ModelSummary

Mark = Literal["", "best", "second"]


@dataclass(frozen=True, slots=True)
class Cell:
    """One entry of a table.

    Attributes:
        text: As it is shown.
        mark: Whether its model is the best or the second best of those that are compared.
        value: The number in full, if it is one.
    """

    text: str
    mark: Mark = ""
    value: float | None = None


@dataclass(frozen=True, slots=True)
class ReportTable:
    """A table of a report.

    Attributes:
        title: What it shows.
        headings: One for each column.
        rows: Cells, as many as there are headings.
        texts: How many of the first columns hold words; the others hold numbers.
    """

    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    texts: int = 1


def report_tables(summaries: Sequence[ModelSummary], *, languages: bool = True) -> Iterator[ReportTable]:
    """Tables of all collections: macro-averages, language bias of the pool, and a table of query languages by model.

    Args:
        summaries: Sorted by collection.
        languages: Whether query languages are shown.
    """
    for collection, group in itertools.groupby(summaries, key=lambda summary: summary.collection):
        members = list(group)
        columns = columns_of(members)
        yield summary_table(members, columns, collection)
        bias = bias_table(members, collection)
        if bias.rows:
            yield bias
        if languages:
            yield from (language_table(one, columns) for one in members)


def summary_table(summaries: Sequence[ModelSummary], columns: Sequence[Column], collection: str) -> ReportTable:
    """Models as rows; the number of subsets beside, since averages over different subsets do not compare."""
    by_column = [
        compared_cells(
            [one.mean(column.setting, column.score) for one in summaries],
            column.form,
            column.better,
            over=[one.subsets(column.setting) for one in summaries],
            bounds=[one.is_bound(column.setting, column.score) for one in summaries],
        )
        for column in columns
    ]
    rows = []
    for number, one in enumerate(summaries):
        subsets = " + ".join(str(len(one.scores[setting])) for setting in SETTINGS if setting in one.scores)
        cells = (column[number] for column in by_column)
        rows.append((Cell(one.label), *cells, Cell(subsets), Cell(one.revision[:8])))
    headings = ("Model", *(column.heading for column in columns), "Subsets", "Revision")
    return ReportTable(f"{collection}: macro-average over subsets", headings, tuple(rows))


def bias_table(summaries: Sequence[ModelSummary], collection: str) -> ReportTable:
    """Scores of the pooled setting as rows, models as columns."""
    rows = []
    over = [one.subsets("Multilingual") for one in summaries]
    for score, better, form in BIAS:
        values = [one.pooled(score) if "Multilingual" in one.scores else None for one in summaries]
        if any(value is not None for value in values):
            rows.append((Cell(score), Cell(better), *compared_cells(values, form, better, over=over)))
    headings = ("Score", "Better", *(summary.label for summary in summaries))
    return ReportTable(f"{collection}: language bias in the pool", headings, tuple(rows), texts=2)


def language_table(summary: ModelSummary, columns: Sequence[Column]) -> ReportTable:
    """One model's query languages as rows."""
    shown = [one for one in columns if one.by_language and one.setting in summary.scores]
    by_column = [summary.by_query_language(column.setting, column.score) for column in shown]
    rows = tuple(
        (
            Cell(language),
            *(
                Cell(_shown(found, column.form, bound=summary.is_bound(column.setting, column.score)), value=found)
                for found, column in zip((values.get(language) for values in by_column), shown, strict=True)
            ),
        )
        for language in summary.query_languages()
    )
    headings = ("Query", *(column.heading for column in shown))
    return ReportTable(f"{summary.label} on {summary.collection}, by query language", headings, rows)


def compared_cells(
    values: Sequence[float | None],
    form: str,
    better: str,
    *,
    over: Sequence[object],
    bounds: Sequence[bool] | None = None,
) -> list[Cell]:
    """Values of several models, the best and the second best marked; what looks alike is alike.

    Args:
        values: One for each model; None where it has none.
        form: How they are shown.
        better: ``high``, ``low``, ``0`` (near it), or anything else for no marks.
        over: What each of them is an average over: of averages over different things none is the best.
        bounds: Which of them are lower bounds.
    """
    flags = bounds or [False] * len(values)
    texts = [_shown(value, form, bound=bound) for value, bound in zip(values, flags, strict=True)]
    distance = {"high": lambda value: -value, "low": lambda value: value, "0": abs}.get(better)
    known = [number for number, value in enumerate(values) if value is not None]
    marks: dict[str, Mark] = {}
    if distance is not None and len(known) > 1 and len({over[number] for number in known}) == 1:
        order = dict.fromkeys(texts[number] for number in sorted(known, key=lambda number: distance(values[number])))
        marks = dict(zip(order, ("best", "second"), strict=False)) if len(order) > 1 else {}
    return [
        Cell(text, marks.get(text, "") if value is not None else "", value)
        for text, value in zip(texts, values, strict=True)
    ]


def _shown(value: float | None, form: str, *, bound: bool = False) -> str:
    return "-" if value is None else f"{'≥' if bound else ''}{value:{form}}"
