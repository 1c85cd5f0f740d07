"""Millions of hostile inputs for our readers: ``python tests/fuzz/fuzz.py --target lareqa --cases 1000000``.

Anything that comes out of a reader but our own errors is a finding: so are an end of the process and a case that takes
seconds. Its input is kept, and the exit code is 1. With atheris, inputs that reach new code are kept and changed again;
without it they are all made of the seeds, and the same seed gives the same ones. With ``--log`` what was done is added
to the tallies beside a log, and the log is made anew of them.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import logging
import math
import mmap
import os
import random
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from targets import Target

SLOW = 10.0  # seconds of a processor that no case may take
STUCK = 180  # seconds after which a worker without a finished case is ended
_ROOT = Path(__file__).resolve().parents[2]
_ROOM = 1 << 22  # bytes of the longest input that is noted
_HEAD = struct.Struct("<QQQ")  # cases, inputs that the reader took, bytes of the last input


class Noted:
    """What a worker has done, in a file that outlives it: numbers, and the input that it was reading."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            path.write_bytes(bytes(_HEAD.size + _ROOM))
        with path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), 0)
        self.cases, self.taken, self._size = _HEAD.unpack_from(self._memory)

    def begin(self, data: bytes) -> None:
        """Note an input before it is read."""
        self._size = min(len(data), _ROOM)
        self._memory[_HEAD.size : _HEAD.size + self._size] = data[:_ROOM]
        self._write()

    def end(self, *, taken: bool) -> None:
        """Note that it was read."""
        self.cases += 1
        self.taken += taken
        self._write()

    @property
    def last(self) -> bytes:
        """The input that was read last."""
        return bytes(self._memory[_HEAD.size : _HEAD.size + self._size])

    def _write(self) -> None:
        _HEAD.pack_into(self._memory, 0, self.cases, self.taken, self._size)


class Findings:
    """A folder of inputs that did what none may, each with the reason beside it; one of each kind."""

    def __init__(self, folder: Path, target: str) -> None:
        self.folder, self.target = folder, target
        self.known: set[str] = set()

    def add(self, data: bytes, kind: str, reason: str) -> None:
        """Keep an input, if it is the first of its kind."""
        if kind in self.known:
            return
        self.known.add(kind)
        self.folder.mkdir(parents=True, exist_ok=True)
        name = f"{self.target}-{hashlib.sha256(kind.encode()).hexdigest()[:8]}"
        (self.folder / name).write_bytes(data)
        (self.folder / f"{name}.txt").write_text(f"{kind}\n\n{reason}\n", encoding="utf-8", errors="backslashreplace")


def attack(target: Target, findings: Findings, noted: Noted) -> Callable[[bytes], None]:
    """The function that reads one input and keeps what it finds."""

    def one(data: bytes) -> None:
        noted.begin(data)
        started = time.process_time()
        taken = False
        try:
            taken = target.read(data)
        except Exception as error:  # noqa: BLE001 - this is what is looked for
            frames = [frame for frame in traceback.extract_tb(error.__traceback__) if _is_ours(frame.filename)]
            place = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "the target"
            findings.add(data, f"{type(error).__name__} at {place}", traceback.format_exc())
        if (took := time.process_time() - started) > SLOW:
            findings.add(data, "slow", f"{took:.1f} s")
        noted.end(taken=taken)

    return one


def _is_ours(file: str) -> bool:
    place = Path(file)
    return "mteb_hybrid" in place.parts or (_ROOT in place.parents and place.parent != Path(__file__).parent)


def work(target: Target, options: argparse.Namespace) -> None:
    """Attack one reader in this process, until there were so many cases or the time is up."""
    logging.disable(logging.CRITICAL)  # a warning for each of a million cases is no warning
    noted = Noted(options.note)
    one = attack(target, Findings(options.found, target.name), noted)
    rng = random.Random(f"{target.name} {options.seed} {options.job}")
    if options.engine == "atheris":
        _with_atheris(target, one, rng, options)
        return
    until = time.monotonic() + 60 * options.minutes if options.minutes else float("inf")
    while noted.cases < options.cases and time.monotonic() < until:
        one(target.case(rng))


def _with_atheris(
    target: Target, one: Callable[[bytes], None], rng: random.Random, options: argparse.Namespace
) -> None:
    """The same by libFuzzer, which ends the process when it is done."""
    import atheris

    def mutate(data: bytes, most: int, seed: int) -> bytes:
        changes = random.Random(seed)
        if changes.random() < 0.2:
            return atheris.Mutate(data, most)
        return target.mutate(changes, data)[:most]

    corpus = options.note.with_suffix(".corpus")
    corpus.mkdir()
    for number, data in enumerate(target.seeds):
        (corpus / str(number)).write_bytes(data)
    flags = {
        "runs": options.cases, "max_total_time": math.ceil(60 * options.minutes), "seed": rng.randrange(1, 2**31),
        "max_len": 1 << 16, "rss_limit_mb": 8192, "timeout": 10**6, "artifact_prefix": f"{options.note}.end-",
        "verbosity": 0, "mutate_depth": 2,
    }  # fmt: skip
    arguments = [sys.argv[0], *(f"-{name}={value}" for name, value in flags.items()), str(corpus)]
    atheris.Setup(arguments, one, custom_mutator=mutate)
    atheris.Fuzz()


