"""What arms need before they can be trained: initialisers made from the first one, bitext, mined negatives.

All goes to one folder, is made once, and is not made again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from datasets import Dataset
from folders import whole_folder
from sentence_transformers import SentenceTransformer

from mteb_hybrid.atomic import atomic_path
from mteb_hybrid.collections import mlqa_r
from mteb_hybrid.trainers import ParallelDataset, mine_parallel_hard_negatives

if TYPE_CHECKING:
    from pathlib import Path

LAYERS = 4
NTREX = {"ar": "arb", "de": "deu", "en": "eng", "es": "spa", "hi": "hin", "vi": "vie", "zh": "zho-CN"}
"""NTREX's files of MLQA-R's languages: what fine-tuning never sees, pre-training does not see either."""
PROMPTS = {"query": "query: ", "document": "passage: "}


def first_layers(model: str, folder: Path) -> Path:
    """The initialiser that is less aligned: the first layers of a BERT-like encoder, as they are."""
    target = folder / f"layers{LAYERS}"
    if not target.is_dir():
        cut = SentenceTransformer(model, device="cpu")
        encoder = cut[0].auto_model
        encoder.encoder.layer = encoder.encoder.layer[:LAYERS]
        encoder.config.num_hidden_layers = LAYERS
        cut.prompts = PROMPTS
        with whole_folder(target) as temporary:
            cut.save_pretrained(str(temporary))
    return target


def bitext(ntrex: Path, folder: Path) -> Path:
    """NTREX's sentences as a wide table: a sentence is the query of its translations."""
    target = folder / "ntrex.parquet"
    if not target.is_file():
        columns = {}
        for language, name in NTREX.items():
            lines = (ntrex / f"{name}.txt").read_text(encoding="utf-8").split("\n")
            sentences = [line.strip() for line in lines if line.strip()]
            columns |= {f"query_{language}": sentences, f"passage_{language}": sentences}
        with atomic_path(target) as temporary:
            Dataset.from_dict(columns).to_parquet(str(temporary))
    return target


def negatives(model: Path, folder: Path) -> Path:
    """MLQA-R with a hard negative for each question and language, as a long table, mined by an initialiser."""
    target = folder / "negatives.parquet"
    if not target.is_file():
        miner = SentenceTransformer(str(model), device="cpu")
        view = ParallelDataset.from_collection(mlqa_r())
        mined = mine_parallel_hard_negatives(
            view, miner, query_prompt=PROMPTS["query"], passage_prompt=PROMPTS["document"], use_faiss=False
        )
        with atomic_path(target) as temporary:
            Dataset.from_list(_own_language(mined)).to_parquet(str(temporary))
    return target


def _own_language(mined: ParallelDataset) -> list[dict[str, object]]:
    """Rows whose query and passage are in one language, which hold every text of the items."""
    rows = []
    for item in range(mined.num_items):
        one = mined.select_items(np.array([item]))
        for language in one.languages:
            (row,) = one.restrict([language])
            texts = {column: row[column] for column in ("query", "passage", "negative")}
            rows.append({"item": item, "language": language, **texts})
    return rows
