"""Whether anybody works: a cluster may be full of other jobs, and a lost worker may have nowhere to come back to.

Ray waits for both without a word and without a limit.
"""

from __future__ import annotations

import logging
import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mteb_hybrid.errors import ClusterError
from mteb_hybrid.scaling.cluster import free, room

if TYPE_CHECKING:
    from mteb_hybrid.scaling.cluster import Share

logger = logging.getLogger(__name__)

PATIENCE = 600.0
"""Seconds to wait for a first worker."""
_LOOK = 1.0  # seconds between looks
_SAY, _AGAIN = 15.0, 120.0  # seconds until it is said that there is no worker, and until it is said again
_GRACE = 10.0  # seconds without a sign of life after which lost nodes are believed to have taken it along
_QUIET = 120.0  # the same while there is room for all: a worker that unpickles a large model gives no sign meanwhile


class StalledError(Exception):
    """Parts are left, and nobody works on them."""


@dataclass
class Watch:
    """Looks after the workers of one round while their next result is waited for.

    Attributes:
        ledger: Handle of the `mteb_hybrid.scaling.workers.Ledger` that they give signs of life to.
        round: Number of the round.
        share: What of the cluster a worker has.
        workers: How many were asked for.
        patience: Seconds to wait for the first of them.
    """

    ledger: Any
    round: int
    share: Share
    workers: int
    patience: float = PATIENCE
    _waits: float | None = None
    _looked: float = -math.inf
    _said: float = -math.inf
    _lacking: float | None = None  # since when there is not room for all
    _lack_said: bool = False

    def __post_init__(self) -> None:
        self.go_on()

    def rest(self) -> None:
        """Do not look: a result is dealt with, however long that takes."""
        self._waits = None

    def go_on(self) -> None:
        """The next result is waited for from now on."""
        self._waits = time.monotonic()

    def look(self) -> None:
        """See whether anybody works; called all the time, looks once a second.

        Raises:
            ClusterError: No worker has begun for too long.
            StalledError: Workers have begun, and now none of them works.
        """
        import ray

        now, since = time.monotonic(), self._waits
        if since is None or now - self._looked < _LOOK:
            return
        self._looked = now
        try:
            quiet = ray.get(self.ledger.quiet.remote(self.round), timeout=_GRACE)
            fits = room(self.share)
        except ray.exceptions.RayError as error:  # whoever waits for results learns of what matters
            logger.debug("the cluster says nothing: %s", error)
            return
        self._say_of_lost_nodes(now, fits)
        waited = now - since
        if quiet is None:
            self._none_yet(waited)
        elif min(quiet, waited) > (_GRACE if fits < self.workers else _QUIET):
            raise StalledError(
                f"nobody works on them, {self.workers} workers were asked for, and the cluster has room for {fits} "
                f"workers, of which other jobs may hold a part: {free()}"
            )

    def _say_of_lost_nodes(self, now: float, fits: int) -> None:
        self._lacking = None if fits >= self.workers else self._lacking or now
        if self._lacking is not None and now - self._lacking > _GRACE and not self._lack_said:
            self._lack_said = True
            logger.warning("nodes were lost: the cluster has room for %d workers of %d", fits, self.workers)

    def _none_yet(self, waited: float) -> None:
        what = f"a worker needs {self.share}, and of the cluster there are free: {free()}"
        if waited > self.patience:
            raise ClusterError(
                f"no worker could begin for {waited:.0f} seconds: {what}. Wait longer for other jobs with --wait, or "
                "ask for less with --cpus-per-worker and --gpus-per-worker. What was finished is kept"
            )
        if waited > _SAY and waited - self._said > _AGAIN:
            self._said = waited
            logger.warning("no worker has begun yet: %s. Waiting, for %.0f seconds at most", what, self.patience)


def watched(dataset: Any, watch: Watch) -> None:
    """Have a `ray.data.Dataset` look while it runs; what the watch raises ends it, and comes out of its results."""
    from ray.data._internal.execution.execution_callback import ExecutionCallback

    class Looks(ExecutionCallback):  # type: ignore[misc, unused-ignore]
        def on_execution_step(self, executor: Any) -> None:
            del executor
            watch.look()

    context = dataset.context
    if hasattr(context, "custom_execution_callback_classes"):
        context.custom_execution_callback_classes = [*context.custom_execution_callback_classes, Looks]
    else:  # Ray before it had that
        from ray.data._internal.execution import execution_callback

        execution_callback.add_execution_callback(Looks(), context)