@contextmanager
def started(name: str, job: int, options: argparse.Namespace) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """A worker for one reader, and where it notes what it does."""
    memory = Path("/dev/shm")
    place = Path(tempfile.mkdtemp(prefix="mteb-hybrid-fuzz-", dir=memory if memory.is_dir() else None))
    note = place / "note"
    given = {
        "target": name, "cases": -(-options.cases // options.jobs), "minutes": options.minutes, "seed": options.seed,
        "engine": options.engine, "found": options.found, "job": job, "note": note,
    }  # fmt: skip
    command = [sys.executable, "-W", "ignore", __file__, *(f"--{key}={value}" for key, value in given.items())]
    log = (place / "log").open("wb")
    environment = os.environ | {
        "FUZZ_PLACE": str(place), "MTEB_HYBRID_CACHE": str(place / "cache"), "MTEB_HYBRID_TASKS": "",
        "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1",
    }  # fmt: skip
    process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
    try:
        yield process, note
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait()
        log.close()
        shutil.rmtree(place, ignore_errors=True)


def _ended(process: subprocess.Popen[bytes], note: Path) -> int:
    """The exit code of a worker; one that comes to no end of a case is ended."""
    before = None
    while True:
        try:
            return process.wait(STUCK)
        except subprocess.TimeoutExpired:
            done = note.exists() and Noted(note).cases
            if done == before:
                process.kill()
                return process.wait()
            before = done


def fuzz(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """Attack one reader with several workers; what they did, in numbers."""
    from contextlib import ExitStack

    findings, begun = Findings(options.found, name), time.monotonic()
    with ExitStack() as stack:
        workers = [stack.enter_context(started(name, job, options)) for job in range(options.jobs)]
        codes = [_ended(process, note) for process, note in workers]
        notes = [Noted(note) for _, note in workers]
        for (_, note), done, code in zip(workers, notes, codes, strict=True):
            if code:
                what = signal.Signals(-code).name if code < 0 else f"exit code {code}"
                log = note.with_name("log").read_text(encoding="utf-8", errors="replace")
                findings.add(done.last, f"the process ended: {what}", log[-5000:])
        kinds = sorted(path.read_text(encoding="utf-8").partition("\n")[0]
                       for path in options.found.glob(f"{name}-*.txt"))  # fmt: skip
        return {
            "target": name,
            "engine": options.engine,
            "seed": options.seed,
            "jobs": options.jobs,
            "at most": {"cases": options.cases, "minutes": options.minutes},
            "cases": sum(done.cases for done in notes),
            "taken": sum(done.taken for done in notes),
            "seconds": round(time.monotonic() - begun, 1),
            "findings": kinds,
        }


def parsed() -> argparse.Namespace:
    """The options of the command line."""
    has_atheris = importlib.util.find_spec("atheris") is not None
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target", action="append", help="a reader, as in targets.py; repeatable. Default: all")
    parser.add_argument("--cases", type=int, default=100_000, help="for each reader")
    parser.add_argument("--minutes", type=float, default=0, help="for each reader, whatever comes first; 0: no limit")
    parser.add_argument("--seed", type=int, help="default: the one after the last that the log has, or 0")
    parser.add_argument("--jobs", type=int, default=1, help="processes for a reader")
    parser.add_argument("--engine", choices=("atheris", "home"), default="atheris" if has_atheris else "home")
    parser.add_argument("--found", type=Path, default=Path("fuzz-findings"), help="folder for inputs that were found")
    parser.add_argument("--log", type=Path, help="a log to be renewed, such as tests/fuzz/LOG.md")
    parser.add_argument("--job", type=int, help=argparse.SUPPRESS)  # of a worker
    parser.add_argument("--note", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    """Attack readers one after the other; a line of JSON for each."""
    options = parsed()
    if options.note is not None:
        if options.engine == "atheris":
            import atheris

            with atheris.instrument_imports(include=["mteb_hybrid", "tomllib"]):
                import targets

                _import_readers(targets, options.target[0])
        import targets

        work(targets.TARGETS[options.target[0]], options)
        return
    import fuzz_log
    import targets

    total, found = 0, 0
    names = options.target or list(targets.TARGETS)
    tallies = fuzz_log.Tallies(options.log) if options.log else None
    if options.seed is None:
        options.seed = tallies.next_seed() if tallies else 0
    elif tallies and (known := [name for name in names if options.seed in tallies.seeds(name)]):
        sys.exit(f"{options.log} has seed {options.seed} of {', '.join(known)}: leave out --log, or take another seed")
    for name in names:
        done = fuzz(name, options)
        print(json.dumps(done), flush=True)
        if tallies:
            tallies.add(done)
        total, found = total + done["cases"], found + len(done["findings"])
    print(f"{total:,} cases, {found} findings", f"in {options.found}" if found else "")
    sys.exit(1 if found else 0)


def _import_readers(targets: Any, name: str) -> None:
    """Import what a target imports when it first runs, while imports are watched."""
    target = targets.TARGETS[name]
    for data in target.seeds:
        if not target.read(data):
            raise ValueError(f"{name} does not read its own seed {data[:80]!r}")


if __name__ == "__main__":
    main()
