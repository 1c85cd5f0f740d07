"""The view in sentence-transformers' trainer, and what it costs in memory."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest
import torch
from datasets import Dataset
from host_losses import MultipleNegativesRankingLoss
from parallel_items import item, wide_table
from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer, SentenceTransformerTrainingArguments
from tiny_models import sentence_transformer

from mteb_hybrid.trainers import ParallelDataset

ITEMS = [item(name, "de en fr", negatives=1) for name in "abcdefghijklmnopqrst"]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory) -> Path:
    return sentence_transformer(tmp_path_factory.mktemp("encoder") / "tiny")


def trainer(encoder: Path, folder: Path, made: ParallelDataset, **options) -> SentenceTransformerTrainer:
    model = SentenceTransformer(str(encoder), device="cpu")
    options = {"max_steps": 2, "per_device_train_batch_size": 8, "report_to": [], "use_cpu": True} | options
    arguments = SentenceTransformerTrainingArguments(str(folder), save_strategy="no", logging_steps=1, **options)
    loss = MultipleNegativesRankingLoss(model)
    return SentenceTransformerTrainer(
        model, arguments, train_dataset=made, eval_dataset=made.for_evaluation(), loss=loss
    )


def test_trains_and_writes_a_model_card(encoder, tmp_path):
    """Two steps with the trainer's own sampler change the weights; the card knows columns, size and examples."""
    made = ParallelDataset.from_wide(wide_table(ITEMS))
    training = trainer(encoder, tmp_path / "run", made, eval_strategy="steps", eval_steps=2)
    before = {name: weight.clone() for name, weight in training.model.state_dict().items()}
    training.train()
    assert any(not torch.equal(before[name], weight) for name, weight in training.model.state_dict().items())
    logged = {key for entry in training.state.log_history for key in entry}
    assert {"loss", "eval_loss"} <= logged
    training.save_model(str(tmp_path / "model"))
    card = (tmp_path / "model" / "README.md").read_text(encoding="utf-8")
    assert re.search(r"Size: 180 training samples", card)
    columns = "<code>query</code>, <code>passage</code>, <code>negative</code>, and <code>label</code>"
    assert columns in card
    assert re.search(r"<code>passage [a-t] (de|en|fr)</code>", card)


def test_what_reaches_the_model(encoder, tmp_path):
    """Every row once, in the columns' order and with prompts, and its label; no column for languages or items."""
    made = ParallelDataset.from_wide(wide_table(ITEMS), parallel=True)
    prompts = {"query": "asked: ", "passage": "found: "}
    training = trainer(encoder, tmp_path / "run", made, prompts=prompts, dataloader_num_workers=2)
    names = ["query", "passage", "negative", "query_parallel", "passage_parallel"]
    found: Counter[tuple[str, ...]] = Counter()
    for batch in training.get_train_dataloader():
        columns = [key.removesuffix("_input_ids") for key in batch if key.endswith("input_ids")]
        assert columns == names
        assert {key for key in batch if not key.startswith(tuple(names))} <= {"label", "dataset_name"}
        texts = [letters(training.model.tokenizer.batch_decode(batch[f"{name}_input_ids"])) for name in names]
        found.update(zip(*texts, map(str, batch["label"].tolist()), strict=True))
    plain = [letters(made[:][name]) for name in names]
    prompted = [[f"asked{text}" for text in plain[0]], [f"found{text}" for text in plain[1]], *plain[2:]]
    assert found == Counter(zip(*prompted, map(str, made[:]["label"]), strict=True))


def letters(texts: list[str]) -> list[str]:
    """What the tiny tokenizer leaves of texts, and nothing of its own tokens."""
    return ["".join(re.findall("[a-z]", re.sub(r"\[[A-Z]+\]", "", text))) for text in texts]


MEASURE = """
import sys
from datasets import load_from_disk
from mteb_hybrid.trainers import ParallelDataset
import numpy as np

def anonymous():
    return next(int(line.split()[1]) * 1024 for line in open("/proc/self/status") if line.startswith("RssAnon"))

warm = load_from_disk(sys.argv[1]).select(range(5_000))
view = ParallelDataset.from_wide(warm)
view[[0, 5]]
table = load_from_disk(sys.argv[1])
before = anonymous()
view = ParallelDataset.from_wide(table)
built = anonymous()
rng = np.random.default_rng(0)
for _ in range(100):
    view[rng.integers(len(view), size=100).tolist()]
print(len(view), table.data.nbytes, built - before, anonymous() - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="/proc tells the memory")
def test_memory(tmp_path):
    """A table on disk is neither copied nor listed: the view costs a small part of the texts' own size.

    200,000 items in 8 languages are 12.8 million rows; written out they would be 64 texts an item instead of 16.
    """
    languages = ["ar", "de", "en", "es", "hi", "ru", "th", "zh"]
    number = pc.cast(pa.array(range(200_000)), pa.string())
    columns = {
        f"{role}_{code}": pc.binary_join_element_wise(f"{role} {code}", number, "a few words of text", " ")
        for role in ("query", "passage")
        for code in languages
    }
    Dataset(pa.table(columns)).save_to_disk(str(tmp_path / "table"))
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(tmp_path / "table")],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    rows, size, built, read = map(int, done.stdout.split())
    assert rows == 200_000 * 64
    assert size > 80e6
    assert max(built, read) < size / 4
