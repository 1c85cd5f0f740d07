"""What a report shows, before it takes a form: tables of cells, the best models marked."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from mteb_hybrid.reporting.columns import BIAS, columns_of
from mteb_hybrid.task_names import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

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
        yield summary_table(members, collection)
        bias = bias_table(members, collection)
        if bias.rows:
            yield bias
        if languages:
            yield from map(language_table, members)


def summary_table(summaries: Sequence[ModelSummary], collection: str) -> ReportTable:
    """Models as rows; the number of subsets beside, since averages over different subsets do not compare."""
    columns = columns_of(summaries)
    values = [
        compared_cells([one.mean(column.setting, column.score) for one in summaries], column.form, column.better)
        for column in columns
    ]
    rows = []
    for number, one in enumerate(summaries):
        subsets = " + ".join(str(len(one.scores[setting])) for setting in SETTINGS if setting in one.scores)
        cells = (column[number] for column in values)
        rows.append((Cell(one.model), *cells, Cell(subsets), Cell(one.revision[:8])))
    headings = ("Model", *(column.heading for column in columns), "Subsets", "Revision")
    return ReportTable(f"{collection}: macro-average over subsets", headings, tuple(rows))


def bias_table(summaries: Sequence[ModelSummary], collection: str) -> ReportTable:
    """Scores of the pooled setting as rows, models as columns."""
    rows = []
    for score, better, form in BIAS:
        values = [one.pooled(score) if "Multilingual" in one.scores else None for one in summaries]
        if any(value is not None for value in values):
            rows.append((Cell(score), Cell(better), *compared_cells(values, form, better)))
    headings = ("Score", "Better", *(summary.label for summary in summaries))
    return ReportTable(f"{collection}: language bias in the pool", headings, tuple(rows), texts=2)


def language_table(summary: ModelSummary) -> ReportTable:
    """One model's query languages as rows."""
    columns = [one for one in columns_of([summary]) if one.by_language and one.setting in summary.scores]
    by_column = [summary.by_query_language(column.setting, column.score) for column in columns]
    rows = tuple(
        (
            Cell(language),
            *(
                Cell(_shown(values.get(language), one.form), value=values.get(language))
                for values, one in zip(by_column, columns, strict=True)
            ),
        )
        for language in summary.query_languages()
    )
    headings = ("Query", *(column.heading for column in columns))
    return ReportTable(f"{summary.label} on {summary.collection}, by query language", headings, rows)


def compared_cells(values: Sequence[float | None], form: str, better: str) -> list[Cell]:
    """Values of several models, the best and the second best marked; what looks alike is alike."""
    texts = [_shown(value, form) for value in values]
    distance = {"high": lambda value: -value, "low": lambda value: value, "0": abs}.get(better)
    known = [value for value in values if value is not None]
    if distance is None or len(known) < 2:
        return [Cell(text, value=value) for text, value in zip(texts, values, strict=True)]
    order = dict.fromkeys(_shown(value, form) for value in sorted(known, key=distance))
    marks: dict[str, Mark] = dict(zip(order, ("best", "second"), strict=False)) if len(order) > 1 else {}
    return [
        Cell(text, marks.get(text, "") if value is not None else "", value)
        for text, value in zip(texts, values, strict=True)
    ]


def _shown(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
