"""Runs of the pooled task on the stand-in of MIRACL, by one process and by a cluster."""

from __future__ import annotations

import os
from collections import Counter
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


def once_a_part(shard) -> Counter[str]:
    """How often texts are encoded: relevant ones once, others once in each part that they stand in."""
    expected: Counter[str] = Counter()
    relevant = set()
    for language in LANGUAGES:
        part = stand_in(language)
        text = dict(zip(part.ids, part.texts, strict=True))
        relevant |= {text[one] for grades in part.judged.values() for one, grade in grades.items() if grade}
        for start in range(0, len(part.texts), shard):
            expected.update(set(part.texts[start : start + shard]))
    return Counter({text: 1 if text in relevant else n for text, n in expected.items()})
