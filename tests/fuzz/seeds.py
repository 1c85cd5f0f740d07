"""Valid inputs of every reader, from which hostile ones are made; small, since a case takes as long as its input."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mteb_hybrid.rank_table import SCHEMA

RECIPES = Path(__file__).parents[2] / "trainers" / "recipes" / "shipped"
OWNER = hashlib.sha256(b"{} texts").hexdigest()  # of mined negatives: of no settings, and of these texts
TOPICS = {"1": "Nani anakunywa chai?", "2": "Paka hulala wapi?", "3": "Theluji ni nini?"}
INFO: dict[str, Any] = {
    "format": 2,
    "model": "someone/model",
    "revision": "0123456789abcdef",
    "task": "XQuADRMultilingual",
    "split": "test",
    "subset": "de",
    "query_language": "de",
    "pool": {"de": 40, "en": 60},
    "parallel": True,
    "dataset_revision": "7",
    "similarity": "cosine",
    "full_ranking": True,
    "depth": None,
    "experiment": "",
    "list_depth": 2,
    "version": "0.1.0",
}
ROWS: dict[str, list[Any]] = {
    "query_id": ["q1", "q2"],
    "relevant_id": [["p1", "p2"], ["p3", "p4"]],
    "relevant_language": [["de", "en"], ["en", "de"]],
    "relevant_grade": [[1.0, 1.0], [2.0, 1.0]],
    "rank": [[1, 7], [2, 100]],
    "top_id": [["p1", "p9"], ["p8", "p3"]],
    "top_language": [["de", "en"], ["en", "en"]],
    "top_score": [[0.9, 0.8], [0.7, 0.7]],
}


def lareqa() -> Any:
    """An article with two paragraphs."""
    first = {
        "context": "Eins. Zwei 猫. Drei.",
        "sentences": ["Eins.", "Zwei 猫.", "Drei."],
        "sentence_breaks": [[0, 5], [6, 13], [14, 19]],
        "qas": [
            {"id": "q1", "question": "Wo ist drei?", "answers": [{"answer_start": 14, "text": "Drei"}]},
            {"id": "q2", "question": "Wo ist die Katze?", "answers": [{"answer_start": 11, "text": "猫"}]},
        ],
    }
    second = {"context": "Vier.", "sentences": ["Vier."], "sentence_breaks": [[0, 5]], "qas": []}
    return {"version": "1.1", "data": [{"title": "A", "paragraphs": [first, second]}]}


def result(setting: str = "Multilingual") -> Any:
    """A result of MTEB, as far as it is read."""
    subsets = ("de", "en") if setting != "CrossLingual" else ("de-en", "en-de")
    scores = {"map": 0.5, "main_score": 0.5, "recall_at_10": 0.75, "rank_distance": 12.5, "mean_rank_de": 3.0,
              "mean_rank_en": 4.5, "language_preference_excess": -0.125}  # fmt: skip
    rows = [{"hf_subset": subset, "languages": ["deu-Latn"], **scores} for subset in subsets]
    return {"dataset_revision": "7", "task_name": f"XQuADR{setting}", "scores": {"test": rows}}


def unjudged_result() -> Any:
    """The same of a collection in which passages are unjudged."""
    scores = {"map": 0.2, "ndcg_at_10": 0.3, "recall_at_100": 0.5, "judged_at_10": 0.4, "interference_ndcg_at_10": 0.1}
    rows = [{"hf_subset": subset, "not_retrieved": 0.5, **scores} for subset in ("sw", "zh")]
    return {"dataset_revision": "7", "scores": {"dev": rows}}


def model_meta() -> Any:
    """What MTEB writes beside a result, as far as it is read."""
    return {"name": "local/model", "revision": "0123456789abcdef", "languages": ["deu-Latn", "eng-Latn"]}


def manifest() -> Any:
    """The manifest of a translation folder."""
    return {
        "format": 1,
        "model": "facebook/nllb-200-distilled-600M",
        "revision": "0123456789abcdef",
        "decoding": {"num_beams": 4, "max_new_tokens": 128, "do_sample": False, "prefix": None},
        "dataset_revision": "local",
        "sampled": {"queries": 2, "seed": 0},
        "split": "dev",
        "collection": "miracl",
        "files": {"en-sw.jsonl": {"sha256": "0" * 64, "queries": 3}},
        "quality": {"en-sw": {"empty": 0.0, "wrong_script": 0.25, "round_trip_chrf": None}},
    }


def translations() -> list[Any]:
    """Rows of a subset of a translation folder."""
    return [{"_id": topic, "text": f"Question {topic}?", "source": text} for topic, text in TOPICS.items()]


def corpus() -> list[Any]:
    """Documents of a pooled folder in BEIR's layout."""
    return [
        {"_id": "a", "title": "Tea", "text": "is drunk hot.", "language": "en"},
        {"_id": "b", "title": None, "text": " Tee trinkt man heiß. ", "language": "de"},
        {"_id": "c", "text": "Katzen schlafen viel.", "language": "de"},
    ]


