"""An evaluation's work on a Ray cluster: parts of corpora go through Ray Data, their counts add up here.

A part that was counted is kept at once. Ray does the part of a lost worker again; where it has no room for it, the
others do theirs, and in a next round as many as there is room for do what is left. Nothing that was kept is done again.
"""

from __future__ import annotations

import contextlib
import logging
import math
import pickle
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from mteb.types import PromptType

from mteb_hybrid.errors import ClusterError, EmbeddingError
from mteb_hybrid.fingerprint import model_fingerprint
from mteb_hybrid.scaling.cluster import Share, actor_here, usual_share, wait_for_room
from mteb_hybrid.scaling.jobs import CountJob, EncodeJob, Subset
from mteb_hybrid.scaling.model import SentModel
from mteb_hybrid.scaling.tables import sent_tables
from mteb_hybrid.scaling.told import Told
from mteb_hybrid.scaling.watch import PATIENCE, StalledError, Watch, watched
from mteb_hybrid.scaling.workers import TRIES, Ledger, Problem, Worker, packed
from mteb_hybrid.streaming.passes import DEFAULT_CHUNK, chunk_passages

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

    from mteb.abstasks.task_metadata import TaskMetadata

    from mteb_hybrid.counted import Ranking
    from mteb_hybrid.scaling.workers import Done, Job
    from mteb_hybrid.streaming.passes import CorpusPass
    from mteb_hybrid.tasks.embedder import Embedder

logger = logging.getLogger(__name__)

_TEXTS = 2048  # of a part of an encoding job; fewer altogether are encoded here
_PARTS = 8  # of a counting job for each worker, so that none is idle for long at the end
_MANY = 512  # parts of all workers, which the driver adds in one thread: with more workers, each has fewer
_FEWEST = 2  # parts for each worker, however many there are
_LARGEST = 1_000_000  # passages of a part: what a lost worker has to do again at most


