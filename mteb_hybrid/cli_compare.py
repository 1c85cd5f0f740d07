"""The command that tests differences: ``mteb-hybrid compare``."""

from __future__ import annotations

import sys
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import Annotated, Literal

import typer
from rich.console import Console

from mteb_hybrid.errors import ResultsError


def compare(
    predictions: Annotated[list[Path], typer.Argument(help="Prediction folders of `mteb run`.")],
    model: Annotated[
        list[str] | None,
        typer.Option(
            help="Model to compare, by its name in MTEB; repeat it: the first minus the second. Default: all."
        ),
    ] = None,
    metric: Annotated[str, typer.Option(help="Such as map, map_at_20, mrr, ndcg_at_10 or rank_distance.")] = "map",
    settings: Annotated[bool, typer.Option(help="Also show every setting.")] = True,
    adjustment: Annotated[
        str, typer.Option("--adjust", help="max-t or holm: over the settings of a table, which differences hold.")
    ] = "max-t",
    draws: Annotated[int, typer.Option(min=1, help="Random sign patterns of a test.")] = 100_000,
    seed: Annotated[int, typer.Option(min=0, help="Of tests and intervals.")] = 0,
) -> None:
    """Test whether models differ: paired by question, over all settings, with intervals.

    Translations of a question count as one observation.
    """
    from mteb_hybrid.rank_table import find_tables, read_info
    from mteb_hybrid.significance import compare_all, read_scores
    from mteb_hybrid.significance.terminal import comparison_table, verdict
    from mteb_hybrid.wide_tables import fitted

    if adjustment not in ("max-t", "holm"):
        raise ResultsError(f"--adjust must be max-t or holm, not {adjustment!r}")
    method: Literal["max-t", "holm"] = "holm" if adjustment == "holm" else "max-t"
    there = dict.fromkeys(read_info(path).variant for path in find_tables(predictions)) if model else {}
    for name in model or ():
        if name not in there:
            raise ResultsError(
                f"there are no rank tables of a model {name!r}; there are those of {', '.join(there) or 'none'}"
            )
    found = read_scores(predictions, metric, models=model)
    if model:
        found.sort(key=lambda one: model.index(one.model))
    if len(found) < 2:
        names = ", ".join(f"{one.model}@{one.revision}" for one in found) or "none"
        raise ResultsError(
            f"a comparison needs rank tables of two models with the metric {metric}; found: {names}. Name the folders "
            "that `mteb run --prediction-folder` has written"
        )
    console = Console(width=None if sys.stdout.isatty() else 160)
    comparisons = compare_all(found, metric, draws=draws, seed=seed)
    for one in comparisons:
        if settings:
            for part in fitted(comparison_table(one, method), console):
                console.print(part)
        console.print(verdict(one, method), markup=False, highlight=False, soft_wrap=True)
