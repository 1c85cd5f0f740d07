"""What an encoder is handed: the batches that MTEB itself would hand it."""

from __future__ import annotations

import mteb
import pytest
from datasets import Dataset
from mteb._create_dataloaders import create_dataloader
from mteb.types import PromptType

from mteb_hybrid.streaming.corpus import TitledText
from mteb_hybrid.tasks.loader import text_loader

TEXTS = ["  a passage", "another\n", "", "ein dritter \u00df", "four", " ", "seven"]


@pytest.mark.parametrize("role", list(PromptType))
@pytest.mark.parametrize("batch_size", [1, 3, 10])
def test_batches_equal_mtebs(role, batch_size):
    """The same keys, texts, order and batch sizes as MTEB's own loader for the same texts."""
    metadata = mteb.get_task("MiniQARMonolingual").metadata
    dataset = Dataset.from_dict({"id": [str(i) for i in range(len(TEXTS))], "text": TEXTS})
    theirs = create_dataloader(dataset, task_metadata=metadata, prompt_type=role, batch_size=batch_size)
    ours = text_loader(TEXTS, role, batch_size)
    assert [dict(batch) for batch in ours] == [dict(batch) for batch in theirs]


def test_batches_of_passages_with_titles_equal_mtebs():
    """Title and body reach an encoder that reads them, as they would in MTEB; so does the joined text."""
    metadata = mteb.get_task("MiniQARMonolingual").metadata
    titles = ["a title", "", "another", "", "", "x", " y"]
    columns = {"id": [str(i) for i in range(len(TEXTS))], "title": titles, "text": TEXTS}
    theirs = create_dataloader(
        Dataset.from_dict(columns), task_metadata=metadata, prompt_type=PromptType.document, batch_size=3
    )
    texts = [TitledText.of(title, text) for title, text in zip(titles, TEXTS, strict=True)]
    ours = text_loader(texts, PromptType.document, 3)
    assert [dict(batch) for batch in ours] == [dict(batch) for batch in theirs]
