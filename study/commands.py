"""The commands that a user would give, with their output in a log."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

BIN = Path(sys.executable).parent
RECIPE = Path(__file__).with_name("recipe.toml")


def run_logged(words: Iterable[object], log: Path, jobs: int = 1, **variables: str) -> None:
    """Run one of so many commands at the same time, and add its output to a log.

    Raises:
        subprocess.CalledProcessError: It failed.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    threads = str(max(1, (os.cpu_count() or 1) // jobs))
    command = list(map(str, words))
    with log.open("a", encoding="utf-8") as stream:
        print("$", *command, file=stream, flush=True)
        environment = {"OMP_NUM_THREADS": threads, **os.environ, **variables}
        subprocess.run(command, check=True, stdout=stream, stderr=subprocess.STDOUT, env=environment)


def training(program: Iterable[object], settings: Iterable[str], folder: Path, *, resumes: bool = True) -> list[object]:
    """The command that trains study/recipe.toml with some settings into a folder, going on with what is there."""
    words = [word for setting in settings for word in ("--set", setting)]
    return [*program, *words, "--output", folder, *(["--resume"] if resumes and folder.exists() else [])]


def first_initialiser(model: str) -> str:
    """A directory's whole path; a name on the hub stays as it is."""
    directory = Path(model).expanduser()
    return str(directory.resolve()) if directory.is_dir() else model
