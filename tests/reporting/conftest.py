"""Results and rank tables of two models on MiniQA-R, as `mteb run` leaves them; between six languages of eleven."""

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
    some = {"languages": ["ara", "deu", "ell", "eng", "tha", "zho"], "exclusive_language_filter": True}
    tasks = mteb.get_tasks(tasks=["MiniQARMonolingual", "MiniQARMultilingual"])
    for model in (mteb.get_model("mteb-hybrid/char-ngram"), CountingEncoder("test/<b>odd & $1_000$</b>")):
        mteb.evaluate(
            model,
            [*tasks, mteb.get_task("MiniQARCrossLingual", **some)],
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
