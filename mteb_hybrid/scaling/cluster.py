"""The Ray cluster that a run works on: connecting, and how many workers it has room for."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mteb_hybrid.errors import ClusterError
from mteb_hybrid.fingerprint import public_version

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

logger = logging.getLogger(__name__)

LOCAL = "local"
_PATIENCE = 60.0  # seconds in which a node may come back
_LOOK, _GRACE = 1.0, 10.0  # seconds between looks for lost nodes, and until they are believed to be lost
_CPUS = 4  # of a worker without a GPU
# what has to be the same on all machines for embeddings and ranks to be the same
_PACKAGES = ("mteb-hybrid", "mteb", "sentence-transformers", "transformers", "torch", "numpy", "datasets")


@dataclass(frozen=True, slots=True)
class Share:
    """What of a cluster one worker has.

    Attributes:
        cpus: CPUs; tokenising is done on them, so a GPU alone is not enough.
        gpus: GPUs, 0 or 1, or a part of one where several workers share it.
    """

    cpus: float
    gpus: float


@contextlib.contextmanager
def connected(address: str, *, extra: str = "ray", logs: bool = False) -> Iterator[None]:
    """A connection to a cluster, for as long as the block runs.

    Args:
        address: ``auto`` for the cluster that this machine is a node of, ``HOST:PORT`` of its head, or ``local`` for
            one that is started on this machine and stopped at the end.
        extra: What has to be installed, as ``mteb-hybrid[extra]``.
        logs: Whether what workers print is shown here.

    Raises:
        ClusterError: Ray is not installed, or there is no such cluster.
    """
    try:
        import ray
    except ImportError as error:
        raise ClusterError(f"--ray needs Ray: pip install 'mteb-hybrid[{extra}]'") from error
    if address.startswith("ray://"):
        raise ClusterError(
            f"{address} is an address of Ray Client, which cannot be used here. Run the command on a node of the "
            "cluster with --ray auto, or send it there with `ray job submit -- mteb-hybrid ... --ray auto`"
        )
    if ray.is_initialized():  # the caller's own connection
        yield
        return
    try:
        ray.init(
            address=address, logging_level=logging.WARNING, log_to_driver=logs,
            include_dashboard=False if address == LOCAL else None,
        )  # fmt: skip
    except (ConnectionError, ValueError, RuntimeError, OSError) as error:
        raise ClusterError(
            f"no Ray cluster can be reached at {address!r}: {error}. Start one with `ray start --head` and "
            "name it with --ray auto on that machine; or take --ray local, for one on this machine alone"
        ) from error
    try:
        yield
    finally:
        ray.shutdown()


def usual_share(gpus: float | None = None, cpus: float | None = None) -> Share:
    """What a worker should have: a GPU where there are any, and its part of its machine's CPUs.

    Args:
        gpus: GPUs of a worker, if that is given.
        cpus: CPUs of a worker, if that is given.
    """
    nodes = _alive()
    if gpus is None:
        gpus = 1.0 if any(node.get("GPU", 0) >= 1 for node in nodes) else 0.0
    if cpus is None:
        if gpus:
            cpus = min((node["CPU"] // (node["GPU"] / gpus) for node in nodes if node.get("GPU", 0) >= gpus), default=1)
        else:
            cpus = min((min(_CPUS, node["CPU"]) for node in nodes if node.get("CPU", 0) >= 1), default=1)
    return Share(max(1.0, float(cpus)), float(gpus))


def room(share: Share) -> int:
    """How many workers fit on the nodes that are alive; a worker is on one of them, never across two."""
    fits = 0
    for node in _alive():
        by_cpu = node.get("CPU", 0) / share.cpus
        fits += int(min(by_cpu, node.get("GPU", 0) / share.gpus) if share.gpus else by_cpu)
    return fits


def wait_for_room(share: Share, wanted: int | None) -> int:
    """How many workers to start: as many as wanted and as fit; waits a while for a node to come back if none fits.

    Raises:
        ClusterError: Not even one worker fits.
    """
    waited_from = time.monotonic()
    while not (fits := room(share)):
        if time.monotonic() - waited_from > _PATIENCE:
            raise ClusterError(
                f"no node of the cluster has room for a worker with {share.cpus:g} CPUs and {share.gpus:g} GPUs; its "
                f"nodes have {_shown()}. Ask for less with --cpus-per-worker and --gpus-per-worker"
            )
        logger.warning("no node has room for a worker with %g CPUs and %g GPUs: waiting", share.cpus, share.gpus)
        time.sleep(5)
    if wanted is not None and wanted > fits:
        logger.warning("%d workers were asked for, and there is room for %d", wanted, fits)
    return min(fits, wanted or fits)


@contextlib.contextmanager
def actor_here(cls: type, *arguments: Any) -> Iterator[Any]:
    """The handle of an actor on this node, where it can only be lost with the driver, as long as the block runs."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    handle = ray.remote(num_cpus=0, scheduling_strategy=here)(cls).remote(*arguments)
    try:
        yield handle
    finally:
        ray.kill(handle)


@contextlib.contextmanager
def ended_when_room_is_lost(share: Share, workers: int, handles: Callable[[], list[Any]]) -> Iterator[None]:
    """Kill workers for good when nodes are lost for so long that not all of them can be anywhere.

    Ray restarts a lost worker where there is room, and waits where there is none; whoever waits for its result then
    learns that it will not come.

    Args:
        share: What of the cluster a worker has.
        workers: How many there are.
        handles: Returns the actors to kill.
    """
    stop = threading.Event()

    def watch() -> None:
        import ray

        lacking = 0
        while not stop.wait(_LOOK):
            lacking = lacking + 1 if room(share) < workers else 0
            # while none has begun there is nobody to end; those to come will begin, or find room for all
            if lacking * _LOOK > _GRACE and (begun := handles()):
                logger.warning("the cluster has room for %d workers, and lost others: ending these", room(share))
                for handle in begun:
                    ray.kill(handle)
                return

    thread = threading.Thread(target=watch, daemon=True, name="mteb-hybrid room")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def versions() -> dict[str, str]:
    """Versions of what embeddings and ranks hang on."""
    return {package: public_version(package) for package in _PACKAGES}


def _alive() -> list[dict[str, Any]]:
    import ray

    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def _shown() -> str:
    nodes = [f"{node.get('CPU', 0):g} CPUs and {node.get('GPU', 0):g} GPUs" for node in _alive()]
    return "; ".join(nodes) or "gone"
