"""Every example of the README and the docs runs, or is at least a command that its program accepts."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from documented_commands import take_mtebs, take_ours
from tiny_models import sentence_transformer

from mteb_hybrid.trainers.recipes import Recipe

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
TUTORIALS = sorted((ROOT / "docs" / "tutorials").glob("*.md"))  # what runs there is run by test_tutorials.py
BLOCK = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)
OURS = re.compile(r"(mteb-hybrid|accelerate launch .*|torchrun .*|ray job submit .*) ")
BIN = Path(sys.executable).parent


def blocks(language: str, pages: list[Path] = PAGES) -> list:
    return [
        pytest.param(text, id=f"{page.name}-{number}")
        for page in pages
        for number, (name, text) in enumerate(BLOCK.findall(page.read_text(encoding="utf-8")))
        if name == language
    ]


def commands() -> list[str]:
    return [
        line.removeprefix("$ ")
        for param in blocks("console", [*PAGES, *TUTORIALS])
        for line in param.values[0].splitlines()
        if line.startswith("$ ")
    ]


@pytest.mark.slow
@pytest.mark.parametrize("code", blocks("python"))
def test_python_examples_run(code, tmp_path):
    """A Python block of the documentation runs as it stands, offline, in a folder with nothing but the model it names.

    A small stand-in lies where sentence-transformers looks before it asks the hub.
    """
    for name in set(re.findall(r'SentenceTransformer\("(.+?)"\)', code)):
        sentence_transformer(tmp_path / name)
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.parametrize("command", [c for c in commands() if c.startswith("mteb run")])
def test_mteb_commands_are_accepted(command):
    """MTEB's own parser takes the command, and its tasks and benchmarks exist."""
    take_mtebs(command)


@pytest.mark.parametrize("command", [c for c in commands() if OURS.match(c)])
def test_our_commands_are_accepted(command):
    """Our own parser takes the command."""
    take_ours(command)


@pytest.mark.parametrize("recipe", blocks("toml"))
def test_recipes_can_be_read(recipe, tmp_path):
    """A recipe of the documentation is one."""
    (tmp_path / "recipe.toml").write_text(recipe, encoding="utf-8")
    assert Recipe.read(tmp_path / "recipe.toml").training.steps


def make_targets() -> list[str]:
    """What README, CONTRIBUTING and the docs tell to make, as code or as a command."""
    texts = [page.read_text(encoding="utf-8") for page in (*PAGES, *TUTORIALS, ROOT / "CONTRIBUTING.md")]
    return sorted({target for text in texts for target in re.findall(r"(?:`|^\$ )make\s+([\w-]+)", text, re.MULTILINE)})


@pytest.mark.parametrize("target", make_targets())
def test_make_targets_exist(target):
    """What is told to make can be made."""
    done = subprocess.run(["make", "--dry-run", target], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_make_targets_are_found():
    """Those of the README, in a block, and of CONTRIBUTING, in the text, are among them."""
    assert {"demo", "test", "lint", "format", "torture", "fuzz", "mutants", "versions"} <= set(make_targets())


@pytest.mark.parametrize("folder", ["mteb_hybrid", "tasks"])
def test_the_map_is_whole(folder):
    """CONTRIBUTING says of every module of these packages what it is."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    modules = {path.name for path in (ROOT / folder).glob("*.py")} - {"__init__.py"}
    assert {name for name in modules if not re.search(rf"[`/]{re.escape(name)}`", text)} == set()


@pytest.mark.slow
def test_the_demo_without_make(tmp_path):
    """The plain commands of the demo run one after the other and end with a table."""
    ran = [c for c in commands() if c.startswith(("mteb run --model mteb-hybrid/", "mteb-hybrid report results/demo"))]
    assert len(ran) == 2
    for command in ran:
        program, *arguments = shlex.split(command)
        environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
        done = subprocess.run(
            [BIN / program, *arguments], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr[-2000:]
    assert "Rank distance" in done.stdout
    assert len(list((tmp_path / "results/demo/predictions").rglob("*.parquet"))) == 132


def test_variables_are_those_of_the_code():
    """Every MTEB_HYBRID_ variable that the code reads has a row in docs/variables.md, and no other."""
    rows = (ROOT / "docs/variables.md").read_text(encoding="utf-8").splitlines()
    sources = [file for folder in ("mteb_hybrid", "tasks", "trainers") for file in (ROOT / folder).rglob("*.py")]
    read = set(
        re.findall(r"\bMTEB_HYBRID_[A-Z]+(?:_[A-Z]+)*", "\n".join(p.read_text(encoding="utf-8") for p in sources))
    )
    assert {row.split("`")[1] for row in rows if row.startswith("| `")} == read
