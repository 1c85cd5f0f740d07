"""The Ray cluster that a run works on: connecting, and how many workers it has room for."""

from __future__ import annotations

import contextlib
import logging
import socket
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mteb_hybrid.errors import ClusterError
from mteb_hybrid.fingerprint import public_version

if TYPE_CHECKING:
    from collections.abc import Iterator

logger = logging.getLogger(__name__)

LOCAL = "local"
_PATIENCE = 60.0  # seconds in which a node may come back
_ANSWER = 10.0  # seconds in which a head answers; Ray itself tries for ten minutes
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

    def __str__(self) -> str:
        """For messages."""
        return f"{self.cpus:g} CPUs and {self.gpus:g} GPUs"


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
            "cluster with --ray auto, or send it there with `ray job submit -- mteb-hybrid ... --ray auto` (for which "
            "both sides need ray[default])"
        )
    if ray.is_initialized():  # the caller's own connection
        yield
        return
    try:
        _knock(address)
        ray.init(
            address=address, logging_level=logging.WARNING, log_to_driver=logs,
            include_dashboard=False if address == LOCAL else None,
        )  # fmt: skip
    # Ray leaves with SystemExit where something answers that is no head
    except (ConnectionError, ValueError, RuntimeError, OSError, ray.exceptions.RayError, SystemExit) as error:
        ray.shutdown()
        raise ClusterError(
            f"no Ray cluster can be reached at {address!r}: {error}. Start one with `ray start --head` and "
            "name it with --ray auto on that machine; or take --ray local, for one on this machine alone"
        ) from error
    try:
        yield
    finally:
        ray.shutdown()


def _knock(address: str) -> None:
    """See whether anybody answers at an address.

    Raises:
        ValueError: It is none.
        OSError: Nobody does.
    """
    if address in (LOCAL, "auto"):
        return
    host, colon, port = address.rpartition(":")
    if not (host and colon and port.isdecimal()):
        raise ValueError("an address is 'auto', 'local', or HOST:PORT of the head, whose port is usually 6379")
    socket.create_connection((host.strip("[]"), int(port)), timeout=_ANSWER).close()


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
            having = [node for node in nodes if node.get("CPU", 0) >= 1 and node.get("GPU", 0) >= gpus]
            cpus = min((node["CPU"] // (node["GPU"] / gpus) for node in having), default=1)
        else:
            cpus = min((min(_CPUS, node["CPU"]) for node in nodes if node.get("CPU", 0) >= 1), default=1)
    return Share(max(1.0, float(cpus)), float(gpus))


def room(share: Share) -> int:
    """How many workers fit on the nodes that are alive; a worker is on one of them, never across two."""
    fits = 0
    for node in _alive():
        by_cpu = int(node.get("CPU", 0) / share.cpus)
        # a part of a GPU is of one GPU
        by_gpu = int(node.get("GPU", 0)) * int(1 / share.gpus) if share.gpus else by_cpu
        fits += min(by_cpu, by_gpu)
    return fits


def free() -> str:
    """What of the cluster nobody has, for messages."""
    import ray

    try:
        left, whole = ray.available_resources(), ray.cluster_resources()
    except ray.exceptions.RayError:
        return "nobody knows"
    return " and ".join(f"{left.get(kind, 0):g} of {whole.get(kind, 0):g} {kind}s" for kind in ("CPU", "GPU"))


def wait_for_room(share: Share, wanted: int | None) -> int:
    """How many workers to start: as many as wanted and as fit; waits a while for a node to come back if none fits.

    Raises:
        ClusterError: Not even one worker fits.
    """
    waited_from = time.monotonic()
    while not (fits := room(share)):
        if time.monotonic() - waited_from > _PATIENCE:
            raise ClusterError(
                f"no node of the cluster has room for a worker with {share}; its nodes have {_shown()}. Ask for less "
                "with --cpus-per-worker and --gpus-per-worker"
            )
        logger.warning("no node has room for a worker with %s: waiting", share)
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


def versions() -> dict[str, str]:
    """Versions of what embeddings and ranks hang on."""
    return {package: public_version(package) for package in _PACKAGES}


def check_versions(wanted: dict[str, str]) -> None:
    """Make sure that this machine has the versions of where the work comes from.

    Raises:
        ClusterError: It has others; the message names them and this machine.
    """
    here = {name: public_version(name) for name in wanted}
    other = [f"{name} {here[name]} instead of {one}" for name, one in wanted.items() if here[name] != one]
    if other:
        raise ClusterError(
            f"a worker on {socket.gethostname()} has {', '.join(other)}. Install the same versions on all nodes"
        )


def _alive() -> list[dict[str, Any]]:
    import ray

    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def _shown() -> str:
    nodes = [f"{node.get('CPU', 0):g} CPUs and {node.get('GPU', 0):g} GPUs" for node in _alive()]
    return "; ".join(nodes) or "gone"
