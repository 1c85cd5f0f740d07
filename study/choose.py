"""Choose learning rate and number of steps of an initialiser, on held-out items of the training data only.

    python study/choose.py --model DIR --start e5 --work FOLDER [--data mlqa-r] [--jobs 2] [--full]

Trains the hybrid arm at every learning rate and number of steps, with a tenth of the items held out, and writes
FOLDER/choice/START.csv with the held-out metrics. What was chosen stands in study/plan.py; no test question is read.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from plan import FULL, FULL_STEPS, RATES, STEPS
from run import BIN, RECIPE

from mteb_hybrid.atomic import atomic_path

METRICS = ("monolingual_map", "cross_lingual_map", "multilingual_map", "rank_distance")


def train(
    model: Path, data: str, rate: float, steps: int, folder: Path, threads: int, more: tuple[str, ...] = ()
) -> dict[str, float]:
    """Held-out metrics before and after one training of the hybrid arm; what is there is not trained again."""
    settings = {
        "model.name": f'"{model}"', "data": f'[{{kind="collection",name="{data}"}}]', "training.steps": steps,
        "training.learning_rate": rate, "evaluation.held_out": 0.1, "evaluation.metric": '"multilingual_map"',
        "evaluation.every": steps,
    }  # fmt: skip
    log = folder.parent / f"{folder.name}.log"
    if not (folder / "modules.json").is_file():
        named = [*more, *(f"{key}={value}" for key, value in settings.items())]
        words = [word for setting in named for word in ("--set", setting)]
        resume = ["--resume"] if folder.exists() else []
        with log.open("a", encoding="utf-8") as stream:
            command = [str(BIN / "mteb-hybrid"), "train", str(RECIPE), *words, "--output", str(folder), *resume]
            environment = {"OMP_NUM_THREADS": str(threads), **os.environ}
            subprocess.run(command, check=True, stdout=stream, stderr=subprocess.STDOUT, env=environment)
    (state,) = (folder / "training").glob(f"checkpoint-{steps}/trainer_state.json")
    found = {}
    for line in json.loads(state.read_text(encoding="utf-8"))["log_history"]:
        found |= {metric: line[key] for key in line for metric in METRICS if key.endswith(f"_{metric}")}
    return {"learning_rate": rate, "steps": steps, **found}


def main() -> None:
    """Train the grid, two numbers of steps by three learning rates, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="the initialiser's directory")
    parser.add_argument("--start", required=True, choices=sorted(RATES), help="its name in study/plan.py")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--data", default="mlqa-r")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--full", action="store_true", help="batches and steps for a GPU")
    options = parser.parse_args()
    folder = options.work / "choice"
    folder.mkdir(parents=True, exist_ok=True)
    steps = (FULL_STEPS,) if options.full else STEPS[options.start]
    grid = list(itertools.product(RATES[options.start], steps))
    threads = max(1, (os.cpu_count() or 1) // options.jobs)
    with ThreadPoolExecutor(options.jobs) as pool:
        rows = list(
            pool.map(
                lambda point: train(
                    options.model.resolve(), options.data, *point,
                    folder / f"{options.start}_rate{point[0]}_steps{point[1]}", threads, FULL if options.full else (),
                ),
                grid,
            )
        )  # fmt: skip
    with (
        atomic_path(folder / f"{options.start}.csv") as temporary,
        temporary.open("w", encoding="utf-8", newline="") as stream,
    ):
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    sys.stdout.write((folder / f"{options.start}.csv").read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
