"""Runs of the pooled task on the stand-in of MIRACL, by one process and by a cluster."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from itertools import groupby
from pathlib import Path

import pyarrow.parquet as pq
from miracl_runs import LANGUAGES, Pooled, evaluate, read

from mteb_hybrid.scaling.engine import RayEngine
from mteb_hybrid.tasks.engine import use


def tables(folder) -> dict[str, list[dict]]:
    return {path.name: pq.read_table(path).to_pylist() for path in sorted(folder.rglob("*.parquet"))}


def on_ray(model, folder, shard=20, task=Pooled, count=None, **options):
    with use(RayEngine(shard=shard, workers=count, **options)):
        scores, _ = evaluate(model, task(), prediction_folder=folder / "tables")
    return scores, tables(folder / "tables")


def stand_in(language):
    return read(Path(os.environ["MTEB_HYBRID_DATA"]), language)


def once_a_part(shard: int, counted: Mapping[str, set[int]] | None = None) -> Counter[str]:
    """How often texts are encoded: relevant ones once, others once in each part that they stand in.

    Args:
        shard: Passages of a part.
        counted: Rows of each language that an earlier run has counted.
    """
    expected: Counter[str] = Counter()
    for language in LANGUAGES:
        texts = stand_in(language).texts
        left = [row for row in range(len(texts)) if row not in (counted or {}).get(language, ())]
        for _, rows in groupby(left, key=lambda row: row // shard):
            expected.update({texts[row] for row in rows})
    relevant = relevant_texts()
    return Counter(dict.fromkeys(relevant, 1) | {text: n for text, n in expected.items() if text not in relevant})


def relevant_texts() -> set[str]:
    """Texts of the relevant passages of all languages."""
    found = set()
    for part in map(stand_in, LANGUAGES):
        text = dict(zip(part.ids, part.texts, strict=True))
        found |= {text[one] for grades in part.judged.values() for one, grade in grades.items() if grade}
    return found
