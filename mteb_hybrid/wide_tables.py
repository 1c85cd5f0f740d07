"""Tables that are wider than the terminal: shown in parts, because rich would cut their numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import Console

_UNLIMITED = 1_000_000


def fitted(table: Table, console: Console, keys: int = 1) -> Iterator[Table]:
    """A table as one or several below each other, for which the console is wide enough.

    Args:
        table: With a header, and cells of text.
        console: What it is to be shown on.
        keys: How many of the first columns say what a row is; every part begins with them.
    """
    if _width(table, console) <= console.width:
        yield _whole_words(table, console)
        return
    first = range(keys)
    long = _width(_part(table, first, keys), console) > console.width * 2 // 3  # leaves no room for numbers
    most = console.width // (2 * keys) if long else None
    start, title = keys, table.title
    while start < len(table.columns):
        end = start + 1
        part = _part(table, [*first, start], keys, most)
        while end < len(table.columns):
            wider = _part(table, [*first, *range(start, end + 1)], keys, most)
            if _width(wider, console) > console.width:
                break
            end, part = end + 1, wider
        part.title, title, start = title, None, end
        yield _whole_words(part, console)


def _whole_words(table: Table, console: Console) -> Table:
    """The table, wide enough that its title breaks between words only, where the console is."""
    longest = max((cell_len(word) for word in str(table.title or "").split()), default=0)
    table.min_width = min(longest, console.width) or None
    return table


def _part(table: Table, columns: Sequence[int], keys: int, most: int | None = None) -> Table:
    """Some columns of a table; of these the first ``keys`` are whole, or, if ``most`` is given, folded to that."""
    part = Table(title_justify=table.title_justify)
    chosen = [table.columns[number] for number in columns]
    for number, one in enumerate(chosen):
        key = number < keys
        part.add_column(
            one.header, justify=one.justify, overflow="fold", no_wrap=key and most is None,
            max_width=most if key else None,
        )  # fmt: skip
    for row, cells in zip(table.rows, zip(*(one.cells for one in chosen), strict=True), strict=True):
        part.add_row(*cells, end_section=row.end_section)
    return part


def _width(table: Table, console: Console) -> int:
    """The width that a table has where there is room."""
    return console.measure(table, options=console.options.update(max_width=_UNLIMITED)).maximum
