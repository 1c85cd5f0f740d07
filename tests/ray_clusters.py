"""Ray clusters of several nodes on one machine."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

NODE: dict[str, Any] = {"object_store_memory": 80 * 1024**2}  # Ray takes no less than 75 MiB
ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_worker_niceness": "0",
    "RAY_health_check_period_ms": "500",  # five refusals, and a node is lost: in seconds, not in a quarter of a minute
    "OMP_NUM_THREADS": "1",
    "PYTHONPATH": os.pathsep.join(filter(None, [str(Path(__file__).parent), os.environ.get("PYTHONPATH")])),
}


@contextlib.contextmanager
def simulated_cluster(nodes: int, cpus_per_node: int = 1) -> Iterator[Any]:
    """A cluster of some nodes that work, and a head that does not, so that any of the others may be lost.

    Ray is connected to it meanwhile. Workers can import what tests can. Nodes are added with
    ``cluster.add_node(num_cpus=1, **NODE)``; `lose` takes one of ``cluster.worker_nodes`` away.

    Args:
        nodes: Number of nodes besides the head.
        cpus_per_node: CPUs of each of them.

    Yields:
        The `ray.cluster_utils.Cluster`.
    """
    import ray
    from ray.cluster_utils import Cluster

    # paths of sockets are at most 107 bytes long, which pytest's own folders leave no room for
    with (
        tempfile.TemporaryDirectory(prefix="ray", dir="/tmp", ignore_cleanup_errors=True) as folder,
        patch.dict(os.environ, {**ENVIRONMENT, "RAY_TMPDIR": folder}),
    ):
        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False, **NODE})
        try:
            for _ in range(nodes):
                cluster.add_node(num_cpus=cpus_per_node, **NODE)
            cluster.wait_for_nodes()
            ray.init(address=cluster.address)
            yield cluster
        finally:
            ray.shutdown()
            cluster.shutdown()


def lose(cluster: Any, node: Any) -> None:
    """A node goes down with all that runs on it, at once: nobody says farewell, as `Cluster.remove_node` has it."""
    import psutil

    raylet = psutil.Process(node.all_processes["raylet"][0].process.pid)
    for process in (raylet, *raylet.children(recursive=True)):
        process.kill()
    cluster.remove_node(node, allow_graceful=False)


class OtherJob:
    """Somebody else's, that holds a CPU."""

    def ready(self) -> bool:
        """Answers as soon as it has one."""
        return True


def other_jobs(cluster: Any) -> list[Any]:
    """Handles of an `OtherJob` on each node, as soon as there is room for it."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    on = [NodeAffinitySchedulingStrategy(node.node_id, soft=False) for node in cluster.worker_nodes]
    return [ray.remote(num_cpus=1, scheduling_strategy=one)(OtherJob).remote() for one in on]
