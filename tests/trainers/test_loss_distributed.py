"""Two processes with half a batch each train as one process with all of it.

This file is both the test and, started by torchrun, what the two processes do.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer
from tiny_models import sentence_transformer

from mteb_hybrid.trainers.labels import encode_label
from mteb_hybrid.trainers.losses.hybrid import HybridLoss

COLUMNS = [
    ["who", "where is it", "when", "what did she say", "why", "how far"],
    ["a man", "over the hill", "at noon", "nothing much", "because of rain", "ten miles and a half"],
    ["a dog", "on a shelf", "at midnight", "she was silent", "for no reason", "by bus"],
    ["wer", "wo ist es", "wann", "was sagte sie", "warum", "wie weit"],
    ["ein mann", "jenseits vom berg", "am mittag", "nicht viel", "wegen regen", "zehn meilen"],
]
# the first process has nothing but item 3, which the second one has too: without the exchange it had no negatives
LABELS = encode_label(torch.tensor([3, 3, 3, 4, 3, 5]), torch.tensor([0, 0, 1, 0, 1, 0]), parallel=True)
EVERY = ("query_to_doc", "query_to_query", "doc_to_query", "doc_to_doc")
OPTIONS = {
    "items": {},
    "everything": {"directions": EVERY, "positives": "parallel", "consistency": 0.5},
}
CASES = [
    (name, mini_batch_size, wrapped)
    for name in OPTIONS
    for mini_batch_size in (None, 2)
    for wrapped in ("averaged here", "averaged by DDP")
]

Result = dict[str, torch.Tensor]


def load(directory: str | Path) -> SentenceTransformer:
    return SentenceTransformer(str(directory), device="cpu").double().eval()


def run(model: SentenceTransformer, loss: HybridLoss, rows: slice) -> Result:
    """Parts and gradients of some rows."""
    parts = loss([model.tokenize(column[rows]) for column in COLUMNS], LABELS[rows])
    torch.stack(list(parts.values())).sum().backward()
    gradients = {name: weight.grad for name, weight in model.named_parameters() if weight.grad is not None}
    return {name: part.detach() for name, part in parts.items()} | gradients


def averaged(result: Result) -> Result:
    for tensor in result.values():
        dist.all_reduce(tensor)
    return {name: tensor / dist.get_world_size() for name, tensor in result.items()}


def process(directory: str) -> None:
    """What one of the processes does: all cases with its half of the rows."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    rows = slice(0, 3) if dist.get_rank() == 0 else slice(3, 6)
    results = {}
    for case in CASES:
        name, mini_batch_size, wrapped = case
        model = load(directory)
        loss = HybridLoss(model, mini_batch_size=mini_batch_size, gather_across_devices=True, **OPTIONS[name])
        if wrapped == "averaged by DDP":
            parallel = torch.nn.parallel.DistributedDataParallel(model, find_unused_parameters=True)
            SentenceTransformerTrainer.__new__(SentenceTransformerTrainer).override_model_in_loss(loss, parallel)
        # DDP has made the gradients equal already: their mean over processes is what they are
        results[case] = averaged(run(model, loss, rows))
    if dist.get_rank() == 0:
        torch.save(results, Path(directory) / "results.pt")
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def directory(tmp_path_factory) -> Path:
    return sentence_transformer(tmp_path_factory.mktemp("model") / "tiny")


@pytest.fixture(scope="module")
def results(directory) -> dict[tuple, Result]:
    """What the two processes found."""
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    paths = [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    done = subprocess.run(
        [*torchrun, __file__, str(directory)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths)), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return torch.load(directory / "results.pt")


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=lambda case: "-".join(map(str, case)))
def test_two_processes_are_one(directory, results, case):
    """Parts and gradients, averaged over both processes as the trainer does, are those of one process with all rows."""
    name, mini_batch_size, _ = case
    model = load(directory)
    expected = run(model, HybridLoss(model, mini_batch_size=mini_batch_size, **OPTIONS[name]), slice(0, 6))
    assert set(expected) == set(results[case])
    for key, tensor in results[case].items():
        # some versions of sentence-transformers multiply with the cached gradients in float32
        rtol, atol = (1e-8, 1e-11) if mini_batch_size is None else (1e-4, 1e-5)
        torch.testing.assert_close(tensor, expected[key], rtol=rtol, atol=atol, msg=key)


if __name__ == "__main__":
    process(sys.argv[1])