@dataclass
class RayEngine:
    """Encodes and counts on the cluster that Ray is connected to.

    Attributes:
        workers: Number of workers; None for as many as there is room for.
        share: What of the cluster each of them has; None for a GPU each, or a part of the CPUs.
        shard: Passages of a part; None for a number by the corpus and the workers. Ranks do not depend on it.
        patience: Seconds to wait for room where other jobs hold the cluster.
    """

    workers: int | None = None
    share: Share | None = None
    shard: int | None = None
    patience: float = PATIENCE
    _sent: tuple[Any, SentModel] | None = field(default=None, repr=False)
    _prepared: tuple[Any, set[str]] = field(default_factory=lambda: (None, set()), repr=False)

    def prepare(self, embedder: Embedder, texts: Callable[[PromptType], list[str]]) -> None:
        """Encode all texts of a task at once: starting a job for each of its subsets would take longer."""
        if self._prepared[0] is not embedder.model:  # held, so that no other one can be taken for it
            self._prepared = (embedder.model, set())
        if embedder.metadata.name in self._prepared[1] or not embedder.is_shared():
            return
        self._prepared[1].add(embedder.metadata.name)
        for role in (PromptType.query, PromptType.document):
            found = texts(role)
            if found:
                embedder.embed(found, role)

    def encode(self, embedder: Embedder, texts: list[str], role: PromptType, metadata: TaskMetadata) -> Any:
        """Embeddings of distinct texts, in their order: float32, shape (len(texts), dimension).

        Raises:
            EmbeddingError: A part's embeddings cannot be ranked, or parts differ in dimension.
            ClusterError: The cluster cannot do it.
        """
        if len(texts) < _TEXTS:
            return embedder.call_model(texts, role, metadata)
        parts = [texts[start : start + _TEXTS] for start in range(0, len(texts), _TEXTS)]
        job = EncodeJob(Subset.of(embedder), role, watched=metadata is not embedder.metadata)
        found: dict[int, Any] = {}
        looked = False
        label = f"{embedder.describe}: {role.value}"
        with Told(label, "text", len(texts)) as told:
            for number, (embeddings, has_looked) in self._run(embedder.model, job, parts, lambda _: label):
                found[number], looked = embeddings, looked or has_looked
                told.more(len(embeddings))
        if looked:
            str(metadata.name)  # looks at it for the worker, so that whoever watches this copy knows
        widths = sorted({embeddings.shape[1] for embeddings in found.values()})
        if len(widths) > 1:
            raise EmbeddingError(
                f"{label}: parts of the texts got embeddings of dimensions {widths}; a model must give all the same"
            )
        return np.concatenate([found[number] for number in range(len(parts))])

    def count(self, embedder: Embedder, passes: Sequence[CorpusPass]) -> list[Ranking]:
        """The counts of corpora, in their order.

        Raises:
            EmbeddingError: The model's output cannot be ranked; the message names corpus and rows. What was finished
                stays.
            ClusterError: The cluster cannot do it.
        """
        tallies = [one.earlier() for one in passes]
        sizes = [len(one.corpus) for one in passes]
        step = self._step(sum(sizes))
        parts = [
            (number, start, min(stop, start + step))
            for number, tally in enumerate(tallies)
            for first, stop in tally.missing(sizes[number])
            for start in range(first, stop, step)
        ]
        if not parts:
            return [tally.ranking for tally in tallies]

        def name(part: tuple[int, int, int]) -> str:
            number, start, stop = part
            return f"passages {start:,} to {stop:,} of {passes[number].corpus.language}"

        done = sum(tally.size for tally in tallies)
        told = Told(embedder.describe, "psg", sum(sizes), done)
        with told, sent_tables({one.corpus.language: one.corpus.table for one in passes}) as tables:
            job = CountJob.of(embedder, passes, tables)
            for number, ranking in self._run(embedder.model, job, parts, name):
                which, start, stop = parts[number]
                tallies[which] = tallies[which].plus(start, stop, ranking)
                passes[which].note(tallies[which])
                told.more(stop - start)
        return [tally.ranking for tally in tallies]

    def _step(self, passages: int) -> int:
        """Passages of a part."""
        if self.shard is not None:
            return max(1, self.shard)
        return usual_shard(passages, wait_for_room(self._share(), self.workers), chunk_passages())

    def _share(self) -> Share:
        if self.share is None:
            self.share = usual_share()
        return self.share

    def _run(self, model: Any, job: Job, parts: Sequence[Any], name: Callable[[Any], str]) -> Iterator[tuple[int, Any]]:
        """Positions and results of parts as they are finished; what a round leaves is given to the next one."""
        import ray

        left, fruitless, rounds = dict(enumerate(parts)), 0, 0
        reference = ray.put(job)
        with actor_here(Ledger, self._model(model), [reference]) as ledger:
            while left:
                workers = min(len(left), wait_for_room(self._share(), self.workers))
                before, rounds = len(left), rounds + 1
                lost: Exception = StalledError("a round of Ray Data has ended without them")
                watch = Watch(ledger, rounds, self._share(), workers, self.patience)
                try:
                    with contextlib.closing(self._once(left, watch)) as finished:
                        for number, done in finished:
                            part = name(left[number])
                            for message in done.said:
                                logger.warning("%s: %s", part, message)
                            if isinstance(done.result, Problem):
                                raise done.result.error(part)
                            if done.begun > 1:
                                logger.warning("%s: %d workers were lost, another has done it", part, done.begun - 1)
                            del left[number]
                            yield number, done.result
                except (ray.exceptions.RayError, StalledError) as error:
                    lost = error
                if not left:
                    return
                fruitless = fruitless + 1 if len(left) == before else 0
                if fruitless == TRIES:
                    raise ClusterError(
                        f"workers were lost {TRIES} times in a row before any of {len(left)} parts was finished; the "
                        f"first is {name(next(iter(left.values())))}. What was finished is kept: run it again. Ray "
                        f"says: {lost}"
                    ) from lost
                logger.warning(
                    "workers were lost (%s); going on with %d of %d parts that are left",
                    lost if isinstance(lost, StalledError) else type(lost).__name__, len(left), len(parts),
                )  # fmt: skip

    def _once(self, left: dict[int, Any], watch: Watch) -> Generator[tuple[int, Done], None, None]:
        """Positions of parts, and what became of them, from one run of Ray Data; its workers end with it."""
        import ray

        # a batch is a part, so that a lost worker takes one with it
        rows = [{"number": number, "content": packed(part)[0]} for number, part in left.items()]
        dataset = ray.data.from_items(rows, override_num_blocks=len(rows))
        context = dataset.context  # its own: the caller's stays as it is
        context.enable_progress_bars = False
        context.print_on_execution_start = False
        watched(dataset, watch)
        results = dataset.map_batches(
            Worker,
            batch_size=1,
            fn_constructor_args=(watch.ledger, watch.round),
            compute=ray.data.ActorPoolStrategy(size=watch.workers, max_tasks_in_flight_per_actor=1),
            num_cpus=watch.share.cpus,
            num_gpus=watch.share.gpus or None,
        )
        unseen = set(left)
        with _silent("ray.data"):
            try:
                watch.go_on()
                for batch in results.iter_batches(batch_size=None, prefetch_batches=0):
                    watch.rest()
                    for number, content in zip(batch["number"].tolist(), batch["content"], strict=True):
                        if number in unseen:
                            unseen.remove(number)
                            yield number, pickle.loads(content)  # noqa: S301 - from our own workers
                    watch.go_on()
            finally:
                if unseen:  # Ray Data would let them go on to the end of their parts
                    _end(watch)

    def _model(self, model: Any) -> SentModel:
        """The model in the cluster's memory; put there again when it has changed."""
        state = model_fingerprint(model)
        if self._sent is None or self._sent[0] is not model or state is None or self._sent[1].fingerprint != state:
            self._sent = (model, SentModel.of(model))
        return self._sent[1]


def usual_shard(passages: int, workers: int, chunk: int = DEFAULT_CHUNK) -> int:
    """Passages of a shard where the user says nothing, a multiple of those of a chunk.

    Eight shards for each worker keep them all busy to the end. Adding a shard takes the driver the same time whatever
    its size, so that hundreds of workers get fewer each, but never less than two.

    Args:
        passages: Passages of all corpora.
        workers: Workers that there is room for, at least 1.
        chunk: Passages of a chunk.
    """
    shards = max(_FEWEST * workers, min(_PARTS * workers, _MANY))
    return chunk * max(1, math.ceil(min(_LARGEST, passages / shards) / chunk))


def _end(watch: Watch) -> None:
    """Kill the workers of a round, wherever they are in their parts."""
    import ray

    with contextlib.suppress(ray.exceptions.RayError):
        for worker in ray.get(watch.ledger.workers.remote(watch.round), timeout=10):
            ray.kill(worker)


@contextlib.contextmanager
def _silent(name: str) -> Iterator[None]:
    """Have a logger of another library say nothing: it calls lost workers bugs of its own, with tracebacks."""
    theirs = logging.getLogger(name)
    before = theirs.level
    theirs.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        theirs.setLevel(before)
