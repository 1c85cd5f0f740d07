"""What runs on a worker: one part of a job after the other, with one copy of the model."""

from __future__ import annotations

import contextlib
import logging
import pickle
import socket
import threading
import time
import traceback
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from mteb_hybrid import errors
from mteb_hybrid.errors import ClusterError, MtebHybridError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mteb_hybrid.scaling.model import SentModel

logger = logging.getLogger(__name__)

TRIES = 6
"""How often a part is begun: whatever kills its worker each time will not stop."""
_SIGN = 2.0  # seconds between signs of life


class LostTooOftenError(Exception):
    """A part was begun too often."""


class Job(Protocol):
    """Work that is done in parts, each of them by any worker."""

    def run(self, model: Any, part: Any) -> Any:
        """Do one part with the worker's model; part and result are picklable."""


@dataclass(frozen=True, slots=True)
class Problem:
    """An exception of a worker: told as data, since Ray would wrap it in its own.

    Attributes:
        kind: Name of the class if it is one of ours, else empty.
        message: Its text; the traceback of foreign ones.
    """

    kind: str
    message: str

    @classmethod
    def of(cls, error: Exception) -> Problem:
        """Tell of an exception that is being handled."""
        if isinstance(error, MtebHybridError):
            return cls(type(error).__name__, str(error))
        if isinstance(error, LostTooOftenError):
            return cls(LostTooOftenError.__name__, "")
        return cls("", traceback.format_exc())

    def error(self, where: str) -> MtebHybridError:
        """The exception, of the kind that it had: whatever catches it in one process catches it on a cluster."""
        if self.kind == LostTooOftenError.__name__:
            return ClusterError(
                f"{TRIES} workers were lost one after the other on {where}: out of memory, most likely. Give a worker "
                "more of a machine (--cpus-per-worker), or encode in smaller batches (--batch-size). What was finished "
                "is kept"
            )
        if not self.kind:
            return ClusterError(f"a worker failed on {where}; see why, and run it again:\n{self.message}")
        kind: type[MtebHybridError] = getattr(errors, self.kind, ClusterError)
        return kind(self.message)


@dataclass(frozen=True, slots=True)
class Done:
    """A part that was done.

    Attributes:
        result: What the job returned, or a `Problem`.
        begun: How often it was begun; each time but the last its worker was lost.
        said: What was warned of meanwhile.
    """

    result: Any
    begun: int
    said: tuple[str, ...]


@contextlib.contextmanager
def heard_warnings() -> Iterator[list[str]]:
    """What this package warns of while the block runs: on a worker nobody reads it."""

    class Heard(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(record.getMessage())

    said: list[str] = []
    handler = Heard(logging.WARNING)
    ours = logging.getLogger("mteb_hybrid")
    ours.addHandler(handler)
    try:
        yield said
    finally:
        ours.removeHandler(handler)


class Ledger:
    """What workers ask for and tell; an actor on the node of the driver, which outlives them.

    Args:
        model: The model.
        job: Ray's reference to the job, in a list: a bare one would be replaced by what it refers to.
    """

    def __init__(self, model: SentModel, job: list[Any]) -> None:
        self._work = model, job
        self._begun: Counter[int] = Counter()
        self._workers: dict[int, dict[str, Any]] = {}
        self._signs: dict[int, float] = {}

    def work(self) -> tuple[SentModel, list[Any]]:
        """The model and the job."""
        return self._work

    def begin(self, part: int, round_number: int, name: str, worker: Any) -> int:
        """Note that a worker begins a part; returns how often that has happened, in all rounds."""
        self._workers.setdefault(round_number, {})[name] = worker
        self.sign(round_number)
        self._begun[part] += 1
        return self._begun[part]

    def sign(self, round_number: int) -> None:
        """Note that somebody is at work."""
        self._signs[round_number] = time.monotonic()

    def quiet(self, round_number: int) -> float | None:
        """Seconds since the last sign of life of whoever works in a round; None if nobody has begun."""
        last = self._signs.get(round_number)
        return None if last is None else time.monotonic() - last

    def workers(self, round_number: int) -> list[Any]:
        """Handles of all workers that have begun a part in a round."""
        return list(self._workers.get(round_number, {}).values())


@contextlib.contextmanager
def signs_of_life(ledger: Any, round_number: int) -> Iterator[None]:
    """Tell a `Ledger` every few seconds that this process is at work, as long as the block runs."""
    done = threading.Event()

    def tell() -> None:
        while not done.wait(_SIGN):
            ledger.sign.remote(round_number)

    thread = threading.Thread(target=tell, daemon=True, name="mteb-hybrid signs of life")
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


class Worker:
    """Does parts of a job; Ray Data makes one of each actor.

    Args:
        ledger: Handle of the `Ledger`.
        round_number: Number of the round that it is made for.
    """

    def __init__(self, ledger: Any, round_number: int) -> None:
        self._ledger = ledger
        self._round = round_number
        self._loaded: tuple[Any, Job] | None = None

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Do one part, a row with its number and its pickle; returns the number and the pickle of a `Done`."""
        result: Any
        begun = 1
        with heard_warnings() as said, signs_of_life(self._ledger, self._round):
            try:
                begun = self._begin(int(batch["number"][0]))
                result = self._do(pickle.loads(batch["content"][0]))  # noqa: S301 - our own, from the driver
            except Exception as error:  # noqa: BLE001 - all of them are told to the driver
                result = Problem.of(error)
        return {"number": batch["number"], "content": packed(Done(result, begun, tuple(said)))}

    def _begin(self, number: int) -> int:
        import ray

        context = ray.get_runtime_context()
        begun: int = ray.get(
            self._ledger.begin.remote(number, self._round, context.get_actor_id(), context.current_actor)
        )
        if begun > TRIES:
            raise LostTooOftenError
        return begun

    def _do(self, part: Any) -> Any:
        if self._loaded is None:
            import ray

            warn_of_unused_gpu(len(ray.get_gpu_ids()))
            model, reference = ray.get(self._ledger.work.remote())
            self._loaded = model.load(), ray.get(reference[0])
        model, job = self._loaded
        return job.run(model, part)


def warn_of_unused_gpu(gpus: int) -> None:
    """Warn where this process was given GPUs, and its torch cannot use them."""
    import torch

    if gpus and not torch.cuda.is_available():
        logger.warning(
            "a worker on %s has a GPU, and torch %s there cannot use it: it encodes on the CPU",
            socket.gethostname(), torch.__version__,
        )  # fmt: skip


def packed(content: Any) -> Any:
    """A column of one row that holds anything picklable."""
    column = np.empty(1, dtype=object)
    column[0] = pickle.dumps(content, protocol=5)
    return column
