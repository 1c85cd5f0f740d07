"""How fast passages are read and counted for MIRACL's questions, and how fast counts are added and kept."""

from __future__ import annotations

import pickle
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from cost_model import Adding, Counting, Reading
from standin import LANGUAGE
from stopwatch import Stopwatch
from torch.utils._python_dispatch import TorchDispatchMode

from mteb_hybrid.counted import merge_rankings
from mteb_hybrid.ranking import RankCounter
from mteb_hybrid.streaming.passes import DEFAULT_CHUNK
from mteb_hybrid.streaming.progress import Progress
from mteb_hybrid.streaming.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from mteb_hybrid.counted import Ranking
    from mteb_hybrid.streaming.corpus import Corpus

QUESTIONS, TOP = 13_495, 100  # MIRACL's dev questions, and the best passages that are kept of each
PAIRS, MOST = 31_119, 13  # their relevant passages, altogether and of one question at most
_GPU_BLOCK = 1 << 26  # scores of a block on a GPU, as in mteb_hybrid.ranking


def relevant_counts() -> NDArray[np.int64]:
    """Numbers of relevant passages of the questions, drawn: about 2.3 of each and 13 at most, as MIRACL's."""
    drawn = np.random.default_rng(0).geometric(QUESTIONS / PAIRS, QUESTIONS)
    drawn[0] = MOST  # what all questions cost hangs on the one with the most
    return np.minimum(drawn, MOST)


def measure_counting(
    dimension: int, clock: Callable[[], float], passages: int = DEFAULT_CHUNK
) -> tuple[Counting, Ranking]:
    """Count two chunks of so many drawn vectors for MIRACL's number of questions; also returns the counts."""
    watch = Stopwatch(clock)
    with watch.part("start"):
        counter, random = _counter(dimension, QUESTIONS)
    for number, part in enumerate(("first", "later")):
        vectors, order = _chunk(random, dimension, number, passages)
        with watch.part(part):
            counter.count(vectors, order)
    with watch.part("start"):
        result = counter.result()
    pairs = QUESTIONS * passages
    counting = Counting(
        start=watch.seconds["start"],
        first=watch.seconds["first"] / pairs,
        later=watch.seconds["later"] / pairs,
        traffic=_traffic(dimension),
    )
    return counting, result


def measure_adding(ranking: Ranking, clock: Callable[[], float], rounds: int = 3) -> Adding:
    """Take, add and save the counts of a shard, as the driver does."""
    watch, random = Stopwatch(clock), np.random.default_rng(0)
    tally = Tally.of_nothing(ranking)
    with tempfile.TemporaryDirectory() as folder:
        progress = Progress(Path(folder))
        for number in range(rounds):
            content = pickle.dumps(_another(ranking, random), protocol=5)
            with watch.part("taking"):
                part = pickle.loads(content)
            with watch.part("adding"):
                tally = tally.plus(number, number + 1, part)
            with watch.part("saving"):
                progress.save(LANGUAGE, tally)
    corpora = [_another(ranking, random) for _ in range(18)]
    with watch.part("merging"):
        merge_rankings(corpora)
    each = {name: watch.seconds[name] / rounds for name in ("taking", "adding", "saving")}
    return Adding(size=len(content), merging=watch.seconds["merging"], **each)


def _another(ranking: Ranking, random: np.random.Generator) -> Ranking:
    """Counts of another shard: lists with other scores, as the same ones would all be ties."""
    scores = ranking.top_scores + random.normal(scale=ranking.top_scores.std(), size=ranking.top_scores.shape)
    return replace(ranking, top_scores=-np.sort(-scores, axis=1))


def measure_reading(corpus: Corpus, clock: Callable[[], float]) -> Reading:
    """Read a corpus from end to end, as a worker does, and as a librarian does for others."""
    watch, size = Stopwatch(clock), 0
    for piece, start, stop in corpus.pieces(0, DEFAULT_CHUNK):
        with watch.part("mapped"):
            texts = piece.texts(slice(start, stop))
            piece.order(np.arange(start, stop))
        size += sum(len(text.encode()) for text in texts)
        with watch.part("packed"):
            pickle.dumps(piece.table[start:stop], protocol=5)
    passages = len(corpus)
    return Reading(watch.seconds["mapped"] / passages, watch.seconds["packed"] / passages, size / passages)


class _Traffic(TorchDispatchMode):
    """Adds up the bytes of all tensors that operations read or write; what only looks at a tensor otherwise is free."""

    def __init__(self) -> None:
        super().__init__()
        self.moved = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if not func.is_view:
            self.moved += sum(_sizes([args, list((kwargs or {}).values()), result]))
        return result


def _sizes(found: Any) -> Iterator[int]:
    """Bytes of the tensors among some values; a tensor that repeats its memory has those of its memory."""
    if isinstance(found, torch.Tensor):
        yield min(found.nbytes, found.untyped_storage().nbytes())
    elif isinstance(found, list | tuple):
        for one in found:
            yield from _sizes(one)


def _traffic(dimension: int, questions: int = 1024) -> float:
    """Bytes a pair, of the second chunk; blocks are as wide as a GPU's for all questions."""
    width = _GPU_BLOCK // QUESTIONS
    counter, random = _counter(dimension, questions, width * questions)
    counter.count(*_chunk(random, dimension, 0))
    with _Traffic() as traffic:
        counter.count(*_chunk(random, dimension, 1))
    return traffic.moved / (questions * DEFAULT_CHUNK)


def _counter(
    dimension: int, questions: int, block_elements: int | None = None
) -> tuple[RankCounter, np.random.Generator]:
    """A counter for drawn questions and relevant passages, and what to draw passages with.

    Relevant passages are drawn like all others, so that they stand in the middle, with more passages near their scores
    than a real encoder's have: those are scored exactly.
    """
    random = np.random.default_rng(0)
    query = np.repeat(np.arange(questions), relevant_counts()[:questions])
    asked, relevant = (random.normal(size=(rows, dimension)).astype(np.float32) for rows in (questions, len(query)))
    order = -1 - np.arange(len(query))  # none of those of the passages that are counted
    counter = RankCounter(asked, query, relevant, order, top_k=TOP, block_elements=block_elements)
    return counter, random


def _chunk(
    random: np.random.Generator, dimension: int, number: int, passages: int = DEFAULT_CHUNK
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    order = np.arange(number * passages, (number + 1) * passages)
    return random.normal(size=(passages, dimension)).astype(np.float32), order
