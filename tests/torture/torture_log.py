"""The log of a torture: what was killed, where it struck, and how it went."""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import platform
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torture import Record

PACKAGES = ("mteb-hybrid", "mteb", "sentence-transformers", "transformers", "torch", "datasets", "numpy", "pyarrow")
STRUCK = ("nothing stored", "up to half", "beyond half", "all stored", "inside a write")
KINDS = ("clock", "write", "cold")
FAULTS = {"two_at_once": "two at once", "without_room": "full disk", "without_permission": "read-only"}


def write_log(path: Path, records: Sequence[Record], seed: int) -> None:
    """Write the log; of an earlier one nothing is kept, git has it."""
    rows = [
        (
            record.subject, f"{record.life:.1f}", str(record.writes), str(sum(record.kills.values())),
            *(str(record.kills[kind]) for kind in KINDS), *(str(record.struck[place]) for place in STRUCK),
            str(record.completed), str(record.resumed), str(record.cut),
            *(str(record.faults[fault]) for fault in FAULTS), f"{record.off:.1g}" if record.off else "0",
            f"{record.seconds:.0f}", "trouble" if record.trouble else "well",
        )
        for record in records
    ]  # fmt: skip
    head = (
        "subject", "life, s", "writes", "kills", *KINDS, *STRUCK, "runs to the end", "went on", "cut off",
        *FAULTS.values(),
        "off by at most", "seconds", "outcome",
    )  # fmt: skip
    table = "\n".join("| " + " | ".join(row) + " |" for row in (head, ("---",) * len(head), *rows))
    trouble = "".join(f"\n- {record.subject}: {record.trouble.splitlines()[0]}" for record in records if record.trouble)
    versions = ", ".join(f"{name} {_version(name)}" for name in PACKAGES)
    path.write_text(
        f"""# What `make torture` did last

{datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M} UTC, commit {_commit()}, seed {seed}. {_machine()}.
Python {platform.python_version()}, {versions}.

{table}
{trouble}
`life` is how long the work takes that nobody disturbs, `writes` how often it calls `fsync` or `rename`. Kills are by
SIGKILL: by the `clock` at a moment that is drawn over the whole life, before a `write` that is drawn among all of them,
or, `cold`, of the real command with all its imports. The next columns say how much was on disk when a kill struck, and
how often temporary files had been left, which nobody takes for ours. Every run to the end came to what the undisturbed
one did; `went on` are those that began with something that was there, `cut off` those of which a result of MTEB's was
cut off too. `two at once`: pairs of processes on the same folders, with the same work or with halves of it. `full disk`
and `read-only`: a small disk in memory, which is then enlarged, or turned read-only and back; 0 where none can be
mounted.
""",
        encoding="utf-8",
    )


def _machine() -> str:
    """The machine in words, without its name."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    return f"{platform.system()} on {platform.machine()}, {os.cpu_count()} CPUs, {memory:.0f} GiB of memory"


def _commit() -> str:
    """The commit that was tortured, and whether something had been changed since."""
    root = Path(__file__).parent
    try:
        commit = subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"], cwd=root, capture_output=True, text=True, check=True
        )
        changed = subprocess.run(["git", "status", "--porcelain"], cwd=root, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    others = [line for line in changed.stdout.splitlines() if not line.endswith("LOG.md")]
    return commit.stdout.strip() + (" with changes" if others else "")


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
