"""What an encoder is handed: the batches that MTEB itself would hand it."""

from __future__ import annotations

import mteb
import pytest
from datasets import Dataset
from mteb._create_dataloaders import create_dataloader
from mteb.types import PromptType

from mteb_hybrid import _mteb

TEXTS = ["  a passage", "another\n", "", "ein dritter \u00df", "four", " ", "seven"]


@pytest.mark.parametrize("role", list(PromptType))
@pytest.mark.parametrize("batch_size", [1, 3, 10])
def test_batches_equal_mtebs(role, batch_size):
    """The same keys, texts, order and batch sizes as MTEB's own loader for the same texts."""
    metadata = mteb.get_task("MiniQARMonolingual").metadata
    dataset = Dataset.from_dict({"id": [str(i) for i in range(len(TEXTS))], "text": TEXTS})
    theirs = create_dataloader(dataset, task_metadata=metadata, prompt_type=role, batch_size=batch_size)
    ours = _mteb.text_loader(TEXTS, metadata, role, batch_size)
    assert [dict(batch) for batch in ours] == [dict(batch) for batch in theirs]
