"""The command that tests differences: ``mteb-hybrid compare``."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import Annotated

import typer
from rich.console import Console

from mteb_hybrid.errors import ResultsError


def compare(
    predictions: Annotated[list[Path], typer.Argument(help="Prediction folders of `mteb run`.")],
    model: Annotated[
        list[str] | None, typer.Option(help="Model to compare, by its name in MTEB; repeatable. Default: all.")
    ] = None,
    metric: Annotated[str, typer.Option(help="Such as map, ndcg_at_10, recall_at_10 or rank_distance.")] = "map",
    settings: Annotated[bool, typer.Option(help="Also show every setting.")] = True,
    draws: Annotated[int, typer.Option(min=1, help="Random sign patterns of a test.")] = 100_000,
    seed: Annotated[int, typer.Option(min=0, help="Of tests and intervals.")] = 0,
) -> None:
    """Test whether models differ: paired by question, over all settings, with intervals.

    Translations of a question count as one observation.
    """
    from mteb_hybrid.significance import compare as compare_models
    from mteb_hybrid.significance import read_scores
    from mteb_hybrid.significance.terminal import comparison_table, verdict

    found = [one for one in read_scores(predictions, metric) if model is None or one.model in model]
    if len(found) < 2:
        names = ", ".join(f"{one.model}@{one.revision}" for one in found) or "none"
        raise ResultsError(f"a comparison needs rank tables of two models; found: {names}")
    console = Console(width=None if sys.stdout.isatty() else 160)
    for first, second in itertools.combinations(found, 2):
        for one in compare_models(first, second, metric, draws=draws, seed=seed):
            if settings:
                console.print(comparison_table(one))
            console.print(verdict(one), markup=False, highlight=False, soft_wrap=True)
    if len(found) > 2:
        pairs = len(found) * (len(found) - 1) // 2
        console.print(
            f"{pairs} pairs of models were tested, each on its own: with so many, hold p against {0.05 / pairs:.2g}."
        )
