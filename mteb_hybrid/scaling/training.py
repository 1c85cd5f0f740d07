"""Training by a recipe on a Ray cluster.

Ray Train starts the processes, on whatever nodes have room, and sets up ``torch.distributed`` between them; each then
does what a process of ``accelerate launch`` does. Checkpoints lie in the output directory, where all nodes must see
them: when a node is lost, Ray starts all workers again, and they go on from the last one.
"""

from __future__ import annotations

import contextlib
import logging
import signal
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mteb_hybrid.collections.remote import DATA_VARIABLE, data_folder
from mteb_hybrid.errors import ClusterError, RecipeError
from mteb_hybrid.scaling.cluster import LOCAL, actor_here, connected, room, usual_share, versions
from mteb_hybrid.trainers.recipes import TrainingSummary
from mteb_hybrid.trainers.recipes.output import OutputDirectory
from mteb_hybrid.trainers.recipes.paths import with_absolute_paths

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mteb_hybrid.errors import MtebHybridError
    from mteb_hybrid.trainers.recipes import Recipe

logger = logging.getLogger(__name__)

_EXTRA = "ray,train"
_MINUTES = 10
"""How long to wait for nodes: Ray gives up every minute, and is told how often to try again."""


def train_on_ray(
    recipe: Recipe,
    output: str | Path | None = None,
    *,
    workers: int,
    address: str = LOCAL,
    gpus_per_worker: int | None = None,
    restarts: int = 3,
    resume: bool = False,
    dry_run: bool = False,
) -> TrainingSummary:
    """Train by a recipe on a Ray cluster, as `mteb_hybrid.trainers.recipes.train` does with as many processes.

    This package, model and data must be on all nodes; paths are relative to the working directory of this process.

    Args:
        recipe: What to train.
        output: The model's directory, instead of the recipe's ``output.directory``, on storage that all nodes see.
        workers: Number of processes; a training that is resumed needs as many as before.
        address: ``host:port`` of the cluster, ``auto`` for the one that this machine is a node of, or ``local`` for one
            on this machine alone. Where this process is connected already, that cluster is used.
        gpus_per_worker: 1 or 0. Default: 1 if the cluster has GPUs.
        restarts: How often the workers may be started again after a node was lost, or a worker crashed.
        resume: Go on from the last complete checkpoint in the directory, if there is one. A training that is done is
            not done again.
        dry_run: Check everything on the nodes, and stop before the first step; nothing is written.

    Raises:
        RecipeError: As `mteb_hybrid.trainers.recipes.train`, on whatever node; or the nodes see different directories.
        ClusterError: There is no Ray or no such cluster, it has not enough room, a node has other versions of the
            libraries, or workers were lost too often.
    """
    if workers < 1 or gpus_per_worker not in (None, 0, 1):
        raise ClusterError(f"workers must be at least 1, with 0 or 1 GPU each: got {workers} with {gpus_per_worker}")
    recipe = with_absolute_paths(recipe)
    directory = output or recipe.output.directory
    if directory is None and not dry_run:
        raise RecipeError("output.directory: is missing; --output names it as well")
    place = None if directory is None else OutputDirectory(Path(directory).expanduser().absolute())
    if place is not None and (done := place.check(recipe, resume=resume)) is not None:
        logger.warning("%s is done already: nothing is left to train", place.path)
        return TrainingSummary(**done)
    config: dict[str, Any] = {
        "recipe": recipe.plain(),
        "output": None if place is None or dry_run else str(place.path),
        "restarts": restarts,
        "versions": versions(),
    }
    with connected(address, extra=_EXTRA, logs=True):
        gpus = _gpus(workers, gpus_per_worker, alone=address == LOCAL)
        return _fit(config, workers, gpus, restarts)


def _gpus(workers: int, wanted: int | None, *, alone: bool) -> int:
    """GPUs of each worker; if there is no room for them all, that is said before Ray waits for it.

    Raises:
        ClusterError: There is not, and no nodes will come.
    """
    share = usual_share(wanted, cpus=1)
    if (fits := room(share)) < workers:
        what = f"the cluster has room for {fits} of {workers} workers with a CPU and {share.gpus:g} GPUs each"
        if alone:
            raise ClusterError(f"{what}: ask for fewer with --workers, or name another cluster with --ray")
        logger.warning("%s: waiting up to %d minutes for nodes", what, _MINUTES)
    return int(share.gpus)


def _fit(config: dict[str, Any], workers: int, gpus: int, restarts: int) -> TrainingSummary:
    """Run the workers until they are done, and hear what they have to say."""
    import ray

    try:
        import ray.train as ray_train
        from ray.train.torch import TorchTrainer

        from mteb_hybrid.scaling.desk import Desk, EndAtOurs
        from mteb_hybrid.scaling.training_worker import work
    except ImportError as error:
        raise ClusterError(f"Ray Train cannot be used: pip install 'mteb-hybrid[{_EXTRA}]' ({error})") from error

    failure = None
    # nothing is kept in Ray's own storage: checkpoints are the trainer's
    with tempfile.TemporaryDirectory(prefix="mteb-hybrid-") as scratch, actor_here(Desk) as desk, _interrupt_restored():
        trainer = TorchTrainer(
            work,
            train_loop_config={**config, "desk": desk},
            scaling_config=ray_train.ScalingConfig(
                num_workers=workers, use_gpu=gpus > 0, resources_per_worker={"CPU": 1, **({"GPU": 1} if gpus else {})}
            ),
            run_config=ray_train.RunConfig(
                name="training",
                storage_path=scratch,
                failure_config=ray_train.FailureConfig(max_failures=restarts, controller_failure_limit=_MINUTES - 1),
                worker_runtime_env={"env_vars": _environment(gpus)},
                callbacks=[EndAtOurs(desk)],
            ),
        )
        try:
            trainer.fit()
        except SystemExit as stop:  # what Ray makes of Ctrl-C, with the exit code of success
            raise KeyboardInterrupt from stop
        except Exception as error:  # noqa: BLE001 - Ray Train has many; the workers know what it was, or nobody
            failure = error
        word: tuple[int, MtebHybridError | None, dict[str, Any] | None] = ray.get(desk.word.remote())
    starts, problem, summary = word
    if problem is not None:
        raise problem
    if summary is None:
        reason = getattr(failure, "controller_failure", failure)
        last = (str(reason).strip() or type(reason).__name__).splitlines()[-1]
        raise ClusterError(
            f"the training failed, workers were started {starts} times: {last}. --resume goes on from the last "
            "checkpoint, if there is one"
        ) from failure
    if starts > 1:
        logger.warning("workers were lost and started again: %d times", starts - 1)
    return TrainingSummary(**summary)


def _environment(gpus: int) -> dict[str, str]:
    """Variables of the workers: where data lies, as it is for this process, and what is to be different on nodes."""
    variables = {"RAY_TRAIN_ENABLE_PRINT_PATCH": "0"}  # with it dill reads no output of dis, and hashes are others
    if (folder := data_folder()) is not None:
        variables[DATA_VARIABLE] = str(folder.absolute())
    if not gpus:
        variables["ACCELERATE_USE_CPU"] = "true"
    return variables


@contextlib.contextmanager
def _interrupt_restored() -> Iterator[None]:
    """Give Ctrl-C back what it did before: Ray Train takes it and keeps it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGINT)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
