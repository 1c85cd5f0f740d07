"""Runs of the fuzzer, added up: ``python tests/fuzz/fuzz_log.py RUN.jsonl ... --commit HASH --log tests/fuzz/LOG.md``.

A run is what fuzz.py printed. Runs of other seeds are other cases.
"""

from __future__ import annotations

import argparse
import datetime
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

HEAD = ("reader", "engine", "cases", "read to the end", "minutes", "findings")


def added(runs: list[str]) -> list[dict[str, Any]]:
    """What was done to each reader, in the order in which they were met first."""
    by_target: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for run in runs:
        for line in run.splitlines():
            if line.startswith("{"):  # the last line is for people
                done = json.loads(line)
                by_target[done["target"]].append(done)
    return [
        {
            "target": target,
            "engine": ", ".join(dict.fromkeys(one["engine"] for one in done)),
            "cases": sum(one["cases"] for one in done),
            "taken": sum(one["taken"] for one in done),
            "minutes": sum(one["seconds"] for one in done) / 60,
            "findings": sorted({finding for one in done for finding in one["findings"]}),
        }
        for target, done in by_target.items()
    ]


def text(rows: list[dict[str, Any]], when: datetime.datetime, commit: str) -> str:
    """The log, in Markdown."""
    cells = [
        (
            f"`{row['target']}`", row["engine"], f"{row['cases']:,}", f"{row['taken']:,}", f"{row['minutes']:.0f}",
            "; ".join(row["findings"]) or "none",
        )
        for row in rows
    ]  # fmt: skip
    total, found = sum(row["cases"] for row in rows), sum(len(row["findings"]) for row in rows)
    table = "\n".join("| " + " | ".join(row) + " |" for row in (HEAD, ("---",) * len(HEAD), *cells))
    return f"""# What the fuzzer has read

{total:,} cases, {found or "no"} findings. Ended {when:%Y-%m-%d %H:%M} UTC, commit {commit}.

{table}

A case is one hostile file, made of a good one by changes that know its format, or by libFuzzer where it leads to new
code. `read to the end`: what was done to the file left one that the reader takes. A finding would be anything but our
own errors, an end of the process, or a case that takes seconds. `make fuzz` does it anew.
"""


def main() -> None:
    """Write the log of some runs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+", help="files with what fuzz.py printed")
    parser.add_argument("--commit", required=True, help="what was attacked")
    parser.add_argument("--log", type=Path, required=True, help="file that is written")
    options = parser.parse_args()
    when = max(datetime.datetime.fromtimestamp(path.stat().st_mtime, datetime.UTC) for path in options.runs)
    rows = added([path.read_text(encoding="utf-8") for path in options.runs])
    options.log.write_text(text(rows, when, options.commit), encoding="utf-8")


if __name__ == "__main__":
    main()
