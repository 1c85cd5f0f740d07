"""The commands that train: ``mteb-hybrid train`` and ``mteb-hybrid sweep``."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer
from rich.console import Console

from mteb_hybrid.errors import RecipeError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.table import Table

Number = TypeVar("Number", int, float)
RecipeArgument = Annotated[str, typer.Argument(help="TOML file, or the name of a shipped recipe.", metavar="RECIPE")]
Changes = Annotated[
    list[str] | None,
    typer.Option("--set", help="Another value, such as sampler.alpha=0.4; repeatable.", metavar="KEY=VALUE"),
]


def train(
    recipe: RecipeArgument,
    output: Annotated[
        Path | None, typer.Option(help="Directory of the model, instead of the recipe's output.directory.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint in the directory.")] = False,
    changes: Changes = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Load the model and the data, check everything, write nothing.")
    ] = False,
    ray: Annotated[
        str | None,
        typer.Option(
            help="Train on a Ray cluster: 'auto' on one of its nodes, HOST:PORT of its head, or 'local'.",
            metavar="ADDRESS",
        ),
    ] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="With --ray: processes that train together.")] = None,
    gpus_per_worker: Annotated[
        int | None, typer.Option(min=0, max=1, help="With --ray. Default: 1 if the cluster has GPUs.")
    ] = None,
    restarts: Annotated[
        int | None,
        typer.Option(min=0, help="With --ray: how often to go on after a node or a worker was lost. Default: 3."),
    ] = None,
) -> None:
    """Train an encoder by a recipe; `mteb run -m DIRECTORY` then evaluates it."""
    from mteb_hybrid.trainers.recipes import Recipe
    from mteb_hybrid.trainers.recipes import train as train_recipe
    from mteb_hybrid.trainers.recipes.terminal import summary_table

    cluster = {"workers": workers, "gpus_per_worker": gpus_per_worker, "restarts": restarts}
    given = {name: value for name, value in cluster.items() if value is not None}
    if (ray is None and given) or (ray is not None and workers is None):
        raise typer.BadParameter(
            "--ray ADDRESS and --workers N go together, and --gpus-per-worker and --restarts only with them"
        )
    read = Recipe.read(recipe, changes or ())
    with _naming(recipe):
        if ray is None:
            done = train_recipe(read, output, resume=resume, dry_run=dry_run)
        else:
            from mteb_hybrid.scaling.training import train_on_ray

            done = train_on_ray(read, output, address=ray, resume=resume, dry_run=dry_run, **given)
    if dry_run:
        _show(read.to_toml())
    _show(summary_table(done))


def sweep(
    recipe: RecipeArgument,
    output: Annotated[Path, typer.Option(help="Folder for a directory of each training, and for the tables.")],
    alpha: Annotated[str | None, typer.Option(help="Values of sampler.alpha, such as 0,0.5,1.")] = None,
    languages: Annotated[
        str | None, typer.Option(help="Values of sampler.languages, such as 'en,de;en,de,es'.")
    ] = None,
    fraction: Annotated[str | None, typer.Option(help="Shares of the data, such as 0.1,1.")] = None,
    seed: Annotated[str | None, typer.Option(help="Values of training.seed, such as 1,2.")] = None,
    changes: Changes = None,
) -> None:
    """Train a recipe at every point of a grid and tabulate; what is done is not done again."""
    from mteb_hybrid.trainers.recipes import Recipe
    from mteb_hybrid.trainers.recipes import sweep as sweep_recipe
    from mteb_hybrid.trainers.recipes.terminal import sweep_table

    read = Recipe.read(recipe, changes or ())
    with _naming(recipe):
        points = sweep_recipe(
            read,
            output,
            alphas=_numbers("--alpha", alpha, float),
            languages=[_split(one, ",") for one in _split(languages, ";")],
            fractions=_numbers("--fraction", fraction, float),
            seeds=_numbers("--seed", seed, int),
        )
    _show(sweep_table(points))
    if any(point.problem for point in points):
        raise typer.Exit(2)


@contextlib.contextmanager
def _naming(recipe: str) -> Iterator[None]:
    """Put the recipe in front of messages about its keys."""
    try:
        yield
    except RecipeError as error:
        raise RecipeError(f"{recipe}: {error}") from error


def _split(text: str | None, separator: str) -> list[str]:
    return [part.strip() for part in (text or "").split(separator) if part.strip()]


def _numbers(option: str, text: str | None, number: type[Number]) -> list[Number]:
    try:
        return [number(part) for part in _split(text, ",")]
    except ValueError as error:
        raise typer.BadParameter(f"{option}: {text!r} must be numbers with commas between them") from error


def _show(what: Table | str) -> None:
    """Print on the standard output; of several processes that train together the first one does."""
    if os.environ.get("RANK", "0") == "0":
        console = Console(width=None if sys.stdout.isatty() else 140)
        console.print(what, markup=False, highlight=False, soft_wrap=isinstance(what, str))
