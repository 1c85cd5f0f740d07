"""What a streamed evaluation costs: seconds of its parts, from how much there is to do and how fast each part is."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mteb_hybrid.streaming.passes import DEFAULT_CHUNK

if TYPE_CHECKING:
    from collections.abc import Iterable

FORWARD, COUNTING = "forward pass", "counting"
SPLITTING, PACKING, HANDING, READING = "splitting into tokens", "making tensors", "handing over", "reading"


@dataclass(frozen=True, slots=True)
class Load:
    """What there is to do.

    Attributes:
        passages: Passages that are read and counted.
        texts: Texts that are encoded: passages, and questions where they are encoded too.
        tokens: Their tokens.
        flops: Operations of encoding them.
        questions: Questions that passages are counted for.
    """

    passages: int
    texts: int
    tokens: float
    flops: float
    questions: int

    def of(self, passages: int) -> Load:
        """So many passages like these on average."""
        share = passages / self.texts
        return Load(passages, passages, share * self.tokens, share * self.flops, self.questions)


@dataclass(frozen=True, slots=True)
class Encoding:
    """What encoding takes.

    Attributes:
        handing: Seconds a text: MTEB's loader, sorting, checks, copies.
        splitting: Seconds a token on one core, in the tokenizer's own library, which can use many.
        packing: Seconds a token in Python, which makes tensors of what that library returns.
        forward: Operations a second in the forward pass; infinite for an encoder without a torch module.
    """

    handing: float
    splitting: float
    packing: float
    forward: float


@dataclass(frozen=True, slots=True)
class Counting:
    """What counting takes.

    Attributes:
        start: Seconds to make a counter and to read it out, once a shard.
        first: Seconds a (question, passage) pair in the first chunk of a shard, when the best are not known yet.
        later: Seconds a pair in the second chunk, and a bound of those in all after it.
        traffic: Bytes a pair that torch's operations read and write, in blocks of a GPU's size.
    """

    start: float
    first: float
    later: float
    traffic: float


@dataclass(frozen=True, slots=True)
class Adding:
    """What the driver does with a shard's counts.

    Attributes:
        size: Their bytes as they are sent.
        taking: Seconds to unpickle them.
        adding: Seconds to add them to those of the corpus.
        saving: Seconds to write the sum to disk.
        merging: Seconds to put 18 corpora together, once.
    """

    size: int
    taking: float
    adding: float
    saving: float
    merging: float

    @property
    def each(self) -> float:
        """Seconds of a shard."""
        return self.taking + self.adding + self.saving


@dataclass(frozen=True, slots=True)
class Alone:
    """What the driver does alone, in one thread, before workers begin or after they have ended.

    Attributes:
        importing: Seconds to import MTEB and the tasks.
        loading: Seconds a passage to make a memory-mapped table of downloaded files, once on a machine.
        pooling: Seconds a passage to write the ids of a pool, once on a machine.
        finding: Seconds a passage to look for the relevant ones, in every run.
        naming: Seconds a passage to read the ids of the best ones.
    """

    importing: float
    loading: float
    pooling: float
    finding: float
    naming: float


@dataclass(frozen=True, slots=True)
class Reading:
    """What reading texts takes.

    Attributes:
        mapped: Seconds a passage from a memory-mapped table.
        packed: Seconds a passage to read and pickle rows for a worker that does not see the table's files.
        size: Bytes a passage, UTF-8.
    """

    mapped: float
    packed: float
    size: float


@dataclass(frozen=True, slots=True)
class Rates:
    """How fast each part is done."""

    encoding: Encoding
    counting: Counting
    adding: Adding
    reading: Reading

    def worker(self, load: Load) -> dict[str, float]:
        """Seconds of each part of a shard, which a worker does one after the other."""
        first = min(load.passages, DEFAULT_CHUNK)
        pairs = first * self.counting.first + (load.passages - first) * self.counting.later
        return {
            READING: load.passages * self.reading.mapped,
            HANDING: load.texts * self.encoding.handing,
            SPLITTING: load.tokens * self.encoding.splitting,
            PACKING: load.tokens * self.encoding.packing,
            FORWARD: load.flops / self.encoding.forward,
            COUNTING: self.counting.start + load.questions * pairs,
        }

    def driver(self, shards: int) -> float:
        """Seconds in which the driver adds the counts of so many shards, one after the other, and keeps the sums."""
        return shards * self.adding.each + self.adding.merging


def last_added(shards: Iterable[float], workers: int, each: float) -> float:
    """Seconds from the start of the first shard to the end of the last addition.

    A worker takes the next shard when it is done with one. The driver adds them one after the other as they come, so
    that the last ones of all workers, which come together, are waited for.

    Args:
        shards: Seconds that a worker takes for each shard, in their order.
        workers: How many there are.
        each: Seconds that the driver takes for a shard.
    """
    free = [0.0] * workers
    done = []
    for seconds in shards:
        done.append(heapq.heappop(free) + seconds)
        heapq.heappush(free, done[-1])
    added = 0.0
    for ready in sorted(done):
        added = max(added, ready) + each
    return added
