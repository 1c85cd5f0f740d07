"""Comparisons on the terminal: tables, and in a sentence what holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from mteb_hybrid.printable import one_line

if TYPE_CHECKING:
    from mteb_hybrid.significance.comparison import Adjustment, Comparison, SettingComparison

LEVEL = 0.05
_LOWER_IS_BETTER = {"rank_distance"}
_METHODS = {"max-t": "max-T", "holm": "Holm"}


def comparison_table(comparison: Comparison, adjustment: Adjustment = "max-t") -> Table:
    """Mean and settings as rows; the difference in bold where it holds at the family-wise level."""
    one = comparison
    table = Table(
        title=escape(one_line(f"{one.collection} {one.setting}, {one.metric}: {one.first} - {one.second}")),
        title_justify="left",
    )
    table.add_column("setting", no_wrap=True)
    for heading in ("questions", "first", "second", "difference", "95 % interval", "p", "p, max-T", "p, Holm"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in (one.mean, *one.settings):
        difference = f"{row.difference:+.4f}"
        holds = one.p_over_pairs if row is one.mean else row.adjusted(adjustment)
        table.add_row(
            escape(one_line(row.name)), f"{row.questions:,}", f"{row.first:.4f}", f"{row.second:.4f}",
            f"[bold]{difference}[/]" if holds <= LEVEL else difference,
            f"{row.low:+.4f} to {row.high:+.4f}", *(f"{p:.3g}" for p in (row.p, row.max_t, row.holm)),
            end_section=row is one.mean,
        )  # fmt: skip
    return table


def verdict(comparison: Comparison, adjustment: Adjustment = "max-t") -> str:
    """Which differences hold, in words: of the mean over settings, then of how many settings."""
    one = comparison
    better = [_winner(one, row) for row in one.settings if row.adjusted(adjustment) <= LEVEL]
    first, second = (f"{model} is better in {better.count(model)}" for model in (one.first, one.second))
    undecided = len(one.settings) - len(better)
    rest = f", {undecided} {'is' if undecided == 1 else 'are'} undecided" if undecided else ""
    parts = [f"{one.collection} {one.setting}, {one.metric}: {_of_mean(one)}"]
    parts.append(
        f"Of {len(one.settings)} settings {first}, {second}{rest} ({_METHODS[adjustment]} over these settings:"
    )
    parts.append(f"the probability of even one false decision among them is at most {LEVEL:.0%}).")
    if one.left_out:
        parts.append(f"Left out, because only one model has them: {', '.join(one.left_out)}.")
    return one_line(" ".join(parts))


def _of_mean(one: Comparison) -> str:
    row = one.mean
    effect = "" if one.effect is None else f", effect {one.effect:+.2f}"
    over_pairs = f", {one.p_over_pairs:.2g} over all {one.pairs} pairs of models" if one.pairs > 1 else ""
    interval = f"95 % interval {row.low:+.4f} to {row.high:+.4f}"
    figures = f"({row.difference:+.4f}, {interval}, p = {row.p:.2g}{over_pairs}{effect})"
    winner = better_model(one)
    if winner is None:
        return f"no difference of the mean holds {figures}."
    return f"{winner} is better than {one.second if winner == one.first else one.first} {figures}."


def better_model(comparison: Comparison) -> str | None:
    """The model whose mean over settings is better, adjusted over all pairs of models; None if that is undecided."""
    return _winner(comparison, comparison.mean) if comparison.p_over_pairs <= LEVEL else None


def _winner(one: Comparison, row: SettingComparison) -> str:
    ahead = row.difference > 0
    return one.first if ahead != (one.metric in _LOWER_IS_BETTER) else one.second
