"""Summaries as tables on the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

from mteb_hybrid.reporting.columns import BIAS, columns_of
from mteb_hybrid.reporting.summary import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mteb_hybrid.reporting.summary import ModelSummary


def summary_table(summaries: Sequence[ModelSummary], collection: str) -> Table:
    """Models of one collection as rows, macro-averages as columns; a dash where a setting was not run.

    The number of subsets stands beside, since averages over different subsets do not compare.
    """
    table = Table(title=f"{collection}: macro-average over subsets", title_justify="left")
    table.add_column("Model")
    columns = columns_of(summaries)
    for column in columns:
        table.add_column(column.heading, justify="right")
    table.add_column("Subsets", justify="right")
    table.add_column("Revision")
    for summary in summaries:
        values = [_cell(summary.mean(column.setting, column.score), column.form) for column in columns]
        subsets = " + ".join(str(len(summary.scores[setting])) for setting in SETTINGS if setting in summary.scores)
        table.add_row(summary.model, *values, subsets, summary.revision[:8])
    return table


def bias_table(summaries: Sequence[ModelSummary], collection: str) -> Table | None:
    """Language bias of the pooled setting: scores as rows, models as columns; None where nothing was pooled."""
    table = Table(title=f"{collection}: language bias in the pool", title_justify="left")
    table.add_column("Score")
    table.add_column("Better")
    for summary in summaries:
        table.add_column(summary.model, justify="right")
    pooled = [summary for summary in summaries if "Multilingual" in summary.scores]
    for score, better, form in BIAS:
        values = [summary.pooled(score) if summary in pooled else None for summary in summaries]
        if any(value is not None for value in values):
            table.add_row(score, better, *(_cell(value, form) for value in values))
    return table if table.row_count else None


def language_table(summary: ModelSummary) -> Table:
    """One model's query languages as rows."""
    table = Table(title=f"{summary.model} on {summary.collection}, by query language", title_justify="left")
    table.add_column("Query")
    columns = [one for one in columns_of([summary]) if one.by_language and one.setting in summary.scores]
    for column in columns:
        table.add_column(column.heading, justify="right")
    by_column = [summary.by_query_language(column.setting, column.score) for column in columns]
    for language in summary.query_languages():
        cells = (_cell(values.get(language), one.form) for values, one in zip(by_column, columns, strict=True))
        table.add_row(language, *cells)
    return table


def _cell(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
