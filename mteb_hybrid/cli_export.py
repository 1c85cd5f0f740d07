"""The command that writes tasks in other layouts: ``mteb-hybrid export``."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import Annotated

import typer

from mteb_hybrid.errors import ResultsError


def export(
    task: Annotated[str, typer.Argument(help="Name of a retrieval task, such as XQuADRMonolingual.")],
    output: Annotated[Path, typer.Option(help="Folder for a folder of each subset.")],
    subset: Annotated[list[str] | None, typer.Option(help="Subset to write, such as de; repeatable.")] = None,
) -> None:
    """Write a task in BEIR's layout, a folder for each subset, with its judgments for trec_eval."""
    import mteb
    from mteb.abstasks.retrieval import AbsTaskRetrieval

    from mteb_hybrid.export import export_beir

    try:
        whole = mteb.get_task(task)
    except KeyError as error:
        raise ResultsError(f"MTEB knows no task {task!r}: {error.args[0]}") from error
    known = subset and set(subset) <= set(whole.hf_subsets)
    found = mteb.get_task(task, hf_subsets=subset) if known else whole  # others are not loaded
    if not isinstance(found, AbsTaskRetrieval):
        raise ResultsError(f"{task} is no retrieval task")
    for folder in export_beir(found, output, subset):
        typer.echo(folder)
