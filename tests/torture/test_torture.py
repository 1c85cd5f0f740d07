"""A sample of what ``make torture`` does; test_write_order.py has the loss of power."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

TORTURE = Path(__file__).with_name("torture.py")


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="lives are forked")
def test_a_sample(tmp_path: Path) -> None:
    """Three kills of each kind of work, another process beside it, a full disk, a read-only one: all ends well."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MTEB_HYBRID")}
    command = [sys.executable, str(TORTURE), "--kills", "3", "--faults", "1", "--seed", "1"]
    done = subprocess.run(
        [*command, "--folder", str(tmp_path / "work"), "--log", str(tmp_path / "LOG.md")],
        env=kept, capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    lines = (tmp_path / "LOG.md").read_text(encoding="utf-8").splitlines()
    rows = [line.split(" | ") for line in lines if "| well |" in line]
    assert [row[0] for row in rows] == ["| run", "| streamed", "| download", "| translate", "| train"]
    assert {row[3] for row in rows} == {"3"}
