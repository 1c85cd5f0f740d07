"""The command that shows results: ``mteb-hybrid report``."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import Annotated

import typer
from rich.console import Console

from mteb_hybrid.atomic import atomic_path
from mteb_hybrid.errors import MtebHybridError, ResultsError
from mteb_hybrid.printable import some_lines


def report(
    results: Annotated[list[Path], typer.Argument(help="Output folders of `mteb run`, or files of them.")],
    languages: Annotated[bool, typer.Option(help="Also show every query language.")] = True,
    predictions: Annotated[
        list[Path] | None, typer.Option(help="Prediction folders of `mteb run` that are not below the output folders.")
    ] = None,
    form: Annotated[
        str | None,
        typer.Option("--format", help="markdown, latex, csv, json or html, instead of tables for the terminal."),
    ] = None,
    output: Annotated[Path | None, typer.Option(help="File to write to; its ending names the format.")] = None,
    train_languages: Annotated[
        list[str] | None,
        typer.Option(
            help="Languages that were trained on, such as de,en, or MODEL=de,en for one model; repeatable. Default: as "
            "the model's card says. For the HTML page."
        ),
    ] = None,
    tests: Annotated[bool, typer.Option(help="Test the differences of models on the HTML page.")] = True,
    plots: Annotated[Path | None, typer.Option(help="Folder to draw the figures into as well, one file each.")] = None,
    plot_format: Annotated[str, typer.Option(help="Of the figures: pdf, png or svg.")] = "pdf",
) -> None:
    """Show what `mteb run` found, in the layout of the paper, and the language bias of the pooled ranking.

    What needs single queries comes from the rank tables of --prediction-folder.
    """
    from mteb_hybrid.reporting import read_pooled, read_results, summarise
    from mteb_hybrid.reporting.differences import read_differences
    from mteb_hybrid.reporting.formats import FORMATS, format_of
    from mteb_hybrid.reporting.page import check_jinja, html
    from mteb_hybrid.reporting.report_tables import report_tables
    from mteb_hybrid.reporting.terminal import rich_table
    from mteb_hybrid.reporting.trained_on import trained_languages
    from mteb_hybrid.wide_tables import fitted

    name = format_of(form, output)
    console = Console(stderr=True, soft_wrap=True, highlight=False)
    if train_languages and name != "html":
        raise ResultsError("--train-languages is for the HTML page: give --format html")
    if name == "html":
        check_jinja()  # before the tests of differences, which take their time
    folders = [*(path for path in results if path.is_dir()), *(predictions or [])]
    scores = itertools.chain.from_iterable(read_results(path) for path in results)
    summaries = summarise(scores, *read_pooled(folders))
    if plots is not None:
        from mteb_hybrid.reporting.plots import draw_all

        for path in draw_all(summaries, plots, plot_format):
            typer.echo(path, err=output is None)
    if name is None:
        shown = Console(width=None if sys.stdout.isatty() else 140)
        for table in report_tables(summaries, languages=languages):
            for part in fitted(rich_table(table), shown, table.texts):
                shown.print(part)
        return
    if name == "html":
        trained_on = trained_languages(summaries, train_languages or ())
        comparisons, untested = [], "Differences were not tested: --no-tests."
        if tests:
            try:
                comparisons, untested = read_differences(summaries, folders), ""
            except MtebHybridError as problem:  # the rest of the page does not depend on it
                untested = f"Differences could not be tested: {problem}"
                console.print(some_lines(untested), markup=False)
        text = html(
            summaries, languages=languages, comparisons=comparisons, untested=untested, trained_on=trained_on
        )  # fmt: skip
    else:
        text = FORMATS[name](summaries, languages=languages)
    if output is None:
        typer.echo(text, nl=False)
    else:
        try:
            with atomic_path(output) as temporary:
                temporary.write_text(text, encoding="utf-8")
        except OSError as error:
            raise ResultsError(f"{output} cannot be written: {error}; name another file") from error
