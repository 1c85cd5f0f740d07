"""Tables of a report on the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from mteb_hybrid.printable import one_line

if TYPE_CHECKING:
    from mteb_hybrid.reporting.report_tables import ReportTable

_STYLES = {"best": "bold", "second": "underline"}


def rich_table(table: ReportTable) -> Table:
    """A table for rich: numbers to the right, the best in bold, the second underlined."""
    shown = Table(title=_plain(table.title), title_justify="left")
    for number, heading in enumerate(table.headings):
        words = number < table.texts or heading == "Revision"
        shown.add_column(_plain(heading), justify="left" if words else "right")
    for row in table.rows:
        cells = (_plain(cell.text) for cell in row)
        styles = (_STYLES.get(cell.mark) for cell in row)
        shown.add_row(*(f"[{style}]{text}[/]" if style else text for text, style in zip(cells, styles, strict=True)))
    return shown


def _plain(text: str) -> str:
    """Text that rich shows as it is."""
    return escape(one_line(text))
