"""The order in which files come into being: bytes reach the disk before their name, and the name before we go on."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mteb_hybrid.atomic import atomic_path
from mteb_hybrid.streaming.progress import Progress
from mteb_hybrid.trainers.recipes.output import OutputDirectory

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="open files are named by /proc")


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """What is flushed and renamed from now on, by name."""
    found: list[tuple[str, ...]] = []
    fsync, replace = os.fsync, os.replace

    def flushed(handle: int) -> None:
        found.append(("fsync", Path(f"/proc/self/fd/{handle}").readlink().name))
        fsync(handle)

    def renamed(source: str, target: str) -> None:
        found.append(("rename", Path(source).name, Path(target).name))
        replace(source, target)

    monkeypatch.setattr(os, "fsync", flushed)
    monkeypatch.setattr(os, "replace", renamed)
    return found


def test_one_file(tmp_path: Path, calls: list[tuple[str, ...]]) -> None:
    """The temporary file is flushed, then renamed, then the folder is flushed."""
    with atomic_path(tmp_path / "a.json") as temporary:
        temporary.write_text("{}")
    assert calls == [("fsync", temporary.name), ("rename", temporary.name, "a.json"), ("fsync", tmp_path.name)]


def test_a_note_of_what_is_counted(tmp_path: Path, calls: list[tuple[str, ...]]) -> None:
    """It goes the same way."""
    ones = np.ones((2, 2), dtype=np.float32)
    Progress(tmp_path).save_anchors(ones, ones)
    assert [call[0] for call in calls] == ["fsync", "rename", "fsync"]


def test_a_trained_model(tmp_path: Path, calls: list[tuple[str, ...]]) -> None:
    """All its files, in folders too, are flushed before the first is renamed; modules.json is last; then the folder."""

    def save(folder: Path) -> None:
        (folder / "1_Pooling").mkdir(parents=True)
        for name in ("model.safetensors", "modules.json", "1_Pooling/config.json", "README.md"):
            (folder / name).write_text(name)

    output = OutputDirectory(tmp_path / "mine")
    output.training.mkdir(parents=True)
    output.place_model(save)
    first = next(number for number, call in enumerate(calls) if call[0] == "rename")
    assert {"model.safetensors", "modules.json", "config.json", "README.md"} <= {call[1] for call in calls[:first]}
    assert [call[0] for call in calls[first:]] == ["rename"] * 4 + ["fsync"]
    assert [call[-1] for call in calls[-2:]] == ["modules.json", "mine"]


TRACED = """
import sys
from pathlib import Path
from mteb_hybrid.atomic import atomic_path
with atomic_path(Path(sys.argv[1]) / "a.json") as temporary:
    temporary.write_text("{}")
"""


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not there")
def test_as_the_kernel_sees_it(tmp_path: Path) -> None:
    """The system calls of a process: bytes, flush, rename, flush of the folder."""
    command = ["strace", "-f", "-y", "-e", "trace=write,fsync,fdatasync,rename,renameat,renameat2"]
    done = subprocess.run(
        [*command, sys.executable, "-c", TRACED, str(tmp_path)], capture_output=True, text=True, check=False
    )
    if done.returncode and ("ptrace" in done.stderr or "PTRACE" in done.stderr):
        pytest.skip("nothing may be traced here")
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stderr.splitlines() if str(tmp_path) in line]
    found = [
        re.sub(r"^\[pid +\d+\] ", "", line).partition("(")[0].removesuffix("at2").removesuffix("at") for line in lines
    ]
    assert found == ["write", "fsync", "rename", "fsync"], lines
    assert f"<{tmp_path}>" in lines[-1]
