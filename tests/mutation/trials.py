"""Mutants on trial: the tests that reach a fault are run until one of them fails.

A run of tests is a fork of a process that has imported all that they need but the package itself, so that it costs
little more than the first test that fails. What is tested is a copy of the package, laid out as it is installed, and
mutants are written into its files: processes that tests start have the fault too.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import importlib
import json
import os
import resource
import shutil
import signal
import sys
import threading
import time
import traceback
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mutants import Mutant

ROOT = Path(__file__).resolve().parents[2]
MOVED = {"tasks": "mteb_hybrid/tasks", "trainers": "mteb_hybrid/trainers"}
OURS = ("mteb_hybrid", "tests")
MEMORY = 12 << 30
ONE_TEST = 40  # seconds of computing, after which a test is taken for one that comes to no end


@dataclass(frozen=True)
class Group:
    """Modules that are mutated, and the tests that must notice.

    Attributes:
        modules: Globs below the package.
        tests: Globs below ``tests/``.
    """

    modules: tuple[str, ...]
    tests: tuple[str, ...]


class Laboratory:
    """A copy of the package with its tests, in which the mutants of one group are tried.

    Args:
        group: The group.
        folder: Where it is; empty. This process goes there.
    """

    def __init__(self, group: Group, folder: Path) -> None:
        self.group, self.folder = group, folder
        self.package = folder / "mteb_hybrid"
        without = shutil.ignore_patterns("__pycache__")
        for name, place in {"mteb_hybrid": "mteb_hybrid", **MOVED, "tests": "tests"}.items():
            shutil.copytree(ROOT / name, folder / place, ignore=without)
        shutil.copy(ROOT / "pyproject.toml", folder)
        for path in ROOT.iterdir():
            if not (path.name.startswith(".") or path.name in (*MOVED, "build") or (folder / path.name).exists()):
                (folder / path.name).symlink_to(path)  # documents that tests read
        os.chdir(folder)
        os.environ |= {"PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
        sys.path.insert(0, str(folder))
        tests = folder / "tests"
        self._files = [str(path) for glob in group.tests for path in sorted(tests.glob(glob))]
        self._reached: dict[str, set[tuple[str, int]]] = {}
        self.seconds = 0.0

    def warm_up(self) -> None:
        """Import what the tests import, and learn which of them reach what.

        Raises:
            SystemExit: They fail without any mutant.
        """
        _forget()
        started = time.monotonic()
        failed = self._tested([self._files], None, 3600)
        self.seconds = time.monotonic() - started
        if failed:
            output = self.folder.joinpath("output").read_text(encoding="utf-8", errors="replace")
            sys.exit(f"the tests fail without a mutant: {failed}\n{output[-5000:]}")
        noted = json.loads(self.folder.joinpath("noted.json").read_text(encoding="utf-8"))
        ours = {str(self.package / module) for module in self.modules()}
        self._reached = {
            test: {(path, line) for path, line in places if path in ours} for test, places in noted["reached"].items()
        }
        for name in noted["modules"]:
            if not name.startswith(OURS):
                with contextlib.suppress(Exception):  # what is no module of its own
                    importlib.import_module(name)
        _forget()
        for path in self.package.rglob("*.pyc"):
            path.unlink()  # that of a mutant would be told from it by time and size alone
        sys.dont_write_bytecode = True
        os.environ["PYTHONDONTWRITEBYTECODE"] = "1"

    def modules(self) -> list[str]:
        """Paths of the group's modules below the package."""
        return sorted(
            str(path.relative_to(self.package)) for glob in self.group.modules for path in self.package.glob(glob)
        )

    def source(self, module: str) -> str:
        """The source of a module as it is."""
        return (self.package / module).read_text(encoding="utf-8")

    def try_out(self, module: str, mutant: Mutant) -> str:
        """Which test fails first with a mutant, or how else its life ends; empty if it survives."""
        source = self.source(module)
        wanted = self._tests_of(module, _owner(source, mutant.line), source)
        files = [file for file in self._files if any(_name(test).startswith(_name(file)) for test in wanted)]
        own = [file for file in files if Path(file).stem == f"test_{Path(module).stem}"]
        rest = [file for file in files if file not in own]
        (self.package / module).write_text(mutant.source, encoding="utf-8")
        try:
            return self._tested([some for some in (own, rest) if some], wanted, 60 + 3 * self.seconds)
        finally:
            (self.package / module).write_text(source, encoding="utf-8")

    def _tests_of(self, module: str, owner: tuple[int, int] | None, source: str) -> set[str]:
        """The tests that run a function, or, for what stands outside of all, any function of the module.

        A test that runs nothing of the group in this process may do so in another.
        """
        path = str(self.package / module)

        def runs_it(places: set[tuple[str, int]]) -> bool:
            return any(file == path and owner in (None, _owner(source, line)) for file, line in places)

        found = set()
        for test in self._reached:
            own, shared = self._reached[test], self._reached.get(test.partition("::")[0], set())
            if "::" in test and (runs_it(own | shared) or not own | shared):
                found.add(test)
        return found

    def _tested(self, parts: Sequence[Sequence[str]], wanted: set[str] | None, limit: float) -> str:
        """Run tests in a fork, file after file until one fails: which one, or what else happened; empty if none did."""
        said = self.folder / "said"
        said.unlink(missing_ok=True)
        child = os.fork()
        if not child:
            _live(lambda: _run(parts, wanted, self.folder))
        for _ in range(int(100 * limit)):  # looks and not time, which goes on where both of us are stopped
            done, status = os.waitpid(child, os.WNOHANG)
            if done:
                code = os.waitstatus_to_exitcode(status)
                if code == 0:
                    return ""
                return (said.read_text(encoding="utf-8") if said.exists() else "") or f"exit code {code}"
            time.sleep(0.01)
        os.killpg(child, signal.SIGKILL)
        os.waitpid(child, 0)
        return "out of time"