def queries() -> list[Any]:
    """Its queries."""
    return [
        {"_id": "1-en", "text": "What is drunk hot?", "language": "en", "question": "q1"},
        {"_id": "1-de", "text": "Was trinkt man heiß?", "language": "de", "question": "q1"},
    ]


QRELS = b"query-id\tcorpus-id\tscore\n1-en\ta\t2\n1-en\tb\t1\n1-de\tc\t0\n"
CARD = b"""name = "Handbook"
folder = "handbook"
split = "test"
languages = ["de", "en"]
revision = "2026-11"
description = "Questions and pages."
license = "cc-by-4.0"
reference = "https://example.org/handbook"
citation = "@misc{a, title={B}}"

[scripts]
mt = "mlt-Latn"
"""
CHANGES = (b"sampler.alpha=0.4", b"data.0.fraction=0.5", b"training.epochs=")
FOLDERS_CARD = b"""name = "Apart"
languages = ["de"]

[folders]
de = "handbook/de"
en = "/data/en"
"""


def state() -> Any:
    """What a finished training leaves: the summary, then what it started from."""
    return {"output": "m", "items": {"a": 3}, "held_out": 0, "languages": ["de"], "steps": 5, "trained_steps": 5}


def topics_file() -> bytes:
    """A file of MIRACL's topics."""
    return "".join(f"{topic}\t{text}\n" for topic, text in TOPICS.items()).encode()


def dumped(content: Any) -> bytes:
    """JSON in UTF-8."""
    return json.dumps(content, ensure_ascii=False).encode()


def lines(rows: list[Any]) -> bytes:
    """JSON lines in UTF-8."""
    return b"".join(dumped(row) + b"\n" for row in rows)


def recipes() -> tuple[bytes, ...]:
    """The shipped recipes, and one with everything that these leave out."""
    more = b"""[model]
name = "m"
revision = "main"
[[data]]
kind = "wide"
path = "a.parquet"
[[data]]
kind = "pairs"
pairs = { en-de = "a.parquet" }
[[data]]
kind = "beir"
folders = { en = "a" }
[sampling]
temperature = 2.0
[sampler]
language_weights = { en = 1.0 }
pair_weights = { en-de = 2.0 }
[loss]
directions = ["query_to_doc", "doc_to_doc"]
[training]
epochs = 1.5
warmup = 10
precision = "bf16"
[evaluation]
held_out = 0.1
metric = "multilingual_map"
[output]
directory = "out"
"""
    return (*(path.read_bytes() for path in sorted(RECIPES.glob("*.toml"))), more)


def parquet(info: Any = None, rows: dict[str, list[Any]] | None = None) -> bytes:
    """A rank table with these contents, whatever they are, as far as Arrow can write them."""
    content = INFO if info is None else info
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    table = pa.table(ROWS if rows is None else rows, schema=SCHEMA).replace_schema_metadata({b"mteb_hybrid": raw})
    stream = io.BytesIO()
    pq.write_table(table, stream, compression="none", write_page_checksum=True)
    return stream.getvalue()


def npz(**arrays: Any) -> bytes:
    """An archive of arrays."""
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


def npy(array: Any) -> bytes:
    """One array."""
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def checkpoint() -> bytes:
    """A checkpoint of a pass over a corpus: 3 pairs of 2 queries, the best 2 passages."""
    return npz(
        format=np.int64(2),
        rows=np.array([[0, 5]]),
        above=np.arange(3, dtype=np.int64).reshape(3, 1),
        top_order=np.array([[4, 2], [1, 3]], dtype=np.int64),
        top_scores=np.array([[0.9, 0.8], [0.7, 0.6]]),
    )


def negatives() -> bytes:
    """Mined negatives of two anchors, of the texts and settings that the target names."""
    return npz(owner=np.array(OWNER), found=np.array([[1, 2], [0, 2]], dtype=np.int32))


def model_config() -> Any:
    """``config_sentence_transformers.json``."""
    return {
        "model_type": "SentenceTransformer",
        "prompts": {"query": "query: ", "document": "passage: "},
        "default_prompt_name": None,
        "similarity_fn_name": "cosine",
    }


def modules() -> Any:
    """``modules.json``."""
    kinds = ("Transformer", "Pooling", "Normalize")
    return [
        {"idx": number, "name": str(number), "path": f"{number}_{kind}", "type": f"sentence_transformers.models.{kind}"}
        for number, kind in enumerate(kinds)
    ]
