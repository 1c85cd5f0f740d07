"""The tables of docs/study.md from the results: scores over seeds, and differences with their significance.

    python study/tables.py [--results FOLDER] [--question N] [--write]

Without FOLDER (the driver's FOLDER/results) the results in study/results are unpacked to a temporary folder.
``--write`` puts the tables into docs/study.md, between ``<!-- study: NAME -->`` and ``<!-- end -->``.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from evidence import findings, spread
from keep import KEPT, paragraph_numbers, unpack_all
from paper import PAPER, SCORES
from plan import CHOSEN, MODES
from questions import SETTINGS, tables

from mteb_hybrid.atomic import atomic_path

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from evidence import Contrast, Finding
    from questions import Table

PAGE = Path(__file__).parents[1] / "docs" / "study.md"
_NAMES = {"map": "mAP", "map_at_20": "mAP@20", "mrr": "MRR", "rank_distance": "rank distance"}
_SHORT = {setting: short for short, setting in SETTINGS.items()}


def render(table: Table) -> str:
    """A table's scores and differences in Markdown."""
    return "\n".join([*score_lines(table), *_differences(findings(table.contrasts, paragraph_numbers()))])


def score_lines(table: Table) -> list[str]:
    """A table's scores in Markdown: mean and standard deviation over seeds."""
    if table.scores_as_rows:
        return _transposed(table)
    lines = ["| | seeds | " + " | ".join(table.scores) + " |", "|---|---|" + "---|" * len(table.scores)]
    for name, group in table.groups.items():
        if not group.arms:
            lines.append(f"| {name} | not run |" + " |" * len(table.scores))
            continue
        cells = [_cell(group.values(score)) for score in table.scores.values()]
        seeds = "-" if group.arms[0].name == "start" else str(len(group.arms))
        lines.append(f"| {name} | {seeds} | " + " | ".join(cells) + " |")
    return lines


def _transposed(table: Table) -> list[str]:
    """Scores as rows; those that no group has are left out."""
    lines = ["| | " + " | ".join(table.groups) + " |", "|---|" + "---|" * len(table.groups)]
    for name, score in table.scores.items():
        cells = [_cell(group.values(score)) for group in table.groups.values()]
        if set(cells) != {"-"}:
            lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return lines


def _cell(values: Sequence[float]) -> str:
    if not values:
        return "-"
    mean, deviation = sum(values) / len(values), spread(values)
    form = ".1f" if abs(mean) >= 2 else ".4f"  # a rank distance counts places
    return f"{mean:{form}}" + ("" if deviation is None else f" ± {deviation:{form}}")


def _differences(found: Sequence[Finding]) -> list[str]:
    if not found:
        return []
    lines = [
        "",
        "| difference | score | | 95 % interval | p, Holm | p, `compare` | trainings |",
        "|---|---|" + "---|" * 5,
    ]
    for one in found:
        contrast = one.contrast
        form = "+.1f" if contrast.metric == "rank_distance" else "+.4f"
        score = f"{_SHORT[contrast.setting]} {_NAMES[contrast.metric]}{contrast.note and ', ' + contrast.note}"
        bold = "**" if one.holds else ""
        lines.append(
            f"| {_named(contrast)} | {score} | {bold}{one.difference:{form}}{bold} | {one.low:{form}} to "
            f"{one.high:{form}} | {one.p:.2g} | {one.p_compare:.2g} | {one.agreeing}/{one.combinations} |"
        )
    return lines


def _named(contrast: Contrast) -> str:
    """The groups of a contrast; a difference of differences is written as one."""
    plus, minus = ([name for name, _ in side] for side in (contrast.plus, contrast.minus))
    if len(plus) == 1:
        return f"{plus[0]} − {minus[0]}"
    return f"({plus[0]} − {minus[0]}) − ({minus[1]} − {plus[1]})"


def beside(found: Mapping[str, Table]) -> dict[str, str]:
    """The paper's tables and ours side by side, as "paper" and the collection's name in lower case."""
    ours = {"XQuAD-R": ("modes mlqa-r layers4", "modes mlqa-r e5"), "MLQA-R": ("modes xquad-r e5",)}
    made = {}
    for collection, encoders in PAPER.items():
        names = [name.rpartition(" ")[2] for name in ours[collection]]
        headings = [*(f"{encoder}, the paper" for encoder in encoders), *(f"{name}, here" for name in names)]
        lines = ["| | | " + " | ".join(headings) + " |", "|---|---|" + "---|" * len(headings)]
        for column, score in enumerate(SCORES):
            for mode in MODES:
                values = [ways[mode][column] for ways in encoders.values()]
                theirs = [f"{value:.3f}" if value < 1 else str(value) for value in values]
                tables = [found[name] for name in ours[collection]]
                cells = [_cell(table.groups[mode].values(table.scores[score])) for table in tables]
                lines.append(f"| {score} | {mode} | " + " | ".join([*theirs, *cells]) + " |")
        made[f"paper {collection.lower()}"] = "\n".join(lines)
    return made


def choices() -> dict[str, str]:
    """What study/choose.py measured on held-out items, as "choice"."""
    rows = []
    for path in sorted(KEPT.glob("choice_*.csv")):
        with path.open(encoding="utf-8", newline="") as stream:
            rows += list(csv.DictReader(stream))
    lines = [
        "| trained on | encoder | learning rate | Mo. mAP | Cr. mAP | Mul. mAP | rank distance |",
        "|---|---|---" + "|---" * 4 + "|",
    ]
    for row in rows:
        taken = float(row["learning_rate"]) == CHOSEN[row["start"]][0]
        rate = f"{float(row['learning_rate']):g}"
        scores = [f"{float(row[f'{setting}_map']):.4f}" for setting in ("monolingual", "cross_lingual", "multilingual")]
        cells = [
            row["data"],
            row["start"],
            f"**{rate}**" if taken else rate,
            *scores,
            f"{float(row['rank_distance']):.1f}",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return {"choice": "\n".join(lines)}


def written(page: str, made: dict[str, str]) -> str:
    """The page with its tables replaced by those that were made."""

    def replaced(match: re.Match[str]) -> str:
        name = match.group(1)
        return f"<!-- study: {name} -->\n{made[name]}\n<!-- end -->" if name in made else match.group(0)

    return re.sub(r"<!-- study: ([\w -]+?) -->\n.*?<!-- end -->", replaced, page, flags=re.DOTALL)


@contextlib.contextmanager
def unpacked(results: Path | None) -> Iterator[Path]:
    """The folder that is given, or a temporary one with the results of study/results."""
    if results is not None:
        yield results
        return
    with tempfile.TemporaryDirectory() as scratch:
        unpack_all(KEPT, Path(scratch))
        yield Path(scratch)


def main() -> None:
    """Print the tables, or write them into the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, help="results of all arms, FOLDER/results of the driver")
    parser.add_argument("--question", type=int, action="append", help="only tables of this question; repeatable")
    parser.add_argument("--write", action="store_true", help="put them into docs/study.md")
    options = parser.parse_args()
    with unpacked(options.results) as results:
        found = tables(results)
        made = beside(found) | choices()
        for name, table in found.items():
            if not options.question or table.question in options.question:
                made[name] = render(table)
                print(f"## {name} (question {table.question})\n\n{made[name]}\n", flush=True)
    if options.write:
        page = written(PAGE.read_text(encoding="utf-8"), made)
        with atomic_path(PAGE) as temporary:
            temporary.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
