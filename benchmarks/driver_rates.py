"""How fast the driver does what it does alone, before workers begin and after they have ended."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from dataclasses import replace
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar
from unittest.mock import patch

import datasets
import numpy as np
from cost_model import Alone
from counting_rates import relevant_counts
from standin import LANGUAGE, environment, write_collection
from stopwatch import Stopwatch

from mteb_hybrid.collections.miracl import MIRACL
from mteb_hybrid.streaming.corpus import Corpus
from mteb_hybrid.tasks import streamed
from mteb_hybrid.tasks.miracl import MIRACLMultilingual
from mteb_hybrid.tasks.settings import Setting, Subset, eval_langs, subsets
from mteb_hybrid.tasks.streamed_ranking import qualified

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mteb_hybrid.collections.hub import HubCollection

SMALL, LARGE = 50_000, 250_000  # passages of two tables: what is done once for each of them is not counted
_NAMED = 100_000  # passages whose ids are read
_IMPORTS = "import time; before = time.{0}(); import mteb, mteb_hybrid.tasks.registry; print(time.{0}() - before)"


class OneLanguage(MIRACLMultilingual):
    """The pooled task, with a pool of one language."""

    hub: ClassVar[HubCollection] = replace(MIRACL, languages=(LANGUAGE,))
    planned: ClassVar[dict[str, Subset]] = subsets(Setting.MULTILINGUAL, (LANGUAGE,))
    metadata = MIRACLMultilingual.metadata.model_copy(
        update={"eval_langs": eval_langs(Setting.MULTILINGUAL, (LANGUAGE,))}
    )


def measure_alone(texts: Sequence[str], clock: Callable[[], float]) -> Alone:
    """Load two corpora of passages like these, write the ids of a pool, and look for as many relevant as MIRACL's."""
    small, large = _seconds(texts, SMALL, clock), _seconds(texts, LARGE, clock)

    def each(part: str) -> float:
        return (large[part] - small[part]) / (LARGE - SMALL)

    return Alone(
        importing=_importing(clock),
        loading=each("loading"),
        pooling=each("pooling"),
        finding=each("finding"),
        naming=large["naming"] / _NAMED,
    )


def _seconds(texts: Sequence[str], passages: int, clock: Callable[[], float]) -> dict[str, float]:
    """Seconds of each part, for a corpus of so many passages that nobody has loaded before."""
    watch, random = Stopwatch(clock), np.random.default_rng(0)
    relevant = [random.choice(passages, count, replace=False).tolist() for count in relevant_counts()]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        questions = [f"question {number}" for number in range(len(relevant))]
        write_collection(folder, (("", text) for text in islice(cycle(texts), passages)), questions, relevant)
        with patch.dict(os.environ, environment(folder)), \
             patch.object(datasets.config, "HF_DATASETS_CACHE", folder / "datasets"):  # fmt: skip
            task = OneLanguage()
            with watch.watching((streamed, "_pool", "pooling")), watch.part("loading"):
                task.load_data()
            corpus = Corpus("benchmark", LANGUAGE, 0, task.dataset[LANGUAGE]["dev"]["corpus"], "1")
            with watch.part("finding"):
                corpus.find(qualified(LANGUAGE, f"{row}#0") for rows in relevant for row in rows)
            rows = np.linspace(0, passages - 1, min(_NAMED, passages), dtype=np.int64).tolist()
            with watch.part("naming"):
                corpus.ids(rows)
            task.unload_data()
    return watch.seconds


def _importing(clock: Callable[[], float]) -> float:
    """Seconds in which a new process imports MTEB and our tasks."""
    command = [sys.executable, "-c", _IMPORTS.format(clock.__name__)]
    return float(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)
