"""The table of docs/versions.md: no row failed, and the lowest bounds of pyproject.toml are the ones that were run."""

from __future__ import annotations

import importlib.util
import re
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "versions.md").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.fixture
def script(monkeypatch):
    """benchmarks/versions.py as a module."""
    pytest.importorskip("uv", reason="uv is not installed")
    spec = importlib.util.spec_from_file_location("versions", ROOT / "benchmarks" / "versions.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)  # its dataclasses look there for their types
    spec.loader.exec_module(module)
    return module


def rows() -> list[dict[str, str]]:
    """The rows by their headings."""
    lines = [line.strip("| ").split(" | ") for line in PAGE.splitlines() if line.startswith("| ")]
    return [dict(zip(lines[0], line, strict=True)) for line in lines[2:]]


def test_rows_are_of_known_environments():
    """Each once, with tests that passed, none that failed, and nothing that pip complains of."""
    names = [row["environment"] for row in rows()]
    assert len(names) == len(set(names)) > 3
    for row in rows():
        assert int(row["passed"]) > 500
        assert (row["failed"], row["`pip check`"]) == ("0", "clean"), row["environment"]


def test_rows_are_those_of_the_script(script):
    """What is in the table is what the script tries, in its order."""
    names = [row["environment"].strip("`") for row in rows()]
    assert names == [name for name in script.COMBINATIONS if name in names]


def lower_bound(package: str, python: str) -> Version:
    """What pyproject.toml asks of a package at least, with a Python."""
    asked = [Requirement(line) for line in PROJECT["dependencies"]]
    (ours,) = (
        one
        for one in asked
        if one.name == package and (one.marker is None or one.marker.evaluate({"python_version": python}))
    )
    (bound,) = (one.version for one in ours.specifier if one.operator == ">=")
    return Version(bound)


def test_bounds_were_run():
    """The row of the lowest versions has every lower bound that the table has a column for; all Pythons were run."""
    (lowest,) = (row for row in rows() if row["environment"] == "`lowest`")
    (newer,) = (row for row in rows() if row["environment"] == "`lowest-3.13`")
    for package in ("mteb", "sentence-transformers", "transformers", "datasets", "torch", "numpy"):
        assert Version(lowest[package]) == lower_bound(package, "3.11"), package
    assert Version(newer["torch"]) == lower_bound("torch", "3.13")
    pythons = {".".join(row["Python"].split(".")[:2]) for row in rows()}
    declared = re.findall(r"Python :: (3\.\d+)", "\n".join(PROJECT["classifiers"]))
    assert pythons == set(declared)


def test_rows_are_written_beside_others(script):
    """A row that is run anew takes the place of its old one, the others stay, and the order is the script's."""
    row = ["`lowest`", "3.99.0", *["1.0"] * 6, "7", "0", "0", "clean", "2026-01-01"]
    written = script.with_rows(PAGE, {"lowest": row})
    assert "| `lowest` | 3.99.0 |" in written
    assert script.with_rows(written, {}) == written
    kept = [line for line in PAGE.splitlines() if not line.startswith("| `lowest` |")]
    assert [line for line in written.splitlines() if not line.startswith("| `lowest` |")] == kept
