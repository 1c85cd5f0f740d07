"""MTEB's stock path against ours, on the three XQuAD-R tasks: texts encoded, CPU time outside of encode, memory.

    MTEB_HYBRID_DATA=DIR python benchmarks/stock.py [--tasks XQuADRMonolingual ...] [--model MODEL]

The same tasks and data through one call of `mteb.evaluate`, twice, each in a process of its own: as they are, and with
the evaluation that MTEB's retrieval tasks have (its search, top-1000 lists, pytrec_eval). The encoder looks up a vector
by the text, so next to nothing of the time is its own, and that is taken off. Vectors are those of a model that encodes
all texts before, or without one drawn by a hash of the text: relevant passages then stand anywhere, which is our
kernel's worst case. One thread, as threads that wait for each other count as CPU time. Imports and what else a process
does once are done before, on MiniQA-R. How fast the machine multiplies at the time, which is most of our time and next
to nothing of MTEB's, the bare product of all questions and passages tells.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mteb
import numpy as np
import torch
from machine import machine
from made_up import peak_mib
from mteb.abstasks.retrieval import AbsTaskRetrieval
from mteb.models import ModelMeta
from mteb.models.abs_encoder import AbsEncoder
from mteb.types import PromptType

from mteb_hybrid.tasks.loader import text_loader

if TYPE_CHECKING:
    from collections.abc import Sequence

TASKS = ("XQuADRMonolingual", "XQuADRCrossLingual", "XQuADRMultilingual")
WARM_UP = ("MiniQARMonolingual", "MiniQARMultilingual")
DIMENSION = 384
WAYS = ("ours", "stock")
PRODUCT = "CPU seconds of the bare matrix product"
ROWS = 256  # of the product at a time


class Vectors:
    """A vector for each text, by a hash of the text."""

    def __init__(self) -> None:
        self.table = np.random.default_rng(0).standard_normal((1 << 16, DIMENSION), dtype=np.float32)

    def of(self, texts: list[str], role: PromptType) -> np.ndarray:
        """The sum of two rows of a table."""
        del role
        rows = np.array([np.frombuffer(hashlib.sha256(text.encode()).digest()[:4], np.uint16) for text in texts])
        found: np.ndarray = self.table[rows[:, 0]] + self.table[rows[:, 1]]
        return found


class VectorsOfModel(Vectors):
    """Those that a model gave, of texts that it has encoded; by a hash for others."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.known = {}
        for role in PromptType:
            texts = json.loads((folder / f"{role.value}.json").read_text(encoding="utf-8"))
            self.known[role] = {text: row for row, text in enumerate(texts)}, np.load(folder / f"{role.value}.npy")

    def of(self, texts: list[str], role: PromptType) -> np.ndarray:
        """The model's vectors."""
        row, vectors = self.known[role]
        if any(text not in row for text in texts):
            return super().of(texts, role)
        found: np.ndarray = vectors[[row[text] for text in texts]]
        return found


def encode_all(name: str, tasks: Sequence[str], folder: Path) -> None:
    """Have a model encode all texts of some tasks, each once."""
    model: Any = mteb.get_model(name)
    (task,) = mteb.get_tasks([one for one in tasks if one.endswith("Multilingual")])  # has the texts of all of them
    task.load_data()
    for role in PromptType:
        texts = list(dict.fromkeys(text.strip() if role is PromptType.document else text for text in task.texts(role)))
        encoded = model.encode(
            text_loader(texts, role, 64), task_metadata=task.metadata, hf_split="test", hf_subset="en", prompt_type=role
        )
        np.save(folder / f"{role.value}.npy", np.asarray(encoded, dtype=np.float32))
        (folder / f"{role.value}.json").write_text(json.dumps(texts), encoding="utf-8")


