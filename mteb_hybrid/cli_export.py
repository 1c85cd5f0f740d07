"""The command that writes tasks in other layouts: ``mteb-hybrid export``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import TYPE_CHECKING, Annotated

import typer

from mteb_hybrid.errors import ResultsError

if TYPE_CHECKING:
    from mteb.abstasks.retrieval import AbsTaskRetrieval


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
    from mteb_hybrid.export import export_beir, export_hub
    from mteb_hybrid.export.trec import find_runs, write_runs

    if predictions and layout is Layout.HUB:
        raise ResultsError("a data set of the hub has no place for runs; write them with --layout beir")
    found = _task(task, subset)
    metadata = found.metadata
    # before data is loaded or anything written
    runs = find_runs(predictions, metadata.name, subset, metadata.dataset["revision"]) if predictions else {}
    try:
        if layout is Layout.HUB:
            written = [export_hub(found, output, subset)]
        else:
            written = [*export_beir(found, output, subset), *write_runs(runs, output)]
    except OSError as error:
        raise ResultsError(
            f"cannot write {error.filename or output}: {error.strerror or error}; name another folder"
        ) from error
    for path in written:
        typer.echo(path)


def _task(name: str, subsets: list[str] | None) -> AbsTaskRetrieval:
    """A retrieval task of these subsets, or of all.

    Raises:
        ResultsError: MTEB knows no such task, it is none of retrieval, or has no such subset.
    """
    import mteb
    from mteb.abstasks.retrieval import AbsTaskRetrieval

    from mteb_hybrid import _mteb
    from mteb_hybrid.export.rows import check_subsets
    from mteb_hybrid.suggest import suggestion

    try:
        whole = mteb.get_task(name)
    except KeyError as error:
        raise ResultsError(f"MTEB knows no task {name!r}{suggestion(name, _mteb.registered_tasks())}") from error
    if not isinstance(whole, AbsTaskRetrieval):
        raise ResultsError(
            f"{name} is a task of {whole.metadata.type}: name one of retrieval, which has a corpus, queries and "
            "judgments"
        )
    if not subsets:
        return whole
    return whole.filter_languages(None, hf_subsets=check_subsets(whole, subsets))  # others are not loaded
