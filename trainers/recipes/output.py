"""A training's output directory: the model, and beside it in ``training`` all that a run goes on from.

::

    my-model/
    ├── modules.json, model.safetensors, README.md, ...   the model, there once the training is done
    └── training/
        ├── recipe.toml                                   what is trained; a run goes on with the same one only
        ├── data.json                                     hashes of model and data, numbers of items, likewise
        ├── checkpoint-500/, eval/, trainer_state.json    sentence-transformers' trainer's; the last one is its log
        └── summary.json                                  written last: the training is done
"""

from __future__ import annotations

import contextlib
import errno
import json
import logging
import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mteb_hybrid.atomic import NO_ROOM, atomic_path, flush, flush_folder, lock, refused
from mteb_hybrid.errors import RecipeError, StorageError
from mteb_hybrid.file_names import user_path
from mteb_hybrid.parsing import parse_json
from mteb_hybrid.trainers.recipes.reading import Recipe, differences

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

logger = logging.getLogger(__name__)

_PATIENCE = 120.0  # seconds in which a lost node's lock is gone from any file system
_LAST = ("config_sentence_transformers.json", "modules.json")
"""What makes a directory a model: renamed into place after everything else."""


class OutputDirectory:
    """The output directory of one training.

    Args:
        path: The directory; it need not exist.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = user_path(path)
        self.training = self.path / "training"
        self._recipe = self.training / "recipe.toml"
        self._data = self.training / "data.json"
        self._summary = self.training / "summary.json"

    def check(self, recipe: Recipe, *, resume: bool) -> dict[str, Any] | None:
        """Make sure that this recipe may be trained here; nothing is written.

        Returns:
            What `finish` noted down if the training is done already, else None.

        Raises:
            RecipeError: Something is there already and ``resume`` is False; or it is True, and what is there was
                trained by another recipe, or is damaged.
        """
        if file := next(
            (path for path in (self.path, *self.path.parents) if path.exists() and not path.is_dir()), None
        ):
            raise RecipeError(f"output.directory: {file} is a file; name a directory, new or of this training")
        if self._is_fresh():
            return None
        if not (resume and self._recipe.is_file()):
            hint = "--resume goes on with it, " if self._recipe.is_file() else ""
            raise RecipeError(f"{self.path} is not empty: {hint}--output names another directory")
        if changed := differences(Recipe.read(self._recipe), recipe):
            raise RecipeError(
                f"{self.path} was begun with another recipe; --resume goes on with the same one:\n  "
                + "\n  ".join(changed)
            )
        return self._read(self._summary) if self._summary.is_file() else None

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """See that within the body no other process trains here: it would take half a checkpoint for one to remove.

        One that does is waited for: it may be about to end, or a lost node's.

        Raises:
            RecipeError: It has not ended after two minutes; or the directory cannot be written.
        """
        try:
            self.training.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RecipeError(f"output.directory: {self.path} cannot be written: {error}; name another") from error
        until = time.monotonic() + _PATIENCE
        with contextlib.ExitStack() as stack:
            while not stack.enter_context(lock(self.training)):
                if time.monotonic() > until:
                    raise RecipeError(f"{self.path}: another process trains here; --output names another directory")
                if until - time.monotonic() > _PATIENCE - 0.5:
                    logger.warning("%s: another process trains here; waiting for it to end", self.path)
                stack.close()
                time.sleep(0.5)
            yield

    @contextlib.contextmanager
    def writing(self, processes: int) -> Iterator[None]:
        """Within the body others write here: want of room is said as such, and half a checkpoint removed.

        Raises:
            StorageError: There was no room.
        """
        try:
            yield
        except Exception as error:
            reason = _no_room(error)
            if reason is None:
                raise
            with contextlib.suppress(OSError):
                self._last_checkpoint(processes)
            raise refused(self.path, reason) from error

    def begin(self, recipe: Recipe, data: dict[str, Any], processes: int) -> Path | None:
        """Note down what is trained here, or find out where to go on; after `check`.

        Args:
            recipe: What is trained.
            data: What it starts from, model and data, in numbers and hashes.
            processes: How many processes train.

        Returns:
            The last complete checkpoint, None if there is none. Incomplete ones are removed.

        Raises:
            RecipeError: The training was begun on other data, or with another number of processes; or the note of what
                it was begun on is damaged.
        """
        data = {**data, "processes": processes}
        if self._is_fresh():
            try:
                for path, text in ((self._data, json.dumps(data, indent=1)), (self._recipe, recipe.to_toml())):
                    with atomic_path(path) as temporary:
                        temporary.write_text(text, encoding="utf-8")
            except OSError as error:
                raise RecipeError(f"output.directory: {self.path} cannot be written: {error}; name another") from error
            return None
        before = self._read(self._data)
        if changed := [f"{key}: {before.get(key)}, now {data[key]}" for key in data if before.get(key) != data[key]]:
            raise RecipeError(
                f"{self.path} was begun with another model, other data or processes; --output names another "
                "directory:\n  " + "\n  ".join(changed)
            )
        return self._last_checkpoint(processes)

    def place_model(self, save: Callable[[Path], None]) -> None:
        """Save the model beside its place, then rename its files into it, those that make it a model last."""
        for left in self.training.glob(".model-*"):  # by a run that was killed here
            shutil.rmtree(left)
        with tempfile.TemporaryDirectory(prefix=".model-", dir=self.training) as folder:
            made = Path(folder) / "model"
            save(made)
            flush(made)  # or a loss of power might leave names without bytes, and a summary that says all is done
            entries = sorted(made.iterdir(), key=lambda entry: (entry.name in _LAST, entry.name))
            for name in _LAST:
                (self.path / name).unlink(missing_ok=True)
            for entry in entries:
                target = self.path / entry.name
                if target.is_dir():
                    shutil.rmtree(target)
                entry.replace(target)
            flush_folder(self.path)

    def finish(self, summary: dict[str, Any]) -> None:
        """Note down that the training is done."""
        with atomic_path(self._summary) as temporary:
            temporary.write_text(json.dumps(summary, indent=1), encoding="utf-8")

    def _read(self, path: Path) -> dict[str, Any]:
        """What a training noted down in a file."""
        try:
            content = parse_json(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise RecipeError(f"{path} cannot be read ({error}); delete {self.path} and train again") from error
        if not isinstance(content, dict):
            raise RecipeError(f"{path} is not what a training left; delete {self.path} and train again")
        return content

    def _is_fresh(self) -> bool:
        """Whether nothing is lost if a training begins here: there is nothing, or one that got to no checkpoint."""
        if not self.path.exists():
            return True
        if list(self.path.iterdir()) not in ([], [self.training]) or any(self.training.glob("checkpoint-*")):
            return False
        # without a recipe it was killed while it noted down what it starts from, or the folder is somebody else's
        notes = (self._data.name, f".{self._data.name}.", f".{self._recipe.name}.")
        return self._recipe.is_file() or all(one.name.startswith(notes) for one in self.training.glob("*"))

    def _last_checkpoint(self, processes: int) -> Path | None:
        found = sorted(
            (path for path in self.training.glob("checkpoint-*") if path.name.removeprefix("checkpoint-").isdecimal()),
            key=lambda path: int(path.name.removeprefix("checkpoint-")),
        )
        while found and not _is_complete(found[-1], processes):
            shutil.rmtree(found.pop())
        return found[-1] if found else None


def _no_room(error: Exception) -> OSError | None:
    """What an error says about the disk, whoever raised it; None if it is of something else."""
    if isinstance(error, OSError):
        return error if error.errno in NO_ROOM and not isinstance(error, StorageError) else None
    text = str(error)
    # safetensors has the system's words; torch says only that a file took fewer bytes than it wrote, or that it failed
    full, read_only = ("os error 28", "inline_container", "iostream error"), ("os error 30",)
    for number, signs in ((errno.ENOSPC, full), (errno.EROFS, read_only)):
        if any(sign in text for sign in signs):
            return OSError(number, text)
    return None


def _is_complete(checkpoint: Path, processes: int) -> bool:
    """Whether all of a checkpoint was written; the trainer's state is written last by the first process."""
    rng = ["rng_state.pth"] if processes == 1 else [f"rng_state_{rank}.pth" for rank in range(processes)]
    if not all((checkpoint / name).is_file() for name in ("optimizer.pt", "scheduler.pt", "modules.json", *rng)):
        return False
    try:
        state = parse_json((checkpoint / "trainer_state.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(state, dict)
