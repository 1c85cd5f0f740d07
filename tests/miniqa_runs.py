"""Results and rank tables of two models on MiniQA-R, as `mteb run` leaves them; between six languages of eleven."""

from __future__ import annotations

from typing import TYPE_CHECKING

import mteb
from encoders import CountingEncoder

if TYPE_CHECKING:
    from pathlib import Path


def write_runs(folder: Path) -> None:
    """Results and predictions of the baseline, and of vectors that know nothing of the texts."""
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
