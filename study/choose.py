"""Try learning rates for an initialiser on held-out items of the training data; no test question is read.

    python study/choose.py --model DIR --start e5 --work FOLDER [--data mlqa-r] [--jobs 2] [--full]

Trains the hybrid arm with every rate of study/plan.py, a tenth of the items held out, and writes the held-out metrics
to FOLDER/choice/DATA_START.csv. Whoever runs it puts what is best into study/plan.py.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from commands import BIN, RECIPE, first_initialiser, run_logged, training
from plan import CHOSEN, FULL, FULL_STEPS, RATES, TEST_OF

from mteb_hybrid.atomic import atomic_path

METRICS = ("monolingual_map", "cross_lingual_map", "multilingual_map", "rank_distance")


def train(settings: dict[str, object], folder: Path, jobs: int) -> dict[str, float]:
    """Held-out metrics after one training; what is there is not trained again."""
    if not (folder / "modules.json").is_file():
        program = (BIN / "mteb-hybrid", "train", RECIPE)
        words = training(program, [f"{key}={value}" for key, value in settings.items()], folder)
        run_logged(words, folder.parent / f"{folder.name}.log", jobs)
    (state,) = (folder / "training").glob(f"checkpoint-{settings['training.steps']}/trainer_state.json")
    found = {}
    for line in json.loads(state.read_text(encoding="utf-8"))["log_history"]:
        found |= {metric: line[key] for key in line for metric in METRICS if key.endswith(f"held-out_{metric}")}
    return found


def main() -> None:
    """Train with every rate, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="the first initialiser: a name on the hub, or a directory")
    parser.add_argument("--start", required=True, choices=sorted(RATES), help="whose rate is chosen")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--data", default="mlqa-r", choices=sorted(TEST_OF))
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--full", action="store_true", help="batches and steps for a GPU")
    options = parser.parse_args()
    folder = options.work / "choice"
    folder.mkdir(parents=True, exist_ok=True)
    model = first_initialiser(options.model)
    if options.start != "e5":
        import prepare

        model = str(prepare.first_layers(model, options.work.resolve() / "prepared"))
    steps = FULL_STEPS if options.full else CHOSEN[options.start][1]
    shared = {
        "model.name": model, "data": f'[{{kind="collection",name="{options.data}"}}]', "training.steps": steps,
        "evaluation.held_out": 0.1, "evaluation.metric": '"multilingual_map"', "evaluation.every": steps,
        **(dict(setting.split("=") for setting in FULL) if options.full else {}),
    }  # fmt: skip

    def tried(rate: float) -> dict[str, object]:
        place = folder / f"{options.data}_{options.start}_rate{rate}_steps{steps}"
        metrics = train({**shared, "training.learning_rate": rate}, place, options.jobs)
        return {"data": options.data, "start": options.start, "steps": steps, "learning_rate": rate, **metrics}

    with ThreadPoolExecutor(options.jobs) as pool:
        rows = list(pool.map(tried, RATES[options.start]))
    table = folder / f"{options.data}_{options.start}.csv"
    with atomic_path(table) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    sys.stdout.write(table.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