@dataclass(eq=False)
class _Watch:
    """A plugin of pytest: runs some of the tests, says which one failed first, and notes what each of them reaches."""

    said: Path
    package: str
    wanted: set[str] | None
    reached: dict[str, set[tuple[str, int]]] = field(default_factory=lambda: defaultdict(set))
    now: str = ""

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        if self.wanted is not None:
            items[:] = [item for item in items if item.nodeid in self.wanted]

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        signal.setitimer(signal.ITIMER_PROF, ONE_TEST)  # in seconds of computing, because other work may slow all down
        self.now = nodeid.partition("::")[0]  # what fixtures reach is reached by all tests of a file

    def pytest_runtest_call(self, item: Any) -> None:
        self.now = item.nodeid
        self.reached[self.now]  # it is known, whatever it reaches

    def pytest_runtest_teardown(self, item: Any) -> None:
        self.now = item.nodeid.partition("::")[0]

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.failed:
            self.said.write_text(_name(report.nodeid), encoding="utf-8")

    def pytest_collectreport(self, report: Any) -> None:
        if report.failed:
            self.said.write_text(f"{_name(report.nodeid)} (import)", encoding="utf-8")

    def trace(self, frame: Any, _event: str, _argument: object) -> None:
        """Note a function that begins."""
        code = frame.f_code
        if code.co_filename.startswith(self.package):
            self.reached[self.now].add((code.co_filename, code.co_firstlineno))


def _run(parts: Sequence[Sequence[str]], wanted: set[str] | None, folder: Path) -> int:
    """Run the tests of some files, then those of others; pytest's exit code. Without ``wanted`` all, and take notes."""
    import pytest
    from hypothesis import Phase, settings

    phases = (Phase.explicit, Phase.generate)
    settings.register_profile("mutants", derandomize=True, database=None, max_examples=50, phases=phases)
    settings.load_profile("mutants")
    watch = _Watch(folder / "said", str(folder / "mteb_hybrid"), wanted)
    if wanted is None:
        threading.settrace(watch.trace)
        sys.settrace(watch.trace)
    options = ["-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--tb=no", "--no-header"]
    for files in parts:
        if code := int(pytest.main([*options, *files], [watch])):
            return code
    if wanted is None:
        sys.settrace(None)
        import mteb_hybrid

        assert Path(mteb_hybrid.__file__).is_relative_to(folder), f"tested is {mteb_hybrid.__file__}"
        noted = {"modules": [*sys.modules], "reached": {test: [*places] for test, places in watch.reached.items()}}
        folder.joinpath("noted.json").write_text(json.dumps(noted), encoding="utf-8")
    return 0


def _live(work: Callable[[], int]) -> None:
    """Do some work in a process whose output is a file, and end it."""
    code = 99
    try:
        os.setsid()
        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
        output = os.open("output", os.O_RDWR | os.O_CREAT | os.O_TRUNC)
        for number in range(3):
            os.dup2(output, number)
        code = work()
    except BaseException:  # noqa: BLE001 - whatever it is, it is the end
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(code)


def _forget() -> None:
    """Forget the package and its tests, so that they are imported anew."""
    here = str(Path.cwd())
    for name, module in list(sys.modules.items()):
        if name.startswith(OURS) or str(getattr(module, "__file__", None)).startswith(here):
            del sys.modules[name]


def _name(test: str) -> str:
    """A test, or a file of tests, without the folder that all are in."""
    return test.partition("tests/")[2] or test


def _owner(source: str, line: int) -> tuple[int, int] | None:
    """First and last line of the innermost function that a line is in; None if it is in none."""
    inside = [span for span in _functions(source) if span[0] <= line <= span[1]]
    return max(inside, default=None)


@functools.cache
def _functions(source: str) -> list[tuple[int, int]]:
    """First and last line of every function, decorators among them."""
    return [
        (min([node.lineno, *(one.lineno for one in node.decorator_list)]), node.end_lineno or node.lineno)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
