"""However long a text or an id in a file is, the message about it is short."""

from __future__ import annotations

from dataclasses import replace

import pytest
from beir_folders import read, write_folder
from datasets import Dataset

from mteb_hybrid.collections import LanguagePart
from mteb_hybrid.errors import MtebHybridError
from mteb_hybrid.trainers import ParallelDataset
from mteb_hybrid.translation import run

LONG = "long" * 250_000  # 1 MB
PART = LanguagePart("en", ("Tea.",), ("",), (LONG,), ("What?",), ((0,),), "by hand")


def beir(documents=({"_id": "a", "text": "Tea."},), queries=({"_id": "q", "text": "What?"},), judged=(("q", "a", 1),)):
    """A folder with one thing wrong, read for an evaluation."""
    return lambda folder: read({"en": write_folder(folder, list(documents), list(queries), list(judged))})


def training(documents=({"_id": "a", "text": "Tea."},), judged=(("q", "a", 1),)):
    """The same, read for a training."""
    queries = [{"_id": "q", "text": "What?"}, {"_id": LONG, "text": "Who?"}]
    return lambda folder: ParallelDataset.from_beir(
        {"en": write_folder(folder, list(documents), queries, list(judged))}
    )


def topics(*lines):
    def read_topics(folder):
        (folder / "topics.sw.tsv").write_text("\n".join(lines), encoding="utf-8")
        run.miracl_topics(["sw"], folder)

    return read_topics


def table(**columns):
    return Dataset.from_dict(columns)


SAME_ID = [{"_id": LONG, "text": "Tea."}] * 2
CASES = {
    "id without text": beir(documents=[{"_id": LONG, "text": ""}]),
    "id twice": beir(documents=SAME_ID),
    "question twice": beir(queries=[{"_id": one, "question": LONG, "text": "What?"} for one in "ab"]),
    "key of another kind": beir(documents=[{"_id": "a", "text": [LONG]}]),
    "language": beir(documents=[{"_id": "a", "text": "Tea.", "language": LONG + "-"}]),
    "unknown language": beir(documents=[{"_id": "a", "text": "Tea.", "language": LONG}]),
    "judged query": beir(judged=[(LONG, "a", 1)]),
    "judged document": beir(judged=[("q", LONG, 1)]),
    "judged twice": beir(documents=SAME_ID[:1], judged=[("q", LONG, 1)] * 2),
    "grade": beir(judged=[("q", "a", LONG)]),
    "large grade": beir(judged=[("q", "a", "9" * 1_000_000)]),
    "fields": beir(judged=[("q", "a", 1, LONG)]),
    "part, text": lambda _: replace(PART, queries=(" ",)),
    "part, positions": lambda _: replace(PART, relevant=((0,) * 100_000,)),
    "part, twice": lambda _: replace(PART, query_ids=(LONG,) * 2, queries=("?",) * 2, relevant=((0,),) * 2),
    "part, unasked": lambda _: replace(PART, unasked={LONG: (0,)}),
    "part, grade": lambda _: replace(PART, grades={(LONG, 0): 0}),
    "topic twice": topics(f"{LONG}\ta", f"{LONG}\tb"),
    "topic without text": topics(f"{LONG}\t "),
    "topic with three cells": topics(f"{LONG}\ta\tb"),
    "training, id twice": training(documents=SAME_ID, judged=[("q", LONG, 1)]),
    "training, unknown id": training(judged=[("q", LONG, 1)]),
    "training, judged twice": training(judged=[(LONG, "a", 1)] * 2),
    "training, blank": training(documents=[{"_id": LONG, "text": " "}], judged=[("q", LONG, 1)]),
    "training, line": training(documents=[{"_id": LONG}]),
    "training, item twice": lambda _: ParallelDataset.from_long(
        table(item=[LONG] * 2, language=["en"] * 2, query=["a", "b"], passage=["c", "d"])
    ),
    "training, blank text": lambda _: ParallelDataset.from_long(
        table(item=["a"], language=["en"], query=[" " * 1_000_000], passage=["c"])
    ),
    "training, language": lambda _: ParallelDataset.from_long(
        table(item=["a"], language=[LONG + " "], query=["b"], passage=["c"])
    ),
    "training, pair": lambda _: ParallelDataset.from_dict(
        {"en-de": table(query=["a", "b"], passage=["c", "d"], item=[LONG] * 2)}
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_short(case, tmp_path, monkeypatch):
    """It is one of our errors, and fits on a screen."""
    monkeypatch.setenv("MTEB_HYBRID_CACHE", str(tmp_path / "cache"))
    with pytest.raises(MtebHybridError) as caught:
        CASES[case](tmp_path)
    assert len(str(caught.value)) < 700 + 3 * len(str(tmp_path))
