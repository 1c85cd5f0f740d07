"""The scripts behind the figures of the documentation run, on little: they reach into what they measure by name."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]


def table(script: str, *arguments: str) -> dict[str, list[str]]:
    """What a script prints: rows of its tables by their first cell."""
    done = subprocess.run(
        [sys.executable, ROOT / "benchmarks" / script, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    rows = [line.strip("| \n").split(" | ") for line in done.stdout.splitlines() if re.match(r"\| .*[\w*] \|", line)]
    return {name: cells for name, *cells in rows}


def number(cell: str) -> float:
    return float(cell.replace(",", "").strip("*% "))


def test_where_the_time_goes():
    """Every part has taken some time, and all of them are all."""
    found = table(
        "parts.py", "--model", "mteb-hybrid/char-ngram", "--tasks", "MiniQARMonolingual", "MiniQARMultilingual"
    )
    *parts, whole = (number(cells[0]) for name, cells in found.items() if name != "part")
    assert len(parts) == 9
    assert sum(parts) == pytest.approx(whole, abs=0.1)
    assert all(number(found[name][0]) > 0 for name in ("reading data", "exact ranking", "rank tables and result files"))


def test_against_stock_mteb():
    """Both ways are run, and MTEB's encodes the pool for each of the eleven subsets."""
    found = table("stock.py", "--tasks", "MiniQARMultilingual")
    theirs, ours, ratio = map(number, found["texts"])
    assert theirs > 5 * ours > 0
    assert ratio == pytest.approx(theirs / ours, abs=0.1)
    assert number(found["CPU seconds outside of encode"][0]) > number(found["CPU seconds outside of encode"][1]) > 0


def test_memory_does_not_grow_with_the_pool():
    """Counting takes less than 100 MiB above its inputs, for many questions too, however large the pool is."""
    found = table("sizes.py", "--passages", "20000", "80000", "--threads", "2", "--queries", "3000")
    small, large = (number(found[size][-1]) for size in ("20,000", "80,000"))
    assert 1 < small < 100
    assert large < 100
    assert abs(large - small) < 20
