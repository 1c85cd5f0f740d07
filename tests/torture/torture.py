"""Kill -9 at random moments, again and again: ``python tests/torture/torture.py --kills 50``.

Some work is begun and killed a few times in a row, then runs to its end: it must come to what work that nobody
disturbed comes to. After every kill all files of ours must be whole, and nothing that was finished may be lost or done
again.

Most kills strike forked processes that have imported everything (lives.py): at a moment that is drawn over the whole
life, or before an ``fsync`` or ``rename`` that is drawn among all of them. One in ten strikes the real command in a new
process.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import shutil
import sys
import sysconfig
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import lives
import numpy as np
from downloading import FETCHING, Download
from evaluating import Run, Streamed
from faults import two_at_once, without_permission, without_room
from lives import Begun, Death, Life
from subject import State, Subject
from torture_log import write_log
from training import Training
from translating import Translation

SUBJECTS: dict[str, type[Subject]] = {one.name: one for one in (Run, Streamed, Download, Translation, Training)}
IN_A_ROW = 5  # kills of the same work at most
CLOSE = 1e-6
KINDS = ("clock", "write", "clock", "clock", "write", "clock", "clock", "write", "clock", "cold")


@dataclass
class Record:
    """What was done to a subject, and how it went."""

    subject: str
    kills: Counter[str] = field(default_factory=Counter)
    struck: Counter[str] = field(default_factory=Counter)
    completed: int = 0
    cut: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    resumed: int = 0
    life: float = 0.0
    writes: int = 0
    off: float = 0.0
    seconds: float = 0.0
    trouble: str = ""


class Torturer:
    """Torture of one subject.

    Args:
        subject: What is tortured.
        folder: Where its work lies; that of a finding is kept.
        rng: What all moments are drawn with.
    """

    def __init__(self, subject: Subject, folder: Path, rng: random.Random) -> None:
        self.subject, self.folder, self.rng = subject, folder, rng
        self.record = Record(subject.name)
        self.expected: dict[str, Any] = {}
        self.cold_seconds = 0.0

    def torture(self, kills: int, faults: int) -> Record:
        """Kill so many times, and do all else that is done to a program; what was found is in the record.

        The folder of what was found stays.
        """
        started = time.monotonic()
        work = self.folder / "undisturbed"
        try:
            self._undisturbed(work, cold=kills >= len(KINDS))
            for episode in range(10 * kills):
                if sum(self.record.kills.values()) >= kills:
                    break
                work = self.folder / f"work-{episode}"
                self._episode(work, kills, cut=episode % 2 == 0)
                shutil.rmtree(work)
            assert sum(self.record.kills.values()) >= kills, "too few kills struck before the work was done"
            for number in range(faults):
                for fault in (two_at_once, without_room, without_permission):
                    work = self.folder / f"{fault.__name__}-{number}"
                    work.mkdir()
                    self.record.faults[fault.__name__] += fault(self, work)
        except (AssertionError, TimeoutError) as error:
            self.record.trouble = f"{error} ({work})"
            print(f"  {self.record.trouble}", flush=True)
        self.record.seconds = time.monotonic() - started
        return self.record

    def _undisturbed(self, work: Path, *, cold: bool) -> None:
        """Find out what the work comes to, how long it takes, and how often it writes."""
        work.mkdir()
        lives.import_all(self.to_the_end(work).modules)
        self.expected = lives.in_child(self.subject.outcome, work)
        assert self.expected, "nothing to compare"
        again = work.with_name("again")
        again.mkdir()
        whole = self.to_the_end(again)  # now that everything is imported
        self.record.life, self.record.writes = whole.seconds, whole.writes
        self.compare(again)
        if cold:
            fresh = work.with_name("cold")
            fresh.mkdir()
            self.cold_seconds = self._live(fresh, None, cold=True).seconds
            self.compare(fresh)
        print(
            f"{self.subject.name}: {whole.seconds:.1f} s, {whole.writes} writes, cold {self.cold_seconds:.1f} s",
            flush=True,
        )

    def _episode(self, work: Path, kills: int, *, cut: bool) -> None:
        """Kill the same work a few times in a row, then let it run to its end."""
        work.mkdir()
        before, lost = State(0.0), None
        for _ in range(min(IN_A_ROW, kills - sum(self.record.kills.values()))):
            kind = KINDS[sum(self.record.kills.values()) % len(KINDS)]
            seconds = self.cold_seconds if kind == "cold" else self.record.life
            death = lives.draw(self.rng, kind, seconds, self.record.writes)
            life = self._live(work, death, cold=kind == "cold")
            state = lives.in_child(self.subject.state, work)
            state.follows(before)
            before = state
            if not life.killed:
                assert life.code == 0, f"ended with {life.code} after {death}: {life.said[-3000:]}"
                break
            self._note(kind, state)
        if cut:
            lost = self.subject.cut(work, self.rng)
            if lost is not None:
                self.record.cut += 1
                before = before.without(lost.work)
        self.record.resumed += before.done > 0
        self.to_the_end(work)
        lives.in_child(self.subject.state, work).follows(before)
        if lost is not None:
            self.subject.mended(work, lost)
        self.compare(work)
        self.record.completed += 1

    def to_the_end(self, work: Path) -> Life:
        life = self._live(work, None)
        assert life.code == 0, f"ended with {life.code}: {life.said[-3000:]}"
        return life

    def begin(self, command: Sequence[str], work: Path, death: Death | None = None, name: str = "life") -> Begun:
        """Begin to do what a command does, in a fork of this process."""
        return lives.begin(_main(command[0]), command, work, self.subject.environment(work), death, name)

    def _live(self, work: Path, death: Death | None, *, cold: bool = False) -> Life:
        command = self.subject.command(work)
        if cold:
            return lives.live_cold(_installed(command), work, self.subject.environment(work), death)
        return self.begin(command, work, death).end()

    def compare(self, work: Path) -> None:
        """What work came to must be what undisturbed work came to."""
        found = lives.in_child(self.subject.outcome, work)
        assert found.keys() == self.expected.keys(), f"differs in {sorted(found.keys() ^ self.expected.keys())[:5]}"
        for name, value in found.items():
            expected = self.expected[name]
            if isinstance(value, int | float | np.ndarray):
                off = float(np.max(np.abs(np.asarray(value) - np.asarray(expected)), initial=0.0))
                self.record.off = max(self.record.off, off)
                assert off <= CLOSE, f"{name} is off by {off:g}"
            else:
                assert value == expected, f"{name} is {str(value)[:200]}, not {str(expected)[:200]}"

    def _note(self, kind: str, state: State) -> None:
        self.record.kills[kind] += 1
        phases = ("nothing stored", "up to half", "beyond half", "all stored")
        self.record.struck[
            phases[0 if state.done == 0 else 1 if state.done <= 0.5 else 2 if state.done < 1 else 3]
        ] += 1
        self.record.struck["inside a write"] += state.writing > 0


def _main(command: str) -> Callable[[], object]:
    """The function behind a command."""
    if command == "mteb":
        from mteb.cli import main
    elif command == "mteb-hybrid":
        from mteb_hybrid.cli import main
    else:
        from fetching import main
    return main


def _installed(command: Sequence[str]) -> list[str]:
    """A command as it is called in a shell."""
    if command[0] == "fetching":
        return [sys.executable, str(FETCHING), *command[1:]]
    return [str(Path(sysconfig.get_path("scripts")) / command[0]), *command[1:]]


@contextlib.contextmanager
def served(subject: Subject) -> Iterator[None]:
    """While this lasts, the server of a download runs."""
    if not isinstance(subject, Download):
        yield
        return
    server = subject.serve()
    try:
        yield
    finally:
        server.kill()
        server.wait()


def main() -> None:
    """Torture subjects one after the other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50, help="of each subject")
    parser.add_argument("--faults", type=int, default=5, help="of each other kind")
    parser.add_argument("--subject", action="append", choices=SUBJECTS, help="repeatable. Default: all")
    parser.add_argument("--seed", type=int, default=0, help="the same one draws the same moments")
    parser.add_argument("--log", type=Path, help="file that is written about it, in Markdown")
    parser.add_argument("--folder", type=Path, help="where work lies; a new one below the system's, unless given")
    options = parser.parse_args()
    folder = options.folder or Path(tempfile.mkdtemp(prefix="mteb-hybrid-torture-"))
    folder.mkdir(parents=True, exist_ok=True)
    os.environ.update(
        HF_HUB_OFFLINE="1", OMP_NUM_THREADS="1", HF_HOME=str(folder / "hf"), MTEB_CACHE=str(folder / "mteb")
    )
    for place in ("", "translation"):  # the helpers of other tests
        sys.path.append(str(Path(__file__).resolve().parents[1] / place))
    records = []
    for name in options.subject or SUBJECTS:
        (folder / name / "shared").mkdir(parents=True)
        subject = SUBJECTS[name](folder / name / "shared")
        lives.in_child(subject.prepare)
        with served(subject):
            torturer = Torturer(subject, folder / name, random.Random(f"{name} {options.seed}"))
            records.append(torturer.torture(options.kills, options.faults))
        print(records[-1], flush=True)
    if options.log is not None:
        write_log(options.log, records, options.seed)
    if any(record.trouble for record in records):
        sys.exit(f"trouble; see {folder}")
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
