"""The command ``mteb-hybrid``."""

from __future__ import annotations

import importlib.metadata
import os
import sys
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from mteb_hybrid import cli_compare, cli_export, cli_report, cli_run, cli_training
from mteb_hybrid.errors import MtebHybridError
from mteb_hybrid.printable import some_lines

app = typer.Typer(
    help="Monolingual, cross-lingual and pooled multilingual retrieval for MTEB. Evaluate with `mteb run`.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

app.command(context_settings=cli_run.PASS_ON)(cli_run.run)
app.command()(cli_report.report)
app.command()(cli_compare.compare)
app.command()(cli_export.export)
app.command()(cli_training.train)
app.command()(cli_training.sweep)

_PACKAGES = (
    "mteb-hybrid",
    "mteb",
    "sentence-transformers",
    "transformers",
    "accelerate",
    "torch",
    "datasets",
    "numpy",
    "pyarrow",
)


@app.command()
def info() -> None:
    """Show whether MTEB knows our tasks, where data and caches lie, and all versions."""
    from mteb_hybrid import _autoload
    from mteb_hybrid.collections.remote import CACHE_VARIABLE, DATA_VARIABLE, cache_folder, data_folder
    from mteb_hybrid.embeddings import STORE, STORE_VARIABLE

    console = Console(highlight=False, markup=False)
    live = _autoload.installed()
    switch = os.environ.get("MTEB_HYBRID_AUTOLOAD")
    if live:
        state = "live"
    elif switch is not None:
        state = f"off (MTEB_HYBRID_AUTOLOAD={switch!r})"
    else:
        state = "off (mteb_hybrid.pth was not run; reinstall mteb-hybrid, or call mteb_hybrid.register() by hand)"
    console.print(f"start-up hook: {state}", soft_wrap=True)
    names, trouble = _registered()
    console.print(f"registered tasks: {', '.join(names) if names else 'none'}")
    if trouble:
        console.print(some_lines(f"trouble: {trouble}"))
    for place, found in _cards():
        console.print(some_lines(f"card {place}: {found}"), soft_wrap=True)
    data = data_folder()
    console.print(f"data folder: {data or f'not set ({DATA_VARIABLE})'}", soft_wrap=True)
    console.print(f"cache folder: {cache_folder()} ({CACHE_VARIABLE})", soft_wrap=True)
    console.print(f"embedding store: at most {STORE.max_bytes:,} bytes ({STORE_VARIABLE})")
    versions = Table(show_header=False, box=None)
    versions.add_row("python", sys.version.split()[0])
    for package in _PACKAGES:
        versions.add_row(package, _version(package))
    console.print(versions)
    if trouble or not live or not names:
        raise typer.Exit(1)


@app.command()
def translate(
    model: Annotated[str, typer.Option(help="Sequence-to-sequence model: a name on the hub, or a directory.")],
    output: Annotated[Path, typer.Option(help="Translation folder, new or of the same model and settings.")],
    revision: Annotated[str | None, typer.Option(help="Commit, branch or tag of the model.")] = None,
    topics: Annotated[
        Path | None, typer.Option(help="Folder of topics.<language>.tsv, lines id<TAB>text. Default: from the hub.")
    ] = None,
    corpus_languages: Annotated[
        str | None,
        typer.Option(help="Languages to translate from, such as sw,bn. Default: all but the query language."),
    ] = None,
    query_language: Annotated[str, typer.Option(help="Language to translate into.")] = "en",
    lite: Annotated[bool, typer.Option("--lite", help="Only 100 topics of a language, always the same.")] = False,
    batch_size: Annotated[int, typer.Option(min=1, help="Texts translated at once.")] = 32,
    num_beams: Annotated[int, typer.Option(min=1, help="Beams of the search; 1 is greedy.")] = 4,
    max_new_tokens: Annotated[int, typer.Option(min=1, help="Longest translation in tokens.")] = 128,
    device: Annotated[str | None, typer.Option(help="Such as cuda:0 or cpu. Default: a GPU if there is one.")] = None,
    prefix: Annotated[
        str | None, typer.Option(help="Text before every text, such as 'translate {source} to {target}: ', or ''.")
    ] = None,
    round_trip: Annotated[bool, typer.Option(help="Translate back for a quality figure; doubles the time.")] = True,
) -> None:
    """Translate MIRACL's dev topics into a query language, for the cross-lingual tasks. A killed run goes on."""
    from mteb_hybrid.translation import LITE, run
    from mteb_hybrid.translation.seq2seq import Seq2SeqTranslator

    languages = run.corpus_languages(query_language, corpus_languages)
    found, dataset_revision = run.miracl_topics(languages, topics)
    translator = Seq2SeqTranslator(
        model, revision, device, batch_size, max_new_tokens=max_new_tokens, num_beams=num_beams, prefix=prefix
    )
    try:
        run.translate_topics(
            translator,
            found,
            output,
            dataset_revision=dataset_revision,
            query_language=query_language,
            sampled=LITE if lite else None,
            round_trip=round_trip,
            console=Console(stderr=True),
        )
    finally:
        run.show_quality(output, Console(width=None if sys.stdout.isatty() else 140))


def _registered() -> tuple[list[str], str | None]:
    """Names of our tasks that MTEB knows, and what keeps it from knowing them."""
    import warnings

    from mteb_hybrid import _mteb

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            import mteb.get_tasks  # noqa: F401

            known = _mteb.registered_tasks()
        except Exception as error:  # noqa: BLE001 - whatever it is, it is what this command is to show
            return [], f"{type(error).__name__}: {error}"
    trouble = [str(warning.message) for warning in caught if str(warning.message).startswith("mteb-hybrid could not")]
    names = [name for name, cls in known.items() if cls.__module__.startswith("mteb_hybrid.")]
    return names, trouble[0] if trouble else None


def _cards() -> list[tuple[Path, str]]:
    """Cards of users' own collections, with what is wrong, or the tasks and, in further lines, what these hold."""
    cards = sys.modules.get("mteb_hybrid.tasks.cards")  # not there where registration failed
    states = cards.card_states() if cards is not None else ()
    return [(state.path, state.problem or "\n  ".join([", ".join(state.tasks), *state.summary])) for state in states]


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def main() -> None:
    """Run the command; our own errors become one line on the standard error stream."""
    try:
        app()
    except MtebHybridError as error:
        if os.environ.get("RANK", "0") == "0":  # of several processes that train together one says what is wrong
            console = Console(stderr=True)
            console.print(
                some_lines(f"error: {error}"), style="bold red", highlight=False, markup=False, soft_wrap=True
            )
        sys.exit(2)


if __name__ == "__main__":  # accelerate launch -m mteb_hybrid.cli train ...
    main()
