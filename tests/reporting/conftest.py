"""Results and rank tables of two models on all of MiniQA-R, as `mteb run` leaves them."""

from __future__ import annotations

import itertools

import mteb
import pytest
from encoders import CountingEncoder

from mteb_hybrid.reporting import read_pooled, read_results, summarise


@pytest.fixture(scope="session")
def runs(tmp_path_factory):
    """A folder with results and predictions of the baseline, and of vectors that know nothing of the texts."""
    folder = tmp_path_factory.mktemp("runs")
    for model in (mteb.get_model("mteb-hybrid/char-ngram"), CountingEncoder("test/<b>odd & $1_000$</b>")):
        mteb.evaluate(
            model,
            mteb.get_tasks(tasks=["MiniQARMonolingual", "MiniQARCrossLingual", "MiniQARMultilingual"]),
            cache=mteb.ResultCache(folder),
            prediction_folder=folder / "predictions",
            show_progress_bar=False,
            co2_tracker=False,
        )
    return folder


@pytest.fixture(scope="session")
def summaries(runs):
    """What a report of both is made from."""
    return summarise(itertools.chain.from_iterable(map(read_results, [runs])), *read_pooled([runs]))
