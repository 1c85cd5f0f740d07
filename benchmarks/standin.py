"""A stand-in for one language of MIRACL on disk, in the hub's layout, and an encoder that costs next to nothing."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

LANGUAGE = "sw"
_STEP = 100_000  # passages of a file
_README = """---
configs:
- config_name: {0}-corpus
  data_files: [{{split: dev, path: corpus/*.parquet}}]
- config_name: {0}-queries
  data_files: [{{split: dev, path: queries.parquet}}]
- config_name: {0}-qrels
  data_files: [{{split: dev, path: qrels.parquet}}]
---
A stand-in, for measuring.
"""


def write_collection(
    folder: Path, passages: Iterable[tuple[str, str]], questions: Sequence[str], relevant: Sequence[Sequence[int]]
) -> Path:
    """Write a data set as `datasets` reads it from the hub.

    Args:
        folder: The folder that ``MTEB_HYBRID_DATA`` is to name.
        passages: Title and text of each passage.
        questions: The questions.
        relevant: The rows of the relevant passages of each question.

    Returns:
        The data set's folder.
    """
    place = folder / "MIRACLRetrieval"
    (place / "corpus").mkdir(parents=True)
    titles: list[str] = []
    texts: list[str] = []
    start = 0
    for title, text in passages:
        titles.append(title)
        texts.append(text)
        if len(texts) == _STEP:
            _write_passages(place, start, titles, texts)
            start += _STEP
            titles.clear()
            texts.clear()
    if texts:
        _write_passages(place, start, titles, texts)
    ids = [str(number) for number in range(len(questions))]
    pq.write_table(pa.table({"_id": ids, "text": list(questions)}), place / "queries.parquet")
    judged = [(query, f"{row}#0") for query, rows in zip(ids, relevant, strict=True) for row in rows]
    columns = {
        "query-id": [query for query, _ in judged],
        "corpus-id": [passage for _, passage in judged],
        "score": [1] * len(judged),
    }
    pq.write_table(pa.table(columns), place / "qrels.parquet")
    (place / "README.md").write_text(_README.format(LANGUAGE))
    return place


def invented_texts(count: int, words: int = 40) -> Iterator[str]:
    """Texts of invented words, with 40 of them about 260 characters."""
    random = np.random.default_rng(0)
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    known = np.array(["".join(random.choice(letters, size)) for size in random.integers(2, 10, 50_000)])
    for start in range(0, count, _STEP):
        rows = min(count - start, _STEP)
        yield from (" ".join(row) for row in known[random.integers(0, len(known), (rows, words))])


def environment(folder: Path) -> dict[str, str]:
    """Variables with which the collection in a folder is evaluated, and nothing but it."""
    return {
        "MTEB_HYBRID_DATA": str(folder),
        "MTEB_HYBRID_CACHE": str(folder / "cache"),
        "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
    }


def hash_encoder(dimension: int) -> Any:
    """An encoder of MTEB whose embeddings are sums of drawn vectors, picked by the bytes of a text's digest."""
    from mteb.models import ModelMeta
    from mteb.models.abs_encoder import AbsEncoder

    tables = np.random.default_rng(1).normal(size=(8, 256, dimension)).astype(np.float32)

    class HashEncoder(AbsEncoder):
        mteb_model_meta = ModelMeta.create_empty().model_copy(update={"name": "benchmark/hash", "revision": "1"})
        model_prompts = None

        def encode(self, inputs: Any, **_options: Any) -> Any:
            digests = [
                hashlib.blake2b(text.encode(), digest_size=8).digest() for batch in inputs for text in batch["text"]
            ]
            numbers = np.frombuffer(b"".join(digests), dtype=np.uint8).reshape(-1, 8)
            return sum(tables[place, numbers[:, place]] for place in range(8))

    return HashEncoder()


def _write_passages(place: Path, start: int, titles: list[str], texts: list[str]) -> None:
    ids = [f"{row}#0" for row in range(start, start + len(texts))]
    table = pa.table({"_id": ids, "title": titles, "text": texts})
    pq.write_table(table, place / "corpus" / f"{start:09d}.parquet")