class LookUpEncoder(AbsEncoder):
    """Looks a vector up for each text; counts texts and its own CPU time."""

    def __init__(self, vectors: Vectors) -> None:
        self.mteb_model_meta = ModelMeta.create_empty().model_copy(
            update={"name": "benchmark/look-up", "revision": "1"}
        )
        self.model_prompts = None
        self.texts, self.seconds, self.vectors = 0, 0.0, vectors

    def encode(self, inputs: Any, *, prompt_type: PromptType, **_: Any) -> np.ndarray:
        """The vectors of texts in a role."""
        started = time.process_time()
        texts = [text for batch in inputs for text in batch["text"]]
        found = self.vectors.of(texts, prompt_type)
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


def evaluate(way: str, names: Sequence[str], vectors: Vectors) -> dict[str, float]:
    """Evaluate tasks in one of the ways."""
    tasks = [task if way == "ours" else stock(task) for task in mteb.get_tasks(names)]
    for task in tasks:
        task.load_data()
    model, before, started = LookUpEncoder(vectors), peak_mib(), time.process_time()
    mteb.evaluate(model, tasks, cache=None, show_progress_bar=False, co2_tracker=False)
    cpu = time.process_time() - started - model.seconds
    return {"texts": model.texts, "CPU seconds outside of encode": cpu, "MiB above the data": peak_mib() - before}


def product(names: Sequence[str], vectors: Vectors) -> float:
    """CPU seconds of the matrix product of all questions and passages of the tasks, each once."""
    found = []
    for role in PromptType:
        texts: dict[str, None] = {}
        for task in mteb.get_tasks(names):
            task.load_data()
            texts |= dict.fromkeys(task.texts(role))
        found.append(torch.from_numpy(vectors.of(list(texts), role)))
    queries, passages = found
    out, seconds = torch.empty(ROWS, len(passages)), []
    for _ in range(3):
        started = time.process_time()
        for rows in queries.split(ROWS):
            torch.mm(rows, passages.T, out=out[: len(rows)])
        seconds.append(time.process_time() - started)
    return min(seconds)


def measure(way: str, names: list[str], folder: Path | None) -> dict[str, float]:
    """One way, in this process."""
    vectors = VectorsOfModel(folder) if folder else Vectors()
    evaluate(way, WARM_UP, Vectors())
    found = evaluate(way, names, vectors)
    return found if way == "stock" else found | {PRODUCT: product(names, vectors)}


def main() -> None:
    """Both ways, each in a process of its own, and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", nargs="+", default=list(TASKS))
    parser.add_argument("--model", help="whose vectors are looked up; its dimension and prompts are its own")
    parser.add_argument("--vectors", type=Path, help="folder that keeps them; what is there is used again")
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.way:
        print(json.dumps(measure(arguments.way, arguments.tasks, arguments.vectors)))
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.vectors or Path(temporary)
        if arguments.model and not (folder / "document.json").exists():
            folder.mkdir(parents=True, exist_ok=True)
            encode_all(arguments.model, arguments.tasks, folder)
        command = [sys.executable, __file__, "--tasks", *arguments.tasks]
        command += ["--vectors", str(folder)] if arguments.model else []
        found = {way: measured([*command, "--way", way]) for way in WAYS}
    vectors = f"vectors of {Path(arguments.model).name}" if arguments.model else "vectors drawn at random"
    print(f"{machine()}; {', '.join(arguments.tasks)}; {vectors}\n\n| | MTEB's | ours | ratio |\n|---|---|---|---|")
    multiplied = found["ours"].pop(PRODUCT)
    for name, ours in found["ours"].items():
        theirs = found["stock"][name]
        print(f"| {name} | {theirs:,.1f} | {ours:,.1f} | {f'{theirs / ours:.1f}' if ours else ''} |")
    print(f"\n{PRODUCT}: {multiplied:.2f}")


def measured(command: list[str]) -> dict[str, float]:
    """What a process of its own prints at its end."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


if __name__ == "__main__":
    main()
