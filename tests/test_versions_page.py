"""The tables of docs/versions.md: no row failed, and the lowest bounds of pyproject.toml are the ones that were run."""

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
EXTRAS = ("beir", "faiss", "ray", "report", "train", "translate")
REQUIREMENTS = [
    Requirement(line)
    for lines in (PROJECT["dependencies"], *(PROJECT["optional-dependencies"][extra] for extra in EXTRAS))
    for line in lines
]
REQUIRED = {requirement.name for requirement in REQUIREMENTS}


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


def table(what: str) -> list[dict[str, str]]:
    """The lines of a table by their headings."""
    _, _, after = PAGE.partition(f"<!-- {what} of benchmarks/versions.py -->\n")
    written, end, _ = after.partition(f"<!-- end of {what} -->")
    assert end
    lines = [line.strip("| ").split(" | ") for line in written.splitlines()]
    return [dict(zip(lines[0], line, strict=True)) for line in lines[2:]]


def rows() -> list[dict[str, str]]:
    """The environments."""
    return table("rows")


def versions_of(environment: str) -> dict[str, str]:
    """Package to version in an environment, as far as either table has it."""
    (row,) = (row for row in rows() if row["environment"] == f"`{environment}`")
    others = {line["package"]: line.get(f"`{environment}`", "-") for line in table("packages")}
    noted = {package: row[package] for package in row if package in REQUIRED} | others
    return {package: version for package, version in noted.items() if version != "-"}


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


def asked(package: str, python: str) -> Requirement:
    """What pyproject.toml asks of a package with a Python."""
    named = [one for one in REQUIREMENTS if one.name == package]
    (ours,) = (one for one in named if one.marker is None or one.marker.evaluate({"python_version": python}))
    return ours


def lower_bound(package: str, python: str) -> Version:
    """What pyproject.toml asks of a package at least, with a Python."""
    (bound,) = (one.version for one in asked(package, python).specifier if one.operator == ">=")
    return Version(bound)


def test_bounds_were_run():
    """The lowest versions are the lower bounds of all that we require, those of extras too; all Pythons were run."""
    lowest = versions_of("lowest")
    assert lowest.keys() == REQUIRED
    for package, version in lowest.items():
        assert Version(version) == lower_bound(package, "3.11"), package
    assert Version(versions_of("lowest-3.13")["torch"]) == lower_bound("torch", "3.13")
    pythons = {".".join(row["Python"].split(".")[:2]) for row in rows()}
    declared = re.findall(r"Python :: (3\.\d+)", "\n".join(PROJECT["classifiers"]))
    assert pythons == set(declared)


def test_what_was_run_is_what_we_ask_for():
    """No version of any environment is one that pyproject.toml leaves out."""
    for row in rows():
        python = ".".join(row["Python"].split(".")[:2])
        for package, version in versions_of(row["environment"].strip("`")).items():
            assert version in asked(package, python).specifier, (row["environment"], package)


def test_commits_are_noted():
    """A row says of which commit it is, and whether that was changed, or that nobody knows."""
    for row in rows():
        assert re.fullmatch(r"-|[0-9a-f]{7,12}( with changes)?", row["commit"]), row["environment"]


def test_the_script_notes_all_that_we_require(script):
    """Whatever we require or an extra of ours brings is in one of the tables, each once."""
    assert set(script.named_packages()) == REQUIRED
    assert {line["package"] for line in table("packages")} == REQUIRED - set(script.SHOWN)
    assert script.with_packages(PAGE, {}) == PAGE


def test_packages_are_written_beside_others(script):
    """An environment that is run gets a column at its place; what it does not have is not there, others stay."""
    written = script.with_packages(PAGE, {"newest-3.12": {"ray": "9.9", "torch": "8.8"}})
    assert script.with_packages(written, {}) == written
    assert "| package | `newest-3.12` | `lowest` |" in written
    before, after = script.noted(PAGE), script.noted(written)
    assert after["lowest"] == before["lowest"]
    others = set(before["lowest"]) - {"ray"}
    assert after["newest-3.12"] == {"ray": "9.9"} | dict.fromkeys(others, "-")


def test_rows_are_written_beside_others(script):
    """A row that is run anew takes the place of its old one, the others stay, and the order is the script's."""
    row = ["`lowest`", "3.99.0", *["1.0"] * 6, "7", "0", "0", "clean", "2026-01-01", "0123456"]
    written = script.with_rows(PAGE, {"lowest": row})
    assert "| `lowest` | 3.99.0 |" in written
    assert script.with_rows(written, {}) == written
    kept = [line for line in PAGE.splitlines() if not line.startswith("| `lowest` |")]
    assert [line for line in written.splitlines() if not line.startswith("| `lowest` |")] == kept
