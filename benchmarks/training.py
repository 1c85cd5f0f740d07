"""The three samplers train one encoder on MLQA-R, and `mteb run` scores each model on XQuAD-R: the README's table.

    python benchmarks/training.py -m DIR [--recipe e5-small-mlqa-r] [--set training.steps=120] [--output-folder FOLDER]

DIR is the encoder that training starts from, such as intfloat/multilingual-e5-small. The arms differ in alpha alone:
the same seed, steps, batch size and learning rate, and the last step's weights, so that nothing is chosen on test data.
Training and scoring are the two commands that a user would give, and what is finished is not done again.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

from lareqa import cell
from machine import machine

from mteb_hybrid.reporting import ModelSummary, read_pooled, read_results, summarise
from mteb_hybrid.reporting.columns import BIAS, PARALLEL

ARMS = {"X-X-mono": 1.0, "X-Y": 0.0, "hybrid": 0.5}
TASKS = ("XQuADRMonolingual", "XQuADRCrossLingual", "XQuADRMultilingual")
SCORES = (
    "rank_distance", "rank_distance_median", "complete_at_100", "language_preference_excess",
    "query_language_share_excess_at_10", "exposure_fairness_at_100", "query_language_consistency",
    "single_target_map_gap",
)  # fmt: skip
BIN = Path(sys.executable).parent


def command(*words: object) -> float:
    """Run one command; seconds it took."""
    print("$", *words, flush=True)
    started = time.perf_counter()
    subprocess.run([BIN / str(words[0]), *map(str, words[1:])], check=True)
    return time.perf_counter() - started


def train(model: str, recipe: str, settings: list[str], alpha: float, folder: Path) -> None:
    """Train one arm, if it is not there yet."""
    options = [
        word for setting in (f"model.name={model}", f"sampler.alpha={alpha}", *settings) for word in ("--set", setting)
    ]
    if not (folder / "modules.json").exists():
        resume = ["--resume"] if folder.exists() else []
        print(f"{command('mteb-hybrid', 'train', recipe, *options, '--output', folder, *resume):.0f} s")


def score(model: str | Path, results: Path) -> None:
    """Score a model on XQuAD-R; MTEB's cache knows what is finished."""
    words = ("mteb", "run", "-t", *TASKS, "-m", model, "--output-folder", results)
    seconds = command(*words, "--prediction-folder", results / "predictions", "--verbosity", 1)
    print(f"{seconds:.0f} s")


def table(summaries: dict[str, ModelSummary]) -> None:
    """Settings and language bias, macro-averaged, a column for each model."""
    print("| | better | " + " | ".join(summaries) + " |\n|---|---|" + "---|" * len(summaries))
    for column in PARALLEL[:-1]:
        values = [summary.mean(column.setting, column.score) for summary in summaries.values()]
        print(f"| {column.heading} | high | " + " | ".join(cell(value, ".4f") for value in values) + " |")
    for name, better, form in BIAS:
        if name in SCORES:
            values = [summary.pooled(name) for summary in summaries.values()]
            print(f"| `{name}` | {better} | " + " | ".join(cell(value, form) for value in values) + " |")


def by_language(summaries: dict[str, ModelSummary]) -> None:
    """Pooled mAP of every query language; MLQA-R, the training data, lacks el, ru, th and tr."""
    print("\n| Mul. mAP | " + " | ".join(summaries) + " |\n|---|" + "---|" * len(summaries))
    found = [summary.by_query_language("Multilingual", "map") for summary in summaries.values()]
    for language in sorted(found[0]):
        print(f"| {language} | " + " | ".join(cell(values.get(language), ".4f") for values in found) + " |")


def main() -> None:
    """Train, score, and print the tables in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-m", "--model", required=True)
    parser.add_argument("--recipe", default="e5-small-mlqa-r")
    parser.add_argument(
        "--set", action="append", default=[], help="a setting of the recipe, such as training.steps=300"
    )
    parser.add_argument("--output-folder", type=Path, default=Path("results/training"))
    arguments = parser.parse_args()
    summaries = {}
    for name, alpha in {"start": None, **ARMS}.items():
        model = arguments.model
        if alpha is not None:
            model = arguments.output_folder / name
            train(arguments.model, arguments.recipe, arguments.set, alpha, model)
        results = arguments.output_folder / "results" / name
        score(model, results)
        found = summarise(read_results(results / "results"), *read_pooled([results / "predictions"]))
        (summaries[name],) = (summary for summary in found if summary.collection == "XQuADR")
    print(f"\n{machine()}\n")
    table(summaries)
    by_language(summaries)


if __name__ == "__main__":
    main()
