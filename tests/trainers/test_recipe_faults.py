"""What a kill, a full disk and a second process do to a training's output directory."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
from safetensors import SafetensorError
from tiny_recipes import tiny_recipe

from mteb_hybrid.errors import RecipeError, StorageError
from mteb_hybrid.trainers.recipes.output import OutputDirectory

RECIPE = tiny_recipe("tiny")
NOTES = [["data.json"], [".data.json.abcdefgh.tmp"], ["data.json", ".recipe.toml.abcdefgh.tmp"], []]


@pytest.mark.parametrize("left", NOTES)
def test_killed_before_the_recipe_was_noted(tmp_path: Path, left: list[str]) -> None:
    """Nothing is lost then, so that the same command may begin again, with --resume or without."""
    (tmp_path / "mine" / "training").mkdir(parents=True)
    for name in left:
        (tmp_path / "mine" / "training" / name).write_text("{")
    for resume in (True, False):
        assert OutputDirectory(tmp_path / "mine").check(RECIPE, resume=resume) is None
    (tmp_path / "mine" / "training" / "thesis.txt").write_text("mine")
    with pytest.raises(RecipeError, match="is not empty"):
        OutputDirectory(tmp_path / "mine").check(RECIPE, resume=True)


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 11392 vs 11280"),
        RuntimeError("basic_ios::clear: iostream error"),
        SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"),
    ],
)
def test_no_room_for_a_checkpoint(tmp_path: Path, error: Exception) -> None:
    """Whoever finds out, the reason is said, and half a checkpoint does not take room."""
    place = OutputDirectory(tmp_path / "mine")

    def save() -> None:
        with place.writing(1):
            (place.training / "checkpoint-2").mkdir(parents=True)
            (place.training / "checkpoint-2" / "optimizer.pt").write_bytes(b"half")
            raise error

    with pytest.raises(StorageError, match="mine cannot be written: No space left on device"):
        save()
    assert not list(place.training.iterdir())


def test_other_errors_of_a_training(tmp_path: Path) -> None:
    """They are none of the disk's."""
    with pytest.raises(RuntimeError, match="out of memory"), OutputDirectory(tmp_path / "mine").writing(1):
        raise RuntimeError("CUDA out of memory")


def test_one_training_in_a_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second one waits, then gives up; after the first it may begin."""
    pytest.importorskip("fcntl")
    monkeypatch.setattr("mteb_hybrid.trainers.recipes.output._PATIENCE", 0.0)
    first, second = (OutputDirectory(tmp_path / "mine").alone() for _ in range(2))
    with first, pytest.raises(RecipeError, match="another process trains here"), second:
        pass
    with OutputDirectory(tmp_path / "mine").alone():
        pass
