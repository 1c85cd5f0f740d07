"""Two processes train: what each of them gets, epoch after epoch, and what resumed runs go on with.

This file is both the tests and, started by torchrun, what the two processes do.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from host_losses import MultipleNegativesRankingLoss
from recording_trainer import BATCH, RecordingTrainer, arguments, items_dataset
from sentence_transformers import SentenceTransformer
from textless_data import Row, count_rows
from tiny_models import sentence_transformer

from mteb_hybrid.trainers import HybridBatchSampler

ITEMS, EPOCHS = 30, 3
STEPS = ITEMS // (2 * BATCH)  # of an epoch

pytestmark = pytest.mark.slow

Batches = list[list[int]]


def train(model_directory: str, folder: str, resume: str | None) -> None:
    """Train in this process, and write down what it got."""
    dataset = items_dataset(ITEMS)
    model = SentenceTransformer(model_directory, device="cpu")
    trainer = RecordingTrainer(
        model=model,
        args=arguments(Path(folder), num_train_epochs=EPOCHS, save_strategy="steps", save_steps=1),
        train_dataset=dataset,
        loss=MultipleNegativesRankingLoss(model),
    )
    trainer.train(resume_from_checkpoint=resume)
    assert trainer.labels == [dataset[batch]["label"] for batch in dataset.fetched]
    Path(folder, f"rows-{trainer.args.process_index}.json").write_text(json.dumps(dataset.fetched))


def launch(model_directory: Path, folder: Path, resume: Path | None = None) -> list[Batches]:
    """Train in two processes; the batches of each."""
    pytest.importorskip("accelerate", reason="training needs accelerate")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2", __file__]
    command += [str(model_directory), str(folder), str(resume or "")]
    before = os.environ.get("PYTHONPATH")  # not joined where it is empty: that would be the working directory
    paths = os.pathsep.join(filter(None, [str(Path(__file__).parents[1]), before]))
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": paths, "ACCELERATE_USE_CPU": "true"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-3_000:]
    return [json.loads((folder / f"rows-{rank}.json").read_text()) for rank in (0, 1)]


@pytest.fixture(scope="module")
def model_directory(tmp_path_factory) -> Path:
    return sentence_transformer(tmp_path_factory.mktemp("model") / "tiny")


@pytest.fixture(scope="module")
def uninterrupted(model_directory, tmp_path_factory) -> tuple[Path, list[Batches]]:
    """The folder of a run over all epochs, with a checkpoint for every step, and the batches of each process."""
    folder = tmp_path_factory.mktemp("whole")
    return folder, launch(model_directory, folder)


def test_the_processes_share_the_samplers_stream(uninterrupted):
    """Together they get what a single sampler for two processes gives, in all epochs, and none is like another."""
    expected: list[list[Batches]] = []
    for epoch in range(EPOCHS):
        sampler = HybridBatchSampler(items_dataset(ITEMS), BATCH, seed=7, processes=2)
        sampler.set_epoch(epoch)
        batches = list(sampler)
        expected.append([batches[::2], batches[1::2]])
    first, second = uninterrupted[1]
    assert first == [row for epoch in expected for row in epoch[0]]
    assert second == [row for epoch in expected for row in epoch[1]]
    epochs = [first[start : start + STEPS] for start in range(0, len(first), STEPS)]
    assert len(epochs) == EPOCHS
    assert all(one != other for number, one in enumerate(epochs) for other in epochs[:number])


def test_a_global_step_is_of_one_kind_and_has_no_item_twice(uninterrupted):
    """So that what is gathered over processes contrasts like with like."""
    dataset = items_dataset(ITEMS)
    rows = count_rows(dataset.training_rows.triples.shapes)
    kinds = set()
    for first, second in zip(*uninterrupted[1], strict=True):
        step: list[Row] = [rows[row] for row in first + second]
        assert len({row.item for row in step}) == 2 * BATCH
        cross = {row.cross for row in step}
        assert len(cross) == 1
        kinds |= cross
        if not cross.pop():
            assert len({row.query for row in step}) == 1
    assert kinds == {True, False}


@pytest.mark.parametrize("step", [STEPS + 1, 2 * STEPS])
def test_a_resumed_run_goes_on_with_the_same_batches(uninterrupted, model_directory, tmp_path, step):
    """From the middle of any epoch and from the end of one, in new processes."""
    folder, whole = uninterrupted
    rest = launch(model_directory, tmp_path, folder / f"checkpoint-{step}")
    assert rest == [batches[step:] for batches in whole]


if __name__ == "__main__":
    train(sys.argv[1], sys.argv[2], sys.argv[3] or None)
