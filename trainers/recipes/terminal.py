"""What a training did, as tables on the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.table import Table

from mteb_hybrid.trainers.recipes.grid import sweep_columns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mteb_hybrid.trainers.recipes.grid import SweepPoint
    from mteb_hybrid.trainers.recipes.run import TrainingSummary


def summary_table(summary: TrainingSummary) -> Table:
    """One training: what went in, and what the model scores."""
    table = Table(title="dry run" if summary.output is None else "trained", title_justify="left", show_header=False)
    table.add_column("What", no_wrap=True)
    table.add_column("Value")
    if summary.output is not None:
        table.add_row("model", summary.output)
    items = ", ".join(f"{name} {count:,}" for name, count in summary.items.items())
    table.add_row("items", f"{items}; {summary.held_out:,} held out" if summary.held_out else items)
    table.add_row("languages", ", ".join(summary.languages))
    if summary.output is None:
        table.add_row("steps", f"{summary.steps:,}")
        return table
    steps = f"{summary.trained_steps:,} of {summary.steps:,}"
    table.add_row("steps", steps if summary.best_step is None else f"{steps}, best {summary.best_step:,}")
    if summary.processes > 1:
        table.add_row("processes", str(summary.processes))
    table.add_row("seconds", f"{summary.seconds:,.0f}")
    for name, value in (summary.metrics or {}).items():
        table.add_row(name, f"{value:.4f}")
    return table


def sweep_table(points: Sequence[SweepPoint]) -> Table:
    """The points of a sweep as rows, what varies and what was measured as columns."""
    rows = [point.row() for point in points]
    columns = [column for column in sweep_columns(rows) if column != "point"]
    table = Table(title="sweep", title_justify="left")
    for column in columns:
        table.add_column(column, justify="left" if column in ("languages", "problem") else "right")
    for row in rows:
        table.add_row(*(_cell(row.get(column)) for column in columns))
    return table


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
