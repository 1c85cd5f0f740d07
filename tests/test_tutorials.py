"""Every page of docs/tutorials is followed from start to end, offline, in an empty folder.

Of the fenced blocks, in their order on the page,

- `bash` is run, in a shell of its own each, and so is `python`;
- a block with a title, such as `toml title="recipe.toml"`, is a file, and is written;
- `text` is what the block before it prints: its lines come in this order, and others may stand between them;
- `console`, with `$` prompts, is not run: it needs the hub or takes long. tests/test_docs.py sees that it is accepted.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

PAGES = sorted((Path(__file__).parents[1] / "docs" / "tutorials").glob("*.md"))
FENCE = re.compile(r'^```(\w+)(?: title="([^"\n]+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)
RUN = ("bash", "python")


class Block(NamedTuple):
    """A fenced block."""

    kind: str
    title: str
    text: str


def blocks(page: Path) -> list[Block]:
    """All blocks of a page in their order."""
    return [Block(*found) for found in FENCE.findall(page.read_text(encoding="utf-8"))]


def run(block: Block, folder: Path) -> str:
    """What a block prints, its programs those of the tests' environment."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MTEB_HYBRID")} | {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
        "MTEB_HYBRID_CACHE": str(folder / ".cache"),
    }
    start = ["bash", "-e", "-o", "pipefail", "-c"] if block.kind == "bash" else [sys.executable, "-c"]
    done = subprocess.run(
        [*start, block.text], cwd=folder, env=environment, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, f"{block.text}\n{done.stdout[-2000:]}\n{done.stderr[-3000:]}"
    return done.stdout


def plain(text: str) -> list[str]:
    """Lines without what a reader does not see: blanks at the ends and how many there are in a row."""
    return [" ".join(line.split()) for line in text.splitlines()]


def missing(shown: str, printed: str) -> list[str]:
    """Lines of a page that do not come, in this order, among what was printed."""
    rest = iter(plain(printed))
    return [line for line in plain(shown) if line and line not in rest]


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_reader_gets_to_the_end(page, tmp_path):
    """Each block works after those before it, and prints what the page shows."""
    printed = None
    for block in blocks(page):
        if block.title:
            path = tmp_path / block.title
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, encoding="utf-8")
        elif block.kind in RUN:
            printed = run(block, tmp_path)
        elif block.kind == "text":
            assert printed is not None, "output is shown before anything was run"
            assert not missing(block.text, printed), printed


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_blocks_are_of_the_kinds_that_are_followed(page):
    """Nothing stands on a page that neither runs, nor is a file, nor output, nor marked as not run."""
    found = blocks(page)
    assert len(found) * 2 == len(re.findall(r"^```", page.read_text(encoding="utf-8"), re.MULTILINE))
    assert {block.kind for block in found if not block.title} <= {*RUN, "text", "console"}
    assert sum(block.kind in RUN and not block.title for block in found) >= 3


def test_other_output_is_noticed():
    """A line that is not printed, or comes too early, is missing; blanks and lines in between do not matter."""
    assert missing("a  b\nc", "x\n a b \ny\nc\n") == []
    assert missing("c\na b", "a b\nc\n") == ["a b"]
    assert missing("a b c", "a b\nc\n") == ["a b c"]
