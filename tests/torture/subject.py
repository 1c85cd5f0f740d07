"""What is tortured: a command, what of it is on disk, and what it comes to."""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from mteb_hybrid.rank_table import RankTable


@dataclass(frozen=True)
class State:
    """What of some work is on disk.

    Attributes:
        done: How much of it, from 0 to 1.
        finished: What is done and must stay as it is, by name: a mark that changes where it is done again.
        kept: What must not be done again as long as it is there, likewise.
        counted: Numbers that never become smaller while they are there.
        writing: Temporary files: a kill has struck inside a write.
    """

    done: float
    finished: Mapping[str, Any] = field(default_factory=dict)
    kept: Mapping[str, Any] = field(default_factory=dict)
    counted: Mapping[str, int] = field(default_factory=dict)
    writing: int = 0

    def without(self, work: str) -> State:
        """The same where what is finished of some work was lost: the names that begin with it and a blank."""
        left = {name: mark for name, mark in self.finished.items() if not name.startswith(f"{work} ")}
        return replace(self, finished=left)

    def follows(self, before: State) -> None:
        """Make sure that nothing was lost or done again since an earlier state.

        Raises:
            AssertionError: It was.
        """
        for name, mark in before.finished.items():
            assert name in self.finished, f"{name} was finished, and is lost"
            assert self.finished[name] == mark, f"{name} was finished, and was done again"
        for name, mark in before.kept.items():
            assert self.kept.get(name, mark) == mark, f"{name} was there, and was done again"
        for name, count in before.counted.items():
            assert self.counted.get(name, count) >= count, f"{name}: {count} were done, now {self.counted[name]} are"


@dataclass(frozen=True)
class Cut:
    """A file that was cut off.

    Attributes:
        work: What it was about, as in `State.without`.
        left: What is left of it.
    """

    work: str
    left: bytes


class Subject:
    """One kind of work, in folders that the engine makes.

    Attributes:
        name: What it is called on the command line and in the log.
        shared: Folder of what all its lives read and none changes.
        shows_tracebacks: Whether its command is not ours, and shows one for every error.
    """

    name = ""
    shows_tracebacks = False

    def __init__(self, shared: Path) -> None:
        self.shared = shared

    def prepare(self) -> None:
        """Make what is to be read; called once, in a process of its own."""

    def command(self, folder: Path) -> Sequence[str]:
        """The command; always the same one, which begins or goes on."""
        raise NotImplementedError

    def halves(self, folder: Path) -> tuple[Sequence[str], Sequence[str]] | None:
        """Two commands that do different parts of the work on the same folders; None if it has no parts."""
        return None

    def environment(self, folder: Path) -> dict[str, str]:
        """Variables of the command: all caches lie below the working folder, and no network is used."""
        return {
            "MTEB_HYBRID_CACHE": str(folder / "cache"), "MTEB_CACHE": str(folder / "mteb"),
            "HF_HOME": str(folder / "hf"), "HF_DATASETS_CACHE": str(folder / "hf" / "datasets"),
            "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "COLUMNS": "400", "OMP_NUM_THREADS": "1",
        }  # fmt: skip

    def state(self, folder: Path) -> State:
        """What is on disk.

        Raises:
            AssertionError: A file of ours is not whole.
        """
        raise NotImplementedError

    def outcome(self, folder: Path) -> dict[str, Any]:
        """What the work comes to when it is done: numbers, compared to 1e-6, and anything else, compared exactly."""
        raise NotImplementedError

    def cut(self, folder: Path, rng: random.Random) -> Cut | None:
        """Cut a file off as the program that writes it may have left it; None if there is none."""
        return None

    def mended(self, folder: Path, cut: Cut) -> None:
        """Make sure that the file that was cut off has been noticed, and set aside."""


def mark(path: Path) -> tuple[int, int]:
    """What changes when a file is written anew."""
    found = path.stat()
    return found.st_ino, found.st_mtime_ns


def whole(folder: Path, *, foreign: Sequence[str] = ()) -> int:
    """Read every file below a folder whose form we know.

    Args:
        folder: Where to look; it need not be there.
        foreign: Names of files and folders that others write.

    Returns:
        How many temporary files of ours there are; these need not be whole.

    Raises:
        AssertionError: A file is not whole; the message names it.
    """
    temporary = 0
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or set(path.relative_to(folder).parts) & set(foreign):
            continue
        if path.name.startswith(".") and path.suffix == ".tmp":
            temporary += 1
            continue
        try:
            _read(path)
        except Exception as error:
            raise AssertionError(f"{path} is not whole: {type(error).__name__}: {error}") from error
    return temporary


def _read(path: Path) -> None:
    if path.suffix == ".json":
        json.loads(path.read_text(encoding="utf-8"))
    elif path.suffix == ".jsonl":
        lines = path.read_text(encoding="utf-8").split("\n")
        assert lines.pop() == "", "its last line is cut off"
        for line in lines:
            json.loads(line)
    elif path.suffix == ".csv":
        with path.open(encoding="utf-8", newline="") as stream:
            head, *rows = csv.reader(stream)
        assert all(len(row) == len(head) for row in rows), "a row is cut off"
        assert path.read_bytes().endswith(b"\n"), "its last line is cut off"
    elif path.suffix == ".parquet":
        if any(b"mteb" in key for key in pq.read_schema(path).metadata or {}):
            RankTable.read(path)
    elif path.suffix == ".npz":
        with np.load(path, allow_pickle=False) as content:
            for name in content.files:
                content[name]
    elif path.suffix == ".npy":
        np.load(path, allow_pickle=False)
    elif path.suffix == ".toml":
        import tomllib

        tomllib.loads(path.read_text(encoding="utf-8"))
    elif path.suffix == ".safetensors":
        from safetensors.numpy import load_file

        load_file(path)
