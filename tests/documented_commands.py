"""Whether commands that the documentation shows are taken by their programs."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import mteb
import typer
from mteb.cli.build_cli import build_cli

from mteb_hybrid.cli import app

if TYPE_CHECKING:
    from collections.abc import Collection


def take_mtebs(command: str, own: Collection[str] = ()) -> None:
    """Make sure that MTEB's own parser takes ``mteb run``, and that tasks (but a user's own) and benchmarks exist."""
    arguments = build_cli().parse_args(shlex.split(command)[1:])
    assert arguments.model
    named = [name for name in arguments.tasks or () if name not in own]
    if named:
        assert [task.metadata.name for task in mteb.get_tasks(tasks=named)] == named
    for name in arguments.benchmarks or ():
        assert mteb.get_benchmark(name).tasks


def take_ours(command: str) -> None:
    """Make sure that our own parser takes ``mteb-hybrid``, also if another program starts it.

    What ``mteb-hybrid run`` passes on has to be taken by MTEB's.
    """
    words = shlex.split(command.partition("mteb_hybrid.cli ")[2] or command.partition("mteb-hybrid ")[2])
    group = typer.main.get_command(app)
    context = group.make_context("mteb-hybrid", list(words))
    name, found, rest = group.resolve_command(context, words)
    taken = found.make_context(name, rest, parent=context)
    if name == "run":
        take_mtebs(shlex.join(["mteb", "run", *taken.args]))
