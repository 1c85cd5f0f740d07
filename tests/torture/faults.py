"""What else is done to a program: another one on the same folders, a full disk, and one that cannot be written."""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import lives

if TYPE_CHECKING:
    from lives import Life
    from subject import Subject
    from torture import Torturer


def two_at_once(torturer: Torturer, work: Path) -> int:
    """Two processes do the same, or different parts, on the same folders: both end well, with the right result."""
    subject = torturer.subject
    pairs = [(subject.command(work), subject.command(work)), subject.halves(work)]
    done = 0
    for number, pair in enumerate(pair for pair in pairs if pair is not None):
        place = work / str(number)
        place.mkdir()
        begun = []
        for name, command in zip(("one", "other"), pair, strict=True):
            begun.append(torturer.begin(command, place, name=name))
            time.sleep(torturer.rng.uniform(0, 0.3 * torturer.record.life))
        for life in [one.end() for one in begun]:
            assert life.code == 0, f"with another process it ended with {life.code}: {life.said[-3000:]}"
        lives.in_child(subject.state, place)
        torturer.compare(place)
        done += 1
    shutil.rmtree(work)
    return done


def without_room(torturer: Torturer, work: Path) -> int:
    """The disk is full at some place of the work: it says so, leaves nothing half-written, and goes on with room."""
    needed = _size(torturer.folder / "undisturbed")
    if not can_mount():
        return 0
    size = int(torturer.rng.uniform(0.02, 0.9) * needed)
    while True:
        with _disk(work, size) as remount:
            life = torturer.begin(torturer.subject.command(work), work).end()
            if life.code == 0:  # it needs less than its folder came to
                size //= 2
                continue
            _check_said(life, work, "No space left on device", torturer.subject)
            state = lives.in_child(torturer.subject.state, work)
            assert state.writing == 0, f"on a full disk {state.writing} temporary files were left"
            remount(f"size={20 * needed}")
            torturer.to_the_end(work)
            lives.in_child(torturer.subject.state, work).follows(state)
            torturer.compare(work)
            return 1


def without_permission(torturer: Torturer, work: Path) -> int:
    """Begun work lies on a disk that has turned read-only: it says so, and goes on when it can be written."""
    if not can_mount():
        return 0
    with _disk(work, 20 * _size(torturer.folder / "undisturbed")) as remount:
        death = lives.draw(torturer.rng, "clock", torturer.record.life, 0)
        torturer.begin(torturer.subject.command(work), work, death).end()
        before = lives.in_child(torturer.subject.state, work)
        remount("ro")
        life = torturer.begin(torturer.subject.command(work), work).end()
        if life.code != 0 or before.done < 1:
            assert life.code != 0, "on a read-only disk it ended as if it had written"
            _check_said(life, work, "Read-only file system", torturer.subject)
        remount("rw")
        torturer.to_the_end(work)
        lives.in_child(torturer.subject.state, work).follows(before)
        torturer.compare(work)
    return 1


def _check_said(life: Life, work: Path, reason: str, subject: Subject) -> None:
    """One line is the error, with the reason and a file of the work, and there is no traceback.

    But where the command is MTEB's own, which shows one whatever the error is, and ends with that line.
    """
    end = f"it ended with {life.code}, not with a line about it: {life.said[-3000:]}"
    assert subject.shows_tracebacks or "Traceback" not in life.said, f"{reason}, with a traceback: {end}"
    said = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", life.said)  # progress bars may stand before it
    lines = re.findall(r"(?:(?<![\w.])error|mteb_hybrid\.errors\.\w+): (.*)", said)
    assert len(lines) == 1, f"{reason}: {end}"
    assert reason in lines[0], f"{reason}, without the reason: {end}"
    options = itertools.pairwise(subject.command(work))
    folders = [work, *(value for option, value in options if option.startswith(("--output", "--prediction")))]
    words = re.findall(r"[^\s:,;'\"()]+", lines[0])
    named = [word for word in words if any(Path(word).is_relative_to(folder) for folder in folders)]
    assert named, f"{reason}, without a file's name: {end}"


@functools.cache
def can_mount() -> bool:
    """Whether this user may mount disks, as root may outside of most containers."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0 or shutil.which("mount") is None:
        return False
    try:
        with tempfile.TemporaryDirectory() as folder, _disk(Path(folder), 65_536):
            return True
    except subprocess.CalledProcessError:
        return False


@contextlib.contextmanager
def _disk(folder: Path, size: int) -> Iterator[functools.partial[None]]:
    """A disk in memory on a folder; the function mounts it anew with other options."""

    def remount(options: str) -> None:
        _call("mount", "-o", f"remount,{options}", str(folder))

    _call("mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder))
    try:
        yield functools.partial(remount)
    finally:
        _call("umount", "-l", str(folder))


def _call(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


def _size(folder: Path) -> int:
    """Bytes of all files, in whole pages."""
    return sum(-(-path.stat().st_size // 4096) * 4096 for path in folder.rglob("*") if path.is_file())
