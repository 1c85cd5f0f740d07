"""Reports to paste and to compute with: Markdown, LaTeX, CSV, JSON."""

from __future__ import annotations

import csv
import io
import itertools
import json
import re
from typing import TYPE_CHECKING, Any

from mteb_hybrid.errors import ResultsError
from mteb_hybrid.printable import one_line
from mteb_hybrid.reporting.columns import BIAS, columns_of
from mteb_hybrid.reporting.report_tables import report_tables

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from mteb_hybrid.reporting.columns import Column
    from mteb_hybrid.reporting.report_tables import Cell, ReportTable
    from mteb_hybrid.reporting.summary import ModelSummary

_LATEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "[": "{[}", "*": "{*}", "≥": r"$\geq$",
}  # fmt: skip
RECORD = ("collection", "model", "revision", "setting", "score", "query_language", "value")
"""Columns of CSV and keys of JSON; ``query_language`` is empty for macro-averages."""


def markdown(summaries: Sequence[ModelSummary], *, languages: bool = True) -> str:
    """All tables in Markdown; the best model in bold, the second underlined."""
    marks = {"best": "**{}**", "second": "<u>{}</u>"}

    def shown(table: ReportTable) -> Iterator[str]:
        yield f"### {_plain(table.title)}\n"
        yield _bar(map(_plain, table.headings))
        yield _bar(["---"] * table.texts + ["---:"] * (len(table.headings) - table.texts))
        for row in table.rows:
            yield _bar(marks.get(cell.mark, "{}").format(_plain(cell.text)) for cell in row)
        yield ""

    return "\n".join(line for table in report_tables(summaries, languages=languages) for line in shown(table))


def latex(summaries: Sequence[ModelSummary], *, languages: bool = True) -> str:
    """All tables in LaTeX, for the package booktabs; the best model in bold, the second underlined."""
    marks = {"best": r"\textbf{%s}", "second": r"\underline{%s}"}

    def cell(one: Cell) -> str:
        return marks.get(one.mark, "%s") % _escaped(one.text)

    def shown(table: ReportTable) -> Iterator[str]:
        columns = "l" * table.texts + "r" * (len(table.headings) - table.texts)
        yield f"% {one_line(table.title)}\n\\begin{{tabular}}{{{columns}}}\n\\toprule"
        yield " & ".join(map(_escaped, table.headings)) + r" \\ \midrule"
        yield from (" & ".join(map(cell, row)) + r" \\" for row in table.rows)
        yield "\\bottomrule\n\\end{tabular}\n"

    return "\n".join(line for table in report_tables(summaries, languages=languages) for line in shown(table))


def records(summaries: Iterable[ModelSummary], *, languages: bool = True) -> Iterator[dict[str, Any]]:
    """Every number of a report's tables in full precision, one at a time, with the keys of `RECORD`."""
    for _, group in itertools.groupby(summaries, key=lambda summary: summary.collection):
        members = list(group)
        columns = columns_of(members)
        for one in members:
            yield from _records(one, columns, languages=languages)


def _records(one: ModelSummary, columns: Sequence[Column], *, languages: bool) -> Iterator[dict[str, Any]]:
    """Those of one model."""
    who = {"collection": one.collection, "model": one.model, "revision": one.revision}
    for column in columns:
        what = {**who, "setting": column.setting, "score": column.score}
        value = one.mean(column.setting, column.score)
        if value is not None:
            yield {**what, "query_language": "", "value": value}
        if languages and column.by_language:
            for language, mean in sorted(one.by_query_language(column.setting, column.score).items()):
                yield {**what, "query_language": language, "value": mean}
    shown = {column.score for column in columns if column.setting == "Multilingual"}
    for score, _, _ in BIAS if "Multilingual" in one.scores else ():
        value = one.pooled(score)
        if value is not None and score not in shown:
            yield {**who, "setting": "Multilingual", "score": score, "query_language": "", "value": value}


def comma_separated(summaries: Sequence[ModelSummary], *, languages: bool = True) -> str:
    """`records` as CSV with a header."""
    stream = io.StringIO()
    rows = list(records(summaries, languages=languages))
    # a carriage return ends a line for readers, and is no reason for quotes to this writer
    returns = any("\r" in value for row in rows for value in row.values() if isinstance(value, str))
    writer = csv.DictWriter(
        stream, RECORD, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC if returns else csv.QUOTE_MINIMAL
    )
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()


def json_lines(summaries: Sequence[ModelSummary], *, languages: bool = True) -> str:
    """`records` as a JSON list, one record a line."""
    lines = (json.dumps(record, ensure_ascii=False) for record in records(summaries, languages=languages))
    return "[\n" + ",\n".join(lines) + "\n]\n"


FORMATS: dict[str, Callable[..., str]] = {
    "markdown": markdown,
    "latex": latex,
    "csv": comma_separated,
    "json": json_lines,
}
"""What ``mteb-hybrid report --format`` takes, but for the page, which `mteb_hybrid.reporting.page` makes."""


_ENDINGS = {".md": "markdown", ".tex": "latex", ".csv": "csv", ".json": "json", ".html": "html"}


def format_of(name: str | None, output: Path | None) -> str | None:
    """The format that a user means: by its name, or by the ending of a file; None for the terminal.

    Raises:
        ResultsError: There is no such format, or a file whose ending names none.
    """
    if name is None and output is not None:
        name = _ENDINGS.get(output.suffix.lower())
        if name is None:
            raise ResultsError(f"{output}: name the format with --format, or end the file in {', '.join(_ENDINGS)}")
    if name is not None and name not in _ENDINGS.values():
        raise ResultsError(f"there is no format {name!r}; there are {', '.join(_ENDINGS.values())}")
    return name


def _bar(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _plain(text: str) -> str:
    """Text that Markdown shows as it is."""
    return re.sub(r"([\\`*_\[\]|<>&~$])", r"\\\1", one_line(text))


def _escaped(text: str) -> str:
    return "".join(_LATEX.get(sign, sign) for sign in one_line(text))
