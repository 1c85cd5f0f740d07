"""Summaries as tables on the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

from mteb_hybrid.reporting.summary import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mteb_hybrid.reporting.summary import ModelSummary

# heading, setting, score, format: the paper's columns
_COLUMNS = (
    ("Mo. mAP", "Monolingual", "map", ".4f"),
    ("Cr. mAP", "CrossLingual", "map", ".4f"),
    ("Mul. mAP", "Multilingual", "map", ".4f"),
    ("Mo. R@1", "Monolingual", "recall_at_1", ".4f"),
    ("Cr. R@1", "CrossLingual", "recall_at_1", ".4f"),
    ("Mul. R@10", "Multilingual", "recall_at_10", ".4f"),
    ("Rank distance", "Multilingual", "rank_distance", ",.1f"),
)


def summary_table(summaries: Sequence[ModelSummary], collection: str) -> Table:
    """Models of one collection as rows, macro-averages as columns; a dash where a setting was not run.

    The number of subsets stands beside, since averages over different subsets do not compare.
    """
    table = Table(title=f"{collection}: macro-average over subsets", title_justify="left")
    table.add_column("Model")
    for heading, *_ in _COLUMNS:
        table.add_column(heading, justify="right")
    table.add_column("Subsets", justify="right")
    table.add_column("Revision")
    for summary in summaries:
        values = [_cell(summary.mean(setting, score), form) for _, setting, score, form in _COLUMNS]
        subsets = " + ".join(str(len(summary.scores[setting])) for setting in SETTINGS if setting in summary.scores)
        table.add_row(summary.model, *values, subsets, summary.revision[:8])
    return table


def language_table(summary: ModelSummary) -> Table:
    """One model's query languages as rows."""
    table = Table(title=f"{summary.model} on {summary.collection}, by query language", title_justify="left")
    table.add_column("Query")
    columns = [column for column in _COLUMNS if "R@" not in column[0] and column[1] in summary.scores]
    for heading, *_ in columns:
        table.add_column(heading, justify="right")
    by_column = [summary.by_query_language(setting, score) for _, setting, score, _ in columns]
    for language in summary.query_languages():
        table.add_row(
            language,
            *(_cell(values.get(language), form) for values, (*_, form) in zip(by_column, columns, strict=True)),
        )
    return table


def _cell(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
