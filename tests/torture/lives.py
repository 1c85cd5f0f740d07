"""Lives of a program in forked processes, each of which may be ended by SIGKILL: at a moment, or at one of its writes.

What forks has imported everything, so that kills strike work and not imports. It never computes itself: threads do not
survive a fork, and locks that they hold do.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import pickle
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LIMIT = 300.0  # seconds after which an undisturbed life hangs


@dataclass(frozen=True)
class Death:
    """How a life shall end before its time.

    Attributes:
        kind: ``clock``, ``write`` or, of the real command with all its imports, ``cold``.
        moment: Seconds after its start, or for ``write`` the number of the system call before which it ends.
    """

    kind: str
    moment: float

    def __str__(self) -> str:
        return f"write {self.moment:.0f}" if self.kind == "write" else f"{self.kind} {self.moment:.3f} s"


@dataclass(frozen=True)
class Life:
    """One life that was lived.

    Attributes:
        killed: Whether it was ended before its time.
        code: Its exit code; that of a killed one is negative.
        seconds: How long it lasted.
        said: Its output.
        writes: Calls of ``fsync`` and ``rename`` that it made; of a whole life only.
        modules: What it had imported at its end; of a whole life only.
    """

    killed: bool
    code: int
    seconds: float
    said: str
    writes: int = 0
    modules: tuple[str, ...] = ()


@dataclass(frozen=True)
class Begun:
    """A life that is being lived."""

    child: int
    started: float
    log: Path
    note: Path
    death: Death | None

    def end(self) -> Life:
        """Wait for its end, or kill it and all that it has started when its time has come."""
        at_clock = self.death is not None and self.death.kind == "clock"
        code = _ended(self.child, self.started + self.death.moment if self.death is not None and at_clock else None)
        writes, modules = pickle.loads(self.note.read_bytes()) if self.note.exists() else (0, ())
        self.note.unlink(missing_ok=True)
        # a life may end before it has opened its log
        said = self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""
        seconds = time.monotonic() - self.started
        return Life(code == -signal.SIGKILL, code, seconds, said, writes, modules)


def begin(
    main: Callable[[], object],
    argv: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    death: Death | None = None,
    name: str = "life",
) -> Begun:
    """Fork, and let the child do what a command does.

    Args:
        main: The function behind the command.
        argv: The command.
        folder: Working folder; its output is kept beside it.
        environment: Variables beside those that there are.
        death: When to kill it; None: never.
        name: Tells lives on one folder apart.
    """
    log, note = (folder.with_name(f"{folder.name}.{name}{suffix}") for suffix in (".log", ".pickle"))
    note.unlink(missing_ok=True)
    started = time.monotonic()
    child = os.fork()
    if child == 0:
        _be(main, argv, folder, environment, log, note, death)
    with contextlib.suppress(OSError):  # the child does so too, whoever is first
        os.setpgid(child, child)
    return Begun(child, started, log, note, death)


def live_cold(command: Sequence[str], folder: Path, environment: Mapping[str, str], death: Death | None) -> Life:
    """The same of the real command in a new process."""
    log = folder.with_name(f"{folder.name}.cold.log")
    started = time.monotonic()
    with log.open("wb") as file:
        process = subprocess.Popen(
            list(command), cwd=folder, env={**os.environ, **environment}, stdout=file, stderr=file,
            stdin=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
    try:
        code = process.wait(LIMIT if death is None else death.moment)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        code = process.wait()
        if death is None:
            raise TimeoutError(f"{command[0]} did not end in {LIMIT:.0f} s: {log.read_text()[-2000:]}") from None
    said = log.read_text(encoding="utf-8", errors="replace")
    return Life(code == -signal.SIGKILL, code, time.monotonic() - started, said)


def in_child(function: Callable[..., Any], *arguments: Any) -> Any:
    """What a function returns that is called in a forked process, as reading Parquet makes threads; or its error."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        try:
            answer = (True, function(*arguments))
        except BaseException as error:  # noqa: BLE001 - whatever it is, the parent raises it
            answer = (False, f"{type(error).__name__}: {error}")
        with os.fdopen(writing, "wb") as pipe:
            pickle.dump(answer, pipe)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        data = pipe.read()
    os.waitpid(child, 0)
    worked, answer = pickle.loads(data)
    if not worked:
        raise AssertionError(answer)
    return answer


def import_all(modules: Sequence[str]) -> None:
    """Import what a life had imported, so that later ones need not."""
    for name in modules:
        if name.partition(".")[0] not in ("__main__", "__mp_main__", "transformers_modules"):
            with contextlib.suppress(Exception):
                importlib.import_module(name)


def draw(rng: random.Random, kind: str, seconds: float, writes: int) -> Death:
    """A death at any moment of a life of this length, or before any of its writes."""
    return Death(kind, rng.randint(1, max(1, writes)) if kind == "write" else rng.uniform(0, seconds))


def _ended(child: int, moment: float | None) -> int:
    """The exit code of a child, which is killed when its moment has come."""
    limit = time.monotonic() + LIMIT
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        now = time.monotonic()
        if now > limit:
            os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
            raise TimeoutError(f"a life did not end in {LIMIT:.0f} s")
        if moment is not None and now >= moment:
            os.killpg(child, signal.SIGKILL)
            moment = None
        time.sleep(0.001 if moment is None else min(0.001, max(0.0, moment - now)))


def _be(
    main: Callable[[], object], argv: Sequence[str], folder: Path, environment: Mapping[str, str], log: Path,
    note: Path, death: Death | None,
) -> None:  # fmt: skip
    """The child: do the work, say how it went, and never return."""
    code = 1
    try:
        os.setpgid(0, 0)
        os.environ.update(environment)
        os.chdir(folder)
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        os.dup2(output, 1)
        os.dup2(output, 2)
        sys.stdout, sys.stderr = os.fdopen(1, "w", buffering=1), os.fdopen(2, "w", buffering=1)
        sys.argv = list(argv)
        writes = _counted_writes(int(death.moment) if death is not None and death.kind == "write" else None)
        try:
            main()
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        note.write_bytes(pickle.dumps((len(writes), tuple(sys.modules))))
    except BaseException:  # noqa: BLE001 - the log is to show it
        import traceback

        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _counted_writes(last: int | None) -> list[str]:
    """Count the system calls by which files come into being from now on; die before the one of this number."""
    calls: list[str] = []

    def counted(name: str) -> Callable[..., Any]:
        original = getattr(os, name)

        def call(*arguments: Any, **options: Any) -> Any:
            calls.append(name)
            if len(calls) == last:
                os.killpg(0, signal.SIGKILL)
            return original(*arguments, **options)

        return call

    for name in ("fsync", "replace", "rename"):
        setattr(os, name, counted(name))
    return calls
