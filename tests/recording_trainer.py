"""A trainer that writes down what arrives, and data for it; for tests in one process and in several."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from datasets import Dataset
from sentence_transformers import SentenceTransformerTrainer, SentenceTransformerTrainingArguments

from mteb_hybrid.trainers import HybridBatchSampler, ParallelDataset

BATCH = 4


class RecordingTrainer(SentenceTransformerTrainer):
    """Writes down labels and columns of the batches that the loss gets."""

    def __init__(self, *given: Any, **options: Any) -> None:
        self.labels: list[list[int]] = []
        self.evaluated: list[list[int]] = []
        self.columns: set[str] = set()
        super().__init__(*given, **options)

    def compute_loss(self, model: Any, inputs: dict[str, Any], *rest: Any, **options: Any) -> Any:
        seen = self.labels if model.training else self.evaluated
        seen.append(inputs["label"].tolist())
        endings = ("_input_ids", "_attention_mask", "_token_type_ids", "_task", "_prompt_length", "_modality")
        for name in inputs:
            ending = next((one for one in endings if name.endswith(one)), "")
            self.columns.add(name.removesuffix(ending))
        return super().compute_loss(model, inputs, *rest, **options)


class RecordingDataset(ParallelDataset):
    """Writes down the rows that are read for batches."""

    def __getitems__(self, keys: list[int]) -> list[dict[str, Any]]:
        self.__dict__.setdefault("fetched", []).append([int(key) for key in keys])
        return super().__getitems__(keys)


def table(items: int, languages: str = "ar de en") -> dict[str, list[str]]:
    """Items that all have all languages, in wide form."""
    return {
        f"{role}_{language}": [f"{role} {language} {number}" for number in range(items)]
        for role in ("query", "passage")
        for language in languages.split()
    }


def items_dataset(items: int = 32) -> RecordingDataset:
    """A view that writes down what is read of it."""
    dataset = RecordingDataset.from_wide(Dataset.from_dict(table(items)))
    assert isinstance(dataset, RecordingDataset)
    return dataset


def arguments(folder: Path, **options: Any) -> SentenceTransformerTrainingArguments:
    """For a short run on the CPU."""
    defaults = {
        "per_device_train_batch_size": BATCH,
        "per_device_eval_batch_size": BATCH,
        "batch_sampler": HybridBatchSampler,
        "seed": 7,
        "use_cpu": True,
        "report_to": [],
        "save_strategy": "no",
        "logging_steps": 1000,
        "disable_tqdm": True,
    }
    return SentenceTransformerTrainingArguments(str(folder), **{**defaults, **options})
