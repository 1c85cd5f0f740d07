"""Question 2 as a figure: scores over alpha, with the standard deviation over seeds.

python study/figure.py [--results FOLDER] [--output docs/images/study-alpha.svg]
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib as mpl
from evidence import spread
from matplotlib.figure import Figure
from questions import tables
from tables import unpacked

from mteb_hybrid.atomic import atomic_path

if TYPE_CHECKING:
    from questions import Table

OUTPUT = Path(__file__).parents[1] / "docs" / "images" / "study-alpha.svg"
_STYLES = {"Mo. mAP": ("o", "-"), "Cr. mAP": ("s", "--"), "Mul. mAP": ("^", "-."), "rank distance": ("D", ":")}
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")  # of Okabe and Ito: told apart by colour-blind readers


def draw(table: Table) -> Figure:
    """The mAP of the three settings on the left, rank distance on the right, over alpha."""
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    for colour, (name, (marker, line)) in zip(_COLOURS, _STYLES.items(), strict=True):
        axes = right if name == "rank distance" else left
        known = {alpha: group.values(table.scores[name]) for alpha, group in table.groups.items() if group.arms}
        means = [sum(values) / len(values) for values in known.values()]
        deviations = [spread(values) or 0.0 for values in known.values()]
        axes.errorbar(
            [float(alpha) for alpha in known], means, deviations,
            label=name, color=colour, marker=marker, linestyle=line, capsize=3,
        )  # fmt: skip
        axes.set_xlabel("alpha: share of X-X batches (0: X-Y, 1: X-X-mono)")
        axes.grid(alpha=0.3)
    left.set_ylabel("mAP")
    left.legend()
    right.set_ylabel("rank distance, Mul. (lower is better)")
    return figure


def main() -> None:
    """Draw the figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, help="results of all arms, FOLDER/results of the driver")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    options = parser.parse_args()
    with unpacked(options.results) as results, mpl.rc_context({"svg.hashsalt": "study"}):
        figure = draw(tables(results)["alpha"])
        with atomic_path(options.output) as temporary:
            form = options.output.suffix[1:]
            figure.savefig(temporary, format=form, metadata={"Date": None} if form == "svg" else None)


if __name__ == "__main__":
    main()
