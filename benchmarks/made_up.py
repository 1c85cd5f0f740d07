"""Made-up embeddings of the size of XQuAD-R's pool, and clocks: what the benchmarks of ranking share."""

from __future__ import annotations

import resource
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

QUERIES, PASSAGES, DIMENSION, LANGUAGES = 13_090, 13_014, 384, 11


@dataclass(frozen=True)
class MadeUp:
    """A pool in several languages, and questions with a relevant passage in each of them.

    Attributes:
        queries: float32, shape (queries, dimension).
        passages: float32, shape (passages, dimension), language by language.
        language: int64, shape (passages,).
        query_language: int64, shape (queries,).
        relevant: int64, shape (queries, languages): a row of ``passages`` in each language.
    """

    queries: NDArray[np.float32]
    passages: NDArray[np.float32]
    language: NDArray[np.int64]
    query_language: NDArray[np.int64]
    relevant: NDArray[np.int64]


def made_up(*, random: bool = False, seed: int = 0) -> MadeUp:
    """Vectors around an item's and a language's own, as an encoder's are; with ``random`` around nothing."""
    rng = np.random.default_rng(seed)
    per_language = PASSAGES // LANGUAGES
    sizes = np.full(LANGUAGES, per_language)
    sizes[: PASSAGES - per_language * LANGUAGES] += 1
    items = QUERIES // LANGUAGES
    language = np.repeat(np.arange(LANGUAGES), sizes)
    query_language = np.repeat(np.arange(LANGUAGES), items)
    starts = np.cumsum(sizes) - sizes
    answer = np.arange(items) % per_language
    passages, queries = (rng.normal(size=(size, DIMENSION)) for size in (PASSAGES, QUERIES))
    if not random:
        item, own = rng.normal(size=(sizes.max(), DIMENSION)), rng.normal(size=(LANGUAGES, DIMENSION))
        place = np.concatenate([np.arange(size) for size in sizes])
        passages = passages * 0.7 + item[place] + 0.8 * own[language]
        queries = queries * 0.9 + item[np.tile(answer, LANGUAGES)] + 0.8 * own[query_language]
    relevant = np.tile(starts[None, :] + answer[:, None], (LANGUAGES, 1))
    return MadeUp(queries.astype(np.float32), passages.astype(np.float32), language, query_language, relevant)


@dataclass
class Times:
    """Seconds of one kind of work.

    Attributes:
        wall: By the wall clock, a value a run.
        cpu: Of all threads.
    """

    wall: list[float]
    cpu: list[float]


def interleaved(kinds: dict[str, Callable[[], object]], rounds: int) -> dict[str, Times]:
    """Time kinds of work in turns, so that whatever else the machine does meets all of them; each is warmed up."""
    found = {name: Times([], []) for name in kinds}
    for number in range(rounds + 1):
        for name, work in kinds.items():
            wall, cpu = time.perf_counter(), time.process_time()
            work()
            if number:
                found[name].wall.append(time.perf_counter() - wall)
                found[name].cpu.append(time.process_time() - cpu)
    return found


def peak_mib() -> float:
    """The most memory that this process has had so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def bare_product(queries: torch.Tensor, passages: torch.Tensor, rows: int = 256) -> None:
    """The floor: all scores, by chunks of queries, and nothing done with them."""
    scores = torch.empty((rows, len(passages)))
    for start in range(0, len(queries), rows):
        part = queries[start : start + rows]
        torch.mm(part, passages.T, out=scores[: len(part)])
