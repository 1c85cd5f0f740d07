"""Tables of a report on the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from mteb_hybrid.reporting.report_tables import ReportTable

_STYLES = {"best": "bold", "second": "underline"}


def rich_table(table: ReportTable) -> Table:
    """A table for rich: numbers to the right, the best in bold, the second underlined."""
    shown = Table(title=escape(table.title), title_justify="left")
    for number, heading in enumerate(table.headings):
        words = number < table.texts or heading == "Revision"
        shown.add_column(escape(heading), justify="left" if words else "right")
    for row in table.rows:
        cells = (escape(cell.text) for cell in row)
        styles = (_STYLES.get(cell.mark) for cell in row)
        shown.add_row(*(f"[{style}]{text}[/]" if style else text for text, style in zip(cells, styles, strict=True)))
    return shown
