"""Where the time of an evaluation in memory goes: seconds and shares of the parts of a run of `mteb.evaluate`.

    python benchmarks/parts.py --model MODEL [--precision bf16] [--batch-size 512] [--tasks TASK ...]

MODEL is whatever `mteb run -m` takes. Tasks and options are those of `mteb run`, which tokenises on one core; the
results folder is new. With `--precision bf16` the model's weights are bfloat16, and the ranks are those of its
embeddings as float32. On a GPU the command is the same: a part ends when the GPU has done what it was told.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path
from typing import Any

import mteb
import torch
from lareqa import evaluate, timed_encode
from machine import machine
from stopwatch import FORWARD, HANDING, TOKENISING, Stopwatch, encoder_places
from tables import print_table

from mteb_hybrid.embeddings import EmbeddingStore
from mteb_hybrid.fingerprint import torch_module
from mteb_hybrid.tasks import base, parallel, predictions

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
DATA, STORE, RANKING, SCORES = "reading data", "finding what is encoded already", "exact ranking", "scores"
FILES, REST = "rank tables and result files", "the rest, MTEB's own"


def load(name: str, precision: str) -> Any:
    """The model as `mteb run` loads it, in a precision."""
    model = mteb.get_model(name, device="cuda" if torch.cuda.is_available() else "cpu")
    module = torch_module(model)
    if module is None:
        if precision != "fp32":
            raise SystemExit(f"{name} has no torch module, and so no precision but its own")
        return model
    module.to(PRECISIONS[precision])
    return model


def measure(model: Any, names: list[str], batch_size: int, folder: Path) -> dict[str, float]:
    """Evaluate from scratch; seconds of the parts."""
    watch = Stopwatch()
    task = parallel.AbsTaskParallelRetrieval
    places = [
        *encoder_places(model),
        (task, "load_data", DATA),
        (task, "_subset", DATA),
        (EmbeddingStore, "embed", STORE),
        (parallel.PoolSubset, "rank", RANKING),
        (base, "scores_of", SCORES),
        (base, "save_rank_table", FILES),
        (predictions, "save_across_languages", FILES),
        (mteb.ResultCache, "save_to_cache", FILES),
    ]
    tasks = mteb.get_tasks(tasks=names)
    with watch.watching(*places), watch.part(REST):
        evaluate(model, tasks, folder, batch_size)
    return {
        part: watch.seconds[part] for part in (DATA, TOKENISING, FORWARD, HANDING, STORE, RANKING, SCORES, FILES, REST)
    }


def main() -> None:
    """Run, and print the table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-m", "--model", required=True)
    parser.add_argument("--precision", choices=PRECISIONS, default="fp32")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument(
        "--tasks", nargs="+", default=["XQuADRMonolingual", "XQuADRCrossLingual", "XQuADRMultilingual"], metavar="TASK"
    )
    arguments = parser.parse_args()
    os.environ["TOKENIZERS_PARALLELISM"] = "false"  # as in `mteb run`
    model = load(arguments.model, arguments.precision)
    encoded = timed_encode(model)
    with tempfile.TemporaryDirectory() as folder:
        seconds = measure(model, arguments.tasks, arguments.batch_size, Path(folder))
    wall = sum(seconds.values())
    print(f"\n{machine()}\n")
    print(
        f"{', '.join(arguments.tasks)}: {encoded['texts']:,.0f} texts encoded by {arguments.model} in "
        f"{arguments.precision}, batches of {arguments.batch_size}"
    )
    rows = [(part, f"{spent:,.2f}", f"{spent / wall:.1%}") for part, spent in seconds.items()]
    print_table(("part", "seconds", "share"), [*rows, ("**all**", f"**{wall:,.2f}**", "")])


if __name__ == "__main__":
    main()
