"""The command `mteb-hybrid`: its help, and `info`."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
from pathlib import Path

import pytest
from installed_commands import command, environment
from task_names import OURS
from typer.testing import CliRunner

from mteb_hybrid import _autoload, cli


def info() -> tuple[int, str]:
    """Exit code and output of `mteb-hybrid info` in this process; blanks count once, lines may be folded."""
    done = CliRunner().invoke(cli.app, ["info"])
    return done.exit_code, " ".join(done.output.split())


class TestInfo:
    """`mteb-hybrid info`."""

    def test_live(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        """With the hook on: exit code 0, every task, both folders, the store's bound and all versions."""
        monkeypatch.setattr(_autoload, "_installed", True)
        monkeypatch.setenv("MTEB_HYBRID_DATA", str(tmp_path / "data"))
        monkeypatch.setenv("MTEB_HYBRID_CACHE", str(tmp_path / "cache"))
        status, output = info()
        assert status == 0, output
        assert "start-up hook: live" in output
        assert f"registered tasks: {', '.join(OURS)}" in output
        assert f"data folder: {tmp_path / 'data'}" in output
        assert f"cache folder: {tmp_path / 'cache'}" in output
        assert "embedding store: at most" in output
        assert f"python {sys.version.split()[0]}" in output
        for package in ("mteb-hybrid", "mteb", "sentence-transformers", "transformers", "torch", "datasets", "numpy"):
            assert f" {package} {importlib.metadata.version(package)} " in f"{output} "

    def test_no_data_folder(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where no data folder is set, it names the variable that sets it."""
        monkeypatch.delenv("MTEB_HYBRID_DATA", raising=False)
        assert "data folder: not set (MTEB_HYBRID_DATA)" in info()[1]

    def test_trouble(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Trouble with MTEB is shown, and the exit code is 1."""
        monkeypatch.setattr(_autoload, "_installed", True)
        monkeypatch.setattr(cli, "_registered", lambda: (OURS, "MTEB has moved on"))
        status, output = info()
        assert status == 1
        assert "trouble: MTEB has moved on" in output

    def test_switched_off(self, tmp_path: Path) -> None:
        """The installed script with MTEB_HYBRID_AUTOLOAD=0: says off and why, no tasks, exit code 1, no traceback."""
        done = command("info", cwd=tmp_path, MTEB_HYBRID_AUTOLOAD="0")
        assert done.returncode == 1
        assert "start-up hook: off (MTEB_HYBRID_AUTOLOAD='0')" in done.stdout
        assert "registered tasks: none" in done.stdout
        assert "Traceback" not in done.stderr

    def test_pth_is_not_there(self, tmp_path: Path) -> None:
        """A start of Python without mteb_hybrid.pth (python -S, a zipped install) is not called live."""
        script = """
import site, sys, types
original = site.addpackage
site.addpackage = lambda folder, name, *rest: None if name == "mteb_hybrid.pth" else original(folder, name, *rest)
site.main()
assert "mteb_hybrid" not in sys.modules
sys.modules["mteb"] = types.ModuleType("mteb")  # ten seconds of imports that do not matter here
sys.modules["mteb.get_tasks"] = sys.modules["mteb"].get_tasks = types.ModuleType("mteb.get_tasks")
sys.modules["mteb.get_tasks"]._TASKS_REGISTRY = {}
from mteb_hybrid.cli import main
sys.argv = ["mteb-hybrid", "info"]
main()
"""
        done = subprocess.run(
            [sys.executable, "-S", "-c", script],
            cwd=tmp_path,
            env=environment(),
            text=True,
            encoding="utf-8",
            capture_output=True,
            timeout=300,
        )
        assert "Traceback" not in done.stderr, done.stderr
        assert done.returncode == 1
        assert "start-up hook: off" in done.stdout


def test_help_without_arguments() -> None:
    """Without arguments it shows its commands."""
    output = CliRunner().invoke(cli.app, []).output
    assert "info" in output
    assert "report" in output
