"""What the fuzzer has done, added up in a log: ``python tests/fuzz/fuzz_log.py tests/fuzz/LOG.md``.

``tallies.jsonl`` beside the log is what it is made of: a line for each reader and run, as fuzz.py prints it, with the
commit that was attacked and when the run began. Runs of other seeds are other cases, and so they can be added.
"""

from __future__ import annotations

import argparse
import datetime
import json
import shlex
import subprocess
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

READERS = ("reader", "engine", "cases", "read to the end", "minutes", "cases a second", "findings")
RUNS = ("begun (UTC)", "commit", "seed", "jobs", "readers", "cases", "command")
EARLIER = "-"  # where the first runs did not note what later ones do


class Tallies:
    """The tallies beside a log.

    Attributes:
        log: The log.
        path: The tallies.
    """

    def __init__(self, log: Path) -> None:
        self.log, self.path = log, log.with_name("tallies.jsonl")
        now = datetime.datetime.now(datetime.UTC)
        self._run = {"commit": attacked(), "begun": now.isoformat(sep=" ", timespec="seconds").partition("+")[0]}

    def lines(self) -> list[dict[str, Any]]:
        """What was done, a dict for each reader and run."""
        written = self.path.read_text(encoding="utf-8") if self.path.exists() else ""
        return [json.loads(line) for line in written.splitlines()]

    def seeds(self, target: str | None = None) -> set[int]:
        """Seeds that were used, for a reader or for any."""
        known = (line for line in self.lines() if target in (None, line["target"]))
        return {line["seed"] for line in known if line["seed"] is not None}

    def next_seed(self) -> int:
        """A seed that was not used."""
        return 1 + max(self.seeds(), default=-1)

    def add(self, done: dict[str, Any]) -> None:
        """Add what was done to a reader, and make the log anew."""
        with self.path.open("a", encoding="utf-8") as file:  # of processes that do so at a time each adds a whole line
            file.write(json.dumps(done | self._run) + "\n")
        self.write()

    def write(self) -> None:
        """Make the log of the tallies."""
        self.log.write_text(text(self.lines()), encoding="utf-8")


def attacked() -> str:
    """The last commit that changed the package, and whether it was changed since."""
    place = Path(__file__).resolve().parents[2]
    source = ("mteb_hybrid", "tasks", "trainers")
    try:
        commit, changed = (
            subprocess.run(["git", *arguments], cwd=place, capture_output=True, text=True, check=True).stdout.strip()
            for arguments in (
                ("log", "-1", "--abbrev=7", "--format=%h", "--", *source),
                ("status", "-s", "--", *source),
            )
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return commit + (" with changes" if changed else "")


def grouped(lines: Iterable[dict[str, Any]], *keys: str) -> list[list[dict[str, Any]]]:
    """Lines that agree in some keys, in the order in which they were met first."""
    groups: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for line in lines:
        groups[json.dumps([line[key] for key in keys])].append(line)
    return list(groups.values())


def reader_row(done: Sequence[dict[str, Any]]) -> tuple[str, ...]:
    """What was done to a reader by all runs."""
    cases, seconds = total(done), sum(one["seconds"] for one in done)
    findings = sorted({finding for one in done for finding in one["findings"]})
    return (
        f"`{done[0]['target']}`", ", ".join(dict.fromkeys(one["engine"] for one in done)), f"{cases:,}",
        f"{sum(one['taken'] for one in done):,}", f"{seconds / 60:.0f}", f"{cases / seconds:,.0f}",
        "; ".join(findings) or "none",
    )  # fmt: skip


def run_row(done: Sequence[dict[str, Any]]) -> tuple[str, ...]:
    """What a run did to all readers."""
    first = done[0]
    return (
        first["begun"][:16], first["commit"], shown(first["seed"]), shown(first["jobs"]), str(len(done)),
        f"{total(done):,}", command(done),
    )  # fmt: skip


def command(done: Sequence[dict[str, Any]]) -> str:
    """What does a run again; of one that was broken off, the readers that it got to."""
    most = done[0]["at most"]
    if most is None:
        return EARLIER
    import targets

    names = [one["target"] for one in done]
    chosen = [] if names == list(targets.TARGETS) else [f"--target {name}" for name in names]
    options = " ".join((*chosen, *(f"--{key} {done[0][key]}" for key in ("engine", "seed", "jobs"))))
    return f"`make fuzz CASES={most['cases']} MINUTES={most['minutes']:g} FUZZ_ARGS={shlex.quote(options)}`"


def shown(value: int | None) -> str:
    """A number, where it was noted."""
    return EARLIER if value is None else str(value)


def total(done: Iterable[dict[str, Any]]) -> int:
    """The cases of some lines."""
    return sum(one["cases"] for one in done)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, ("---",) * len(head), *rows))


def text(lines: Sequence[dict[str, Any]]) -> str:
    """The log, in Markdown."""
    readers, runs = grouped(lines, "target"), grouped(lines, "begun", "seed")
    found = sum(len({finding for one in done for finding in one["findings"]}) for done in readers)
    return f"""# What the fuzzer has read

{total(lines):,} cases, {found or "no"} findings, in {len(runs)} runs.

{table(READERS, map(reader_row, readers))}

A case is one hostile file, made of a good one by changes that know its format, or by libFuzzer (engine `atheris`) where
it leads to new code. `read to the end`: what was done to the file left one that the reader takes. A finding would be
anything but our own errors, an end of the process, or a case that takes seconds.

A run gives each of its readers the same most cases and the same most minutes, whichever comes first; so those that are
slow had fewer. A case of `report` makes every form of a report, and one of `rank_table` does all that reports, tests
and exports do with a table. Minutes are those of the clock: the start of a reader's process, where imports are
instrumented, is in them, and so are waits for whatever else the machine was doing. In the first run these were long:
most readers that the second one had too were many times as fast there, at the same commit.

## Runs

{table(RUNS, map(run_row, runs))}

`make fuzz CASES=1000000 MINUTES=10` is a run of all readers, with a seed that was not used before: its tallies are
added to `tallies.jsonl`, and this log is made of them. atheris is used where it is installed (the extra `fuzz`),
otherwise all cases are made of good files (engine `home`), the same ones for the same seed. A seed that is in the log
is refused, as its cases would be counted twice: without `--log`, fuzz.py does a run again. The commit is the last one
that changed what is attacked. `{EARLIER}`: of the first runs it was not noted.
"""


def main() -> None:
    """Write the log of its tallies."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("log", type=Path, help="file that is written; its tallies are beside it")
    Tallies(parser.parse_args().log).write()


if __name__ == "__main__":
    main()
