"""The cost of all of MIRACL on GPUs, worked out: loads, and seconds of each part."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cost_model import COUNTING, FORWARD, SPLITTING, last_added
from tables import print_table

from mteb_hybrid.collections.miracl import MIRACL
from mteb_hybrid.scaling.engine import usual_shard

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cost_model import Alone, Load, Rates

PASSAGES, CORPORA = 106_332_152, len(MIRACL.languages)
_IDLE = 1.5  # times the work that all workers could do until the last one is done: more of them are of no use


@dataclass(frozen=True, slots=True)
class Card:
    """What is assumed of a GPU and its machine.

    Attributes:
        flops: Operations a second of the forward pass.
        exact_flops: Float32 operations a second of the product of questions and passages.
        bandwidth: Bytes a second that counting moves.
        cores: Cores for each GPU.
        workers: Workers that share it.
    """

    flops: float
    exact_flops: float
    bandwidth: float
    cores: int
    workers: int = 1

    def __str__(self) -> str:
        return (
            f"ASSUMED of a GPU: {self.flops / 1e12:g} TFLOP/s in the forward pass, {self.exact_flops / 1e12:g} in "
            f"float32 products, {self.bandwidth / 1e12:g} TB/s in counting, {self.cores} cores like the one measured; "
            f"{self.workers} worker{'s' * (self.workers > 1)} on it"
        )

    def rates(self, here: Rates, dimension: int) -> Rates:
        """The rates of one of its workers: those of a core here for whatever a CPU does."""
        pair = here.counting.traffic / self.bandwidth + 2 * dimension / self.exact_flops
        cores = max(1, self.cores // self.workers)
        return replace(
            here,
            counting=replace(here.counting, start=0.0, first=pair, later=pair),
            encoding=replace(here.encoding, forward=self.flops, splitting=here.encoding.splitting / cores),
        )

    def seconds(self, shard: dict[str, float], rounds: int) -> float:
        """Seconds until the last worker has done so many shards: its own parts, or the GPU's of all that share it."""
        return rounds * max(self.workers * (shard[FORWARD] + shard[COUNTING]), sum(shard.values()))


def print_loads(rates: Rates, sample: Load, sizes: Sequence[int]) -> None:
    """What there is to do for the pooled task, whatever the machine; passages are like a sample's on average."""
    one, pairs = sample.of(1), PASSAGES * sample.questions
    rows = {
        f"tokens, {one.tokens:,.0f} a passage": PASSAGES * one.tokens,
        f"FLOPs of encoding, {one.flops:.3g} a passage": PASSAGES * one.flops,
        f"bytes of text, {rates.reading.size:,.0f} a passage": PASSAGES * rates.reading.size,
        "(question, passage) pairs counted": pairs,
        f"bytes that counting moves, {rates.counting.traffic:,.0f} a pair": pairs * rates.counting.traffic,
    }
    for size in sizes:
        label = f"bytes sent to the driver in shards of {size:,}: {rates.adding.size:,} each"
        rows[f"{label}, {most_shards(size):,} at most"] = most_shards(size) * rates.adding.size
    headings = f"{PASSAGES:,} passages in {CORPORA} languages, {sample.questions:,} questions", ""
    print_table(headings, ((label, f"{value:.3g}") for label, value in rows.items()))
    librarian = PASSAGES * rates.reading.packed
    print(f"\nIf workers do not see the tables' files, one librarian reads for all of them: {librarian:,.0f} s.")


def print_seconds(
    rates: Rates, sample: Load, dimension: int, card: Card, gpus: Sequence[int], sizes: Sequence[int]
) -> None:
    """How long every part takes on some numbers of GPUs."""
    there = card.rates(rates, dimension)
    whole = there.worker(sample.of(PASSAGES))

    def rows() -> Iterator[Sequence[object]]:
        for asked in (*sizes, None):
            for count in gpus:
                shared = count * card.workers
                size = asked or usual_shard(PASSAGES, shared)
                shard, driver = there.worker(sample.of(size)), there.driver(most_shards(size))
                rounds = math.ceil(PASSAGES / size / shared)  # smaller shards fill the gaps
                parts = {part: whole[part] / count for part in (FORWARD, COUNTING)}
                parts[SPLITTING] = whole[SPLITTING] / shared
                parts["Python"] = sum(whole[part] for part in whole.keys() - parts.keys()) / shared
                workers = card.seconds(shard, rounds)
                times = [card.seconds(shard, 1)] * math.ceil(PASSAGES / size)
                last = last_added(times, shared, driver / most_shards(size))
                if driver > workers:
                    slowest = "driver"
                elif rounds * shared * size > _IDLE * PASSAGES:
                    slowest = "too few shards"
                else:
                    slowest = max(parts, key=parts.__getitem__)
                seconds = (f"{value:,.0f}" for value in (*parts.values(), workers, driver, last))
                shown = f"{size:,}" if asked else f"default: {size:,}"
                yield count, shown, f"{rounds:,}", *seconds, slowest

    tokens = card.flops / (sample.flops / sample.tokens)
    print(f"\n{card}. Its forward pass alone would take {tokens:,.0f} tokens/s.")
    timed = (FORWARD, COUNTING, SPLITTING, "Python", "last worker", "driver", "last added")
    print_table(("GPUs", "shard", "shards of a worker", *(f"{one}, s" for one in timed), "waits for"), rows())


def print_alone(alone: Alone, questions: int, top: int) -> None:
    """What the driver does alone for the pooled task, whatever the number of GPUs."""
    best = min(PASSAGES, questions * top)
    rows = (
        ("importing MTEB and the tasks", "every run", "", alone.importing),
        ("making memory-mapped tables of downloaded files", "once", alone.loading, alone.loading * PASSAGES),
        ("writing the ids of the pool", "once", alone.pooling, alone.pooling * PASSAGES),
        ("looking for relevant passages", "every run", alone.finding, alone.finding * PASSAGES),
        (f"reading the ids of the best {top}, {best:,} at most", "every run", alone.naming, alone.naming * best),
    )
    shown = (
        (part, when, f"{1 / each:,.0f} passages/s" if each else "", f"{seconds:,.0f}")
        for part, when, each, seconds in rows
    )
    print_table(("the driver alone", "when", "rate", f"of {PASSAGES:,} passages, s"), shown)


def most_shards(size: int) -> int:
    """How many shards of a size there can be: the last one of every corpus may be smaller."""
    return math.ceil(PASSAGES / size) + CORPORA - 1
