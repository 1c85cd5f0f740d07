"""What of a training runs on the nodes of a Ray cluster: one process of it."""

from __future__ import annotations

import contextlib
import logging
import socket
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import ray
import torch.distributed as dist

from mteb_hybrid.errors import MtebHybridError, RecipeError
from mteb_hybrid.scaling.cluster import check_versions
from mteb_hybrid.scaling.desk import sees, without_tracebacks
from mteb_hybrid.trainers.recipes import Recipe, train

logger = logging.getLogger(__name__)

_MARK = ".seen-by-all-"


def work(config: dict[str, Any]) -> None:
    """Train by a recipe, together with the other workers.

    Args:
        config: The ``recipe`` as plain tables with absolute paths, its ``output`` (None: a dry run), the ``desk``, how
            many ``restarts`` there may be, and the command's ``versions`` of the libraries.

    Raises:
        MtebHybridError: As `mteb_hybrid.trainers.recipes.train`; the directory is another one on another node, or the
            libraries here are. It is noted down at the desk, and raised: others may be waiting for this worker until
            all are ended.
    """
    logging.getLogger().setLevel(logging.WARNING)  # as everywhere but in Ray's workers
    desk, output = config["desk"], config["output"]
    first = dist.get_rank() == 0
    try:
        if first and (starts := ray.get(desk.start.remote())) > 1:
            logger.warning("workers were lost, restart %d of %d", starts - 1, config["restarts"])
        check_versions(config["versions"])
        if output is not None:
            check_shared(Path(output), desk)
        # the command has seen that the directory may be used; what is there now is of an earlier start
        summary = train(Recipe.parse(config["recipe"]), output, resume=True, dry_run=output is None)
    except MtebHybridError as error:
        ray.get(desk.fail.remote(error))
        without_tracebacks()
        raise
    if first:
        ray.get(desk.finish.remote(asdict(summary)))


def check_shared(directory: Path, desk: Any) -> None:
    """Make sure that the output directory is the same for all workers and for the command; it is made if need be.

    The first worker puts a file there, for as long as the others look for it.

    Raises:
        RecipeError: It is not, or the first worker cannot write there; in all workers.
    """
    here = socket.gethostname()
    first = dist.get_rank() == 0
    with contextlib.ExitStack() as stack:
        shared: list[str | None] = [None, None]
        if first:
            try:
                directory.mkdir(parents=True, exist_ok=True)
                for left in directory.glob(f"{_MARK}*"):  # by a worker that was lost here
                    left.unlink(missing_ok=True)
                shared[0] = stack.enter_context(tempfile.NamedTemporaryFile(prefix=_MARK, dir=directory)).name
            except OSError as error:
                shared[1] = f"output.directory: {directory} cannot be written on {here}: {error}; name another"
        dist.broadcast_object_list(shared)
        mark, problem = shared
        if mark is None:
            raise RecipeError(str(problem))
        found = [(here, sees(mark))]
        if first:
            found.append(("the machine of the command", ray.get(desk.sees.remote(mark))))
        gathered: list[list[tuple[str, bool]]] = [[] for _ in range(dist.get_world_size())]
        dist.all_gather_object(gathered, found)
    if blind := dict.fromkeys(host for several in gathered for host, seen in several if not seen):
        raise RecipeError(
            f"output.directory: {directory} on {gathered[0][0][0]} is not that on {', '.join(blind)}: name one on "
            "storage that all nodes and the command share"
        )
