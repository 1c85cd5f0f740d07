"""A sample of what ``make torture`` does; test_write_order.py has the loss of power."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from faults import can_mount

TORTURE = Path(__file__).with_name("torture.py")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="lives are forked"),
]


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    """The log's table by subject and column, of three kills of each kind of work, and one of each other fault."""
    folder = tmp_path_factory.mktemp("torture")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MTEB_HYBRID")}
    command = [sys.executable, str(TORTURE), "--kills", "3", "--faults", "1", "--seed", "1"]
    done = subprocess.run(
        [*command, "--folder", str(folder / "work"), "--log", str(folder / "LOG.md")],
        env=kept, capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    lines = (folder / "LOG.md").read_text(encoding="utf-8").splitlines()
    head, _, *rows = [line.strip("| ").split(" | ") for line in lines if line.startswith("| ")]
    return {row[0]: dict(zip(head, row, strict=True)) for row in rows}


def test_a_sample(rows: dict[str, dict[str, str]]) -> None:
    """Kills, and another process beside it, with the same work and, where it has halves, with these: all ends well."""
    assert list(rows) == ["run", "streamed", "download", "translate", "train"]
    assert {row["outcome"] for row in rows.values()} == {"well"}
    assert {row["kills"] for row in rows.values()} == {"3"}
    assert [row["two at once"] for row in rows.values()] == ["2", "2", "1", "2", "1"]


def test_disks_of_the_sample(rows: dict[str, dict[str, str]]) -> None:
    """Of each kind of work one disk was full, and one read-only."""
    if not can_mount():
        pytest.skip(
            "no disk can be mounted here, so none was full or read-only: this takes root outside of a container"
        )
    assert [row["full disk"] for row in rows.values()] == ["1"] * 5
    assert [row["read-only"] for row in rows.values()] == ["1"] * 5
