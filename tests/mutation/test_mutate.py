"""Faults are made as they are meant to be, and a suite that does not notice one is told from a suite that does."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import mutants
import mutation_log
import pytest
import trials
from mutate import GROUPS

MUTATE = Path(__file__).with_name("mutate.py")

SOURCE = '''
"""A docstring with 1 in it."""
import logging

logger = logging.getLogger("1")


def largest(values: list[int], most: int = 3) -> int | None:
    """The largest of the first few, 4 if there is none."""
    if not values or most < 1:
        raise ValueError(f"no values below {most + 1}")
    logger.warning("1 %s", 2)
    return max(values[:most])
'''

CHANGES = {
    "def largest(values: list[int], most: int = 4) -> int | None:",
    "if (not (not values or most < 1)):",
    "if (not values and most < 1):",
    "if values or most < 1:",
    "if not values or (most <= 1):",
    "if not values or most < 2:",
    "pass",
    "return None",
    "return min(values[:most])",
    "return max(values[:])",
}


def test_faults():
    """All faults of a small function, in code alone: no docstring, annotation, import, message or logger."""
    found = mutants.mutants(SOURCE)
    assert {one.after for one in found} == CHANGES
    assert sorted(one.before for one in found if one.after == "pass") == [
        'logger.warning("1 %s", 2)', 'raise ValueError(f"no values below {most + 1}")',
    ]  # fmt: skip
    assert all(SOURCE.splitlines()[one.line - 1].strip() == one.before for one in found)


@pytest.mark.parametrize("module", ["metrics/ranks.py", "above.py"])
def test_every_mutant_is_another_program(module):
    """Each differs from its source and can be compiled, and no two are the same."""
    source = (trials.ROOT / "mteb_hybrid" / module).read_text(encoding="utf-8")
    trees = [ast.dump(ast.parse(one.source)) for one in mutants.mutants(source)]
    assert len(trees) > 30
    assert len({ast.dump(ast.parse(source)), *trees}) == 1 + len(trees)


@pytest.mark.parametrize("group", GROUPS.values(), ids=GROUPS)
def test_groups_are_there(group):
    """Every pattern of a group finds modules, and tests."""
    packages = (trials.ROOT / "mteb_hybrid", trials.ROOT)
    assert all(any(any(package.glob(one)) for package in packages) for one in group.modules)
    assert all(any((trials.ROOT / "tests").glob(one)) for one in group.tests)


def test_explained_mutants_are_there():
    """Every explanation is of a mutant that still can be made."""
    modules = {key.partition(": ")[0] for key in mutation_log.explanations()}
    there = set()
    for module in modules:
        part = module.partition("/")[0]
        path = trials.ROOT / module if part in trials.MOVED else trials.ROOT / "mteb_hybrid" / module
        there |= {f"{module}: {one}" for one in mutants.mutants(path.read_text(encoding="utf-8"))}
    assert mutation_log.explanations().keys() <= there


@pytest.mark.slow
def test_command(tmp_path):
    """A few mutants of the smallest group are tried; fates, log and the exit code say the same."""
    fates, log = tmp_path / "fates.jsonl", tmp_path / "LOG.md"
    command = [sys.executable, str(MUTATE), "--group=metrics", "--module=judged", "--sample=8"]
    done = subprocess.run(
        [*command, "--fates=fates.jsonl", "--log=LOG.md"],
        cwd=tmp_path, capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    told = [json.loads(line) for line in fates.read_text(encoding="utf-8").splitlines()]
    killed = sum(bool(one["killer"]) for one in told)
    assert len(told) == 8
    assert killed >= 6
    assert done.returncode == ("Not explained" in log.read_text(encoding="utf-8")), done.stderr
    assert f"metrics: {killed} of 8 killed" in done.stdout
