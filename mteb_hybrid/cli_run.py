"""The command ``mteb-hybrid run``: `mteb run`, on a cluster or through an index."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Annotated

import typer

from mteb_hybrid import _mteb
from mteb_hybrid.atomic import NO_ROOM, refused
from mteb_hybrid.errors import StorageError

# whatever is not ours is for `mteb run`
PASS_ON = {"allow_extra_args": True, "ignore_unknown_options": True}


def run(
    context: typer.Context,
    faiss: Annotated[
        str | None,
        typer.Option(
            help="Score the lists of a FAISS index, such as Flat or HNSW32, and what they lose against exact ranks.",
            metavar="INDEX",
        ),
    ] = None,
    faiss_parameters: Annotated[
        str | None, typer.Option(help="Of the index's search, such as efSearch=64 or nprobe=8.", metavar="NAME=VALUE")
    ] = None,
    ray: Annotated[
        str | None,
        typer.Option(
            help="Encode and count on a Ray cluster: 'auto' on one of its nodes, HOST:PORT of its head, or 'local'.",
            metavar="ADDRESS",
        ),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Workers, each with a copy of the model. Default: as many as fit.")
    ] = None,
    cpus_per_worker: Annotated[
        float | None, typer.Option(min=1, help="Default: a GPU's part of its machine's CPUs; without GPUs at most 4.")
    ] = None,
    gpus_per_worker: Annotated[
        float | None, typer.Option(min=0, max=1, help="Default: 1 if the cluster has GPUs.")
    ] = None,
    shard: Annotated[
        int | None,
        typer.Option(min=1, help="Passages of a shard: what a lost worker does again. Scores do not depend on it."),
    ] = None,
    wait: Annotated[
        float | None,
        typer.Option(min=1, help="Minutes to wait for workers where other jobs hold the cluster. Default: 10."),
    ] = None,
) -> None:
    """Evaluate as `mteb run` does, with its arguments: -m MODEL -t TASK ...; its results, cache and files."""
    ours = {
        "--workers": workers, "--cpus-per-worker": cpus_per_worker, "--gpus-per-worker": gpus_per_worker,
        "--shard": shard, "--wait": wait,
    }  # fmt: skip
    given = [name for name, value in ours.items() if value is not None]
    if ray is None and given:
        raise typer.BadParameter(f"{', '.join(given)} say how to work on a Ray cluster: name it with --ray ADDRESS")
    if faiss is None and faiss_parameters is not None:
        raise typer.BadParameter("--faiss-parameters says how to search an index: name it with --faiss INDEX")
    if not context.args:
        raise typer.BadParameter("say what to evaluate, as to `mteb run`: --model MODEL --tasks TASK ...")
    with contextlib.ExitStack() as stack:
        if ray is not None:
            from mteb_hybrid.scaling.cluster import connected, usual_share
            from mteb_hybrid.scaling.engine import RayEngine
            from mteb_hybrid.scaling.watch import PATIENCE
            from mteb_hybrid.tasks.engine import use

            stack.enter_context(connected(ray))
            share = usual_share(gpus_per_worker, cpus_per_worker)
            patience = PATIENCE if wait is None else 60 * wait
            stack.enter_context(use(RayEngine(workers, share, shard, patience)))
        if faiss is not None:
            from mteb_hybrid.tasks.faiss_search import searching_with_faiss

            stack.enter_context(searching_with_faiss(faiss, faiss_parameters or ""))
        try:
            _mteb.run_command(["run", *context.args])
        except OSError as error:  # of a file or folder that MTEB makes by itself
            if error.errno not in NO_ROOM or error.filename is None or isinstance(error, StorageError):
                raise
            raise refused(Path(error.filename).absolute(), error) from error
