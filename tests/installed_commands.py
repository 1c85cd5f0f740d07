"""The installed commands, run in an environment without our settings."""

from __future__ import annotations

import os
import shutil
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from mteb_hybrid import cli


def environment(**more: str) -> dict[str, str]:
    """The tests' environment without our settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MTEB_HYBRID", "PYTHON"))}
    return kept | {"PYTHONIOENCODING": "utf-8", "HF_HUB_OFFLINE": "1", **more}


def script() -> str:
    """The installed script beside the interpreter of the tests."""
    found = shutil.which("mteb-hybrid", path=sysconfig.get_path("scripts"))
    assert found is not None, f"mteb-hybrid is not installed in {sysconfig.get_path('scripts')}"
    return found


def command(*arguments: str, cwd: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Run the installed script."""
    return subprocess.run(
        [script(), *arguments],
        cwd=cwd,
        env=environment(**more),
        text=True,
        encoding="utf-8",
        capture_output=True,
        timeout=300,
    )


def report(*arguments: Any) -> list[list[str]]:
    """Lines of `mteb-hybrid report` as cells; the lines without a cell are left out."""
    done = CliRunner().invoke(cli.app, ["report", *map(str, arguments)])
    assert done.exit_code == 0, done.output
    rows = [[cell.strip() for cell in line.replace("┃", "│").split("│")] for line in done.output.splitlines()]
    return [row[1:-1] if len(row) > 1 else row for row in rows if any(row)]
