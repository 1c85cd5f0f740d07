"""What became of the mutants: the table of a run, and why those that live on may."""

from __future__ import annotations

import argparse
import datetime
import subprocess
import tomllib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

EXPLAINED = Path(__file__).with_name("explained.toml")
_EARLIER = " Of faults that earlier runs had tried (`--fates`), at other commits, what they noted stands."


@dataclass(frozen=True)
class Fate:
    """What became of a mutant.

    Attributes:
        module: Path below the package.
        line: Number of the line where the fault begins.
        change: The fault.
        killer: The test that failed first, or another reason; empty if it survived.
        seconds: How long that took.
    """

    module: str
    line: int
    change: str
    killer: str
    seconds: float


@dataclass
class Record:
    """How the mutants of a group fared.

    Attributes:
        group: Its name.
        mutants: How many there are, tried or not.
        tried: How many were tried.
        killed: How many were noticed.
        explained: Reasons, and how many survive for each.
        unexplained: Those that survive for no reason that is known.
    """

    group: str
    mutants: int
    tried: int = 0
    killed: int = 0
    explained: Counter[str] = field(default_factory=Counter)
    unexplained: list[Fate] = field(default_factory=list)

    def add(self, fate: Fate) -> None:
        """Count a mutant."""
        self.tried += 1
        if fate.killer:
            self.killed += 1
        elif (reason := explanations().get(f"{fate.module}: {fate.change}")) is not None:
            self.explained[reason] += 1
        else:
            self.unexplained.append(fate)

    def summary(self) -> str:
        """All of it on a line."""
        explained = sum(self.explained.values())
        return f"{self.group}: {self.killed} of {self.tried} killed, {explained} explained, {len(self.unexplained)} not"


def explanations() -> dict[str, str]:
    """The reason of every mutant of explained.toml, by its module and change."""
    reasons = tomllib.loads(EXPLAINED.read_text(encoding="utf-8"))
    return {
        f"{module}: {change}": reason
        for reason, modules in reasons.items()
        for module, changes in modules.items()
        for change in changes
    }


def write_log(path: Path, records: Sequence[Record], options: argparse.Namespace) -> None:
    """Write the log; of an earlier one nothing is kept, git has it."""
    head = ("group", "mutants", "tried", "killed", "survive", "explained", "of the others killed")
    rows = [
        (
            record.group, str(record.mutants), str(record.tried),
            f"{record.killed} ({record.killed / record.tried:.1%})", str(record.tried - record.killed),
            str(sum(record.explained.values())),
            f"{record.killed / (record.tried - sum(record.explained.values())):.1%}",
        )
        for record in records
    ]  # fmt: skip
    reasons = {reason: [record.explained[reason] for record in records] for reason in sorted(_reasons(records))}
    kinds = [(reason, *(str(count or "") for count in counts)) for reason, counts in reasons.items()]
    unexplained = [f"- {one.module}:{one.line}: `{one.change}`" for record in records for one in record.unexplained]
    earlier = _EARLIER if options.fates else ""
    path.write_text(
        f"""# What `make mutants` did last

{datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M} UTC, commit {_commit()}, seed {options.seed}.{earlier}

{_table(head, rows)}

A mutant is a small fault in one place of a module (mutants.py); it is killed where a test of its group fails, or where
one comes to no end. Of a group of which fewer were tried than there are, the seed drew which.

Why nothing can be seen of those that survive and are explained (explained.toml has each of them):

{_table(("reason", *(record.group for record in records)), kinds)}

{chr(10).join(["Not explained:", "", *unexplained]) if unexplained else "No other survives."}
""",
        encoding="utf-8",
    )


def _reasons(records: Sequence[Record]) -> set[str]:
    return {reason for record in records for reason in record.explained}


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, ("---",) * len(head), *rows))


def _commit() -> str:
    """The commit whose mutants were tried, and whether something had been changed since."""
    command = ["git", "describe", "--always", "--dirty= with changes", "--exclude=*"]
    done = subprocess.run(command, cwd=EXPLAINED.parent, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"
