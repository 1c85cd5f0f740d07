"""MTEB's stock path against ours, on the three XQuAD-R tasks: texts encoded, CPU time outside of encode, memory.

    MTEB_HYBRID_DATA=DIR python benchmarks/stock.py [--tasks XQuADRMonolingual ...]

The same tasks and data through one call of `mteb.evaluate`, twice, each in a process of its own: as they are, and with
the evaluation that MTEB's retrieval tasks have (its search, top-1000 lists, pytrec_eval). The encoder looks up a vector
by a hash of the text, so next to nothing of the time is its own, and that is taken off. One thread, as threads that
wait for each other count as CPU time. Imports and what else a process does once are done before, on MiniQA-R.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import mteb
import numpy as np
from machine import machine
from made_up import peak_mib
from mteb.abstasks.retrieval import AbsTaskRetrieval
from mteb.models import ModelMeta
from mteb.models.abs_encoder import AbsEncoder

if TYPE_CHECKING:
    from collections.abc import Sequence

TASKS = ("XQuADRMonolingual", "XQuADRCrossLingual", "XQuADRMultilingual")
WARM_UP = ("MiniQARMonolingual", "MiniQARMultilingual")
DIMENSION = 384


class HashEncoder(AbsEncoder):
    """A vector for each text; counts texts and its own CPU time."""

    def __init__(self) -> None:
        self.mteb_model_meta = ModelMeta.create_empty().model_copy(update={"name": "benchmark/hash", "revision": "1"})
        self.model_prompts = None
        self.texts, self.seconds = 0, 0.0
        self.table = np.random.default_rng(0).standard_normal((1 << 16, DIMENSION), dtype=np.float32)

    def encode(self, inputs: Any, **_: Any) -> np.ndarray:
        """The sum of two rows of a table, by the text's hash."""
        started = time.process_time()
        texts = [text for batch in inputs for text in batch["text"]]
        rows = np.array([np.frombuffer(hashlib.sha256(text.encode()).digest()[:4], np.uint16) for text in texts])
        found: np.ndarray = self.table[rows[:, 0]] + self.table[rows[:, 1]]
        self.texts += len(texts)
        self.seconds += time.process_time() - started
        return found


def stock(task: Any) -> Any:
    """The task with MTEB's own evaluation."""
    kind = type(task)
    unhooked = {name: getattr(AbsTaskRetrieval, name) for name in ("_evaluate_subset", "task_specific_scores")}
    task.__class__ = type(kind.__name__, (kind,), unhooked)
    task.metadata = task.metadata.model_copy(update={"main_score": "ndcg_at_10"})  # it has no map of full rankings
    return task


def evaluate(way: str, names: Sequence[str]) -> dict[str, float]:
    """Evaluate tasks in one of the ways."""
    tasks = [task if way == "ours" else stock(task) for task in mteb.get_tasks(names)]
    for task in tasks:
        task.load_data()
    model, before, started = HashEncoder(), peak_mib(), time.process_time()
    mteb.evaluate(model, tasks, cache=None, show_progress_bar=False, co2_tracker=False)
    cpu = time.process_time() - started - model.seconds
    return {"texts": model.texts, "CPU seconds outside of encode": cpu, "MiB above the data": peak_mib() - before}


def measure(way: str, names: list[str]) -> dict[str, float]:
    """One way, in this process."""
    evaluate(way, WARM_UP)
    return evaluate(way, names)


def main() -> None:
    """Both ways, each in a process of its own, and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", nargs="+", default=list(TASKS))
    parser.add_argument("--way", choices=["ours", "stock"])
    arguments = parser.parse_args()
    if arguments.way:
        print(json.dumps(measure(arguments.way, arguments.tasks)))
        return
    found = {}
    for way in ("ours", "stock"):
        command = [sys.executable, __file__, "--way", way, "--tasks", *arguments.tasks]
        done = subprocess.run(
            command, env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True, check=True
        )
        found[way] = json.loads(done.stdout.splitlines()[-1])
    print(f"{machine()}; {', '.join(arguments.tasks)}\n\n| | MTEB's | ours | ratio |\n|---|---|---|---|")
    for name, ours in found["ours"].items():
        theirs = found["stock"][name]
        print(f"| {name} | {theirs:,.1f} | {ours:,.1f} | {theirs / ours:.1f} |")


if __name__ == "__main__":
    main()
