"""Tables in Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def print_table(headings: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    """Print a table and an empty line before it; rows are printed as they come."""
    names = list(headings)
    print(f"\n| {' | '.join(names)} |\n|{'---|' * len(names)}")
    for row in rows:
        print(f"| {' | '.join(map(str, row))} |", flush=True)
