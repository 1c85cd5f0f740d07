"""The command that writes tasks in other layouts: ``mteb-hybrid export``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import Annotated

import typer

from mteb_hybrid.errors import ResultsError


class Layout(StrEnum):
    """Whose layout a task is written in."""

    BEIR = "beir"
    """A folder for each subset, with JSON lines, and judgments and runs for trec_eval."""
    HUB = "hub"
    """One data set of MTEB's on the hub."""


def export(
    task: Annotated[str, typer.Argument(help="Name of a retrieval task, such as XQuADRMonolingual.")],
    output: Annotated[Path, typer.Option(help="Folder for a folder of each subset, or for the data set.")],
    subset: Annotated[list[str] | None, typer.Option(help="Subset to write, such as de; repeatable.")] = None,
    layout: Annotated[Layout, typer.Option(help="BEIR's, or that of MTEB's data sets on the hub.")] = Layout.BEIR,
    predictions: Annotated[
        list[Path] | None,
        typer.Option(help="Prediction folder of `mteb run`, whose lists are written as runs; repeatable."),
    ] = None,
) -> None:
    """Write a task in BEIR's layout, with judgments and runs for trec_eval, or as a data set of the hub."""
    import mteb
    from mteb.abstasks.retrieval import AbsTaskRetrieval

    from mteb_hybrid.export import export_beir, export_hub, export_runs

    if predictions and layout is Layout.HUB:
        raise ResultsError("a data set of the hub has no place for runs; write them with --layout beir")
    try:
        whole = mteb.get_task(task)
    except KeyError as error:
        raise ResultsError(f"MTEB knows no task {task!r}: {error.args[0]}") from error
    known = subset and set(subset) <= set(whole.hf_subsets)
    found = mteb.get_task(task, hf_subsets=subset) if known else whole  # others are not loaded
    if not isinstance(found, AbsTaskRetrieval):
        raise ResultsError(f"{task} is no retrieval task")
    if layout is Layout.HUB:
        typer.echo(export_hub(found, output, subset))
        return
    for folder in export_beir(found, output, subset):
        typer.echo(folder)
    for run in (
        export_runs(predictions, task, output, subset, found.metadata.dataset["revision"]) if predictions else ()
    ):
        typer.echo(run)
