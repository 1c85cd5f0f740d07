"""What a training's output directory is checked for, and how a model gets into it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tiny_recipes import tiny_recipe

from mteb_hybrid.errors import RecipeError
from mteb_hybrid.trainers.recipes import TrainingSummary
from mteb_hybrid.trainers.recipes.output import OutputDirectory

RECIPE = tiny_recipe("tiny")
DATA = {"train": {"miniqa-r": 40}, "held_out": {"miniqa-r": 8}, "languages": ["de", "en"]}


@pytest.fixture
def place(tmp_path: Path) -> OutputDirectory:
    return OutputDirectory(tmp_path / "model")


def checkpoint(place: OutputDirectory, step: int, *, processes: int = 1, without: str = "") -> Path:
    """A checkpoint as the trainer leaves it, as far as it is looked at."""
    folder = place.training / f"checkpoint-{step}"
    folder.mkdir(parents=True)
    rng = ["rng_state.pth"] if processes == 1 else [f"rng_state_{rank}.pth" for rank in range(processes)]
    for name in ("modules.json", "optimizer.pt", "scheduler.pt", "trainer_state.json", *rng):
        if name != without:
            (folder / name).write_text("{}")
    return folder


class TestBegin:
    """What may be trained where."""

    def test_new(self, place: OutputDirectory) -> None:
        """Nothing there: the recipe is noted down, and it reads back."""
        assert place.check(RECIPE, resume=False) is None
        assert not place.path.exists()
        assert place.begin(RECIPE, DATA, 1) is None
        checkpoint(place, 2)
        assert place.check(RECIPE, resume=True) is None

    def test_resume_of_nothing(self, place: OutputDirectory) -> None:
        """--resume begins where there is nothing to go on with: the same command works from the start."""
        assert place.check(RECIPE, resume=True) is None

    @pytest.mark.parametrize("what", ["file", "folder", "model"])
    @pytest.mark.parametrize("resume", [False, True])
    def test_something_else_is_there(self, place: OutputDirectory, what: str, resume: bool) -> None:
        """Nothing of the user's is written over, with --resume or without."""
        if what == "file":
            place.path.write_text("mine")
        else:
            place.path.mkdir()
            (place.path / ("modules.json" if what == "model" else "notes.txt")).write_text("mine")
        message = r"output\.directory: .*model is a file" if what == "file" else "is not empty: --output names another"
        with pytest.raises(RecipeError, match=message):
            place.check(RECIPE, resume=resume)

    def test_below_a_file(self, place: OutputDirectory) -> None:
        """It is said before anything is loaded."""
        place.path.write_text("mine")
        with pytest.raises(RecipeError, match=r"output\.directory: .*model is a file"):
            OutputDirectory(place.path / "deeper" / "model").check(RECIPE, resume=False)

    def test_another_training_is_there(self, place: OutputDirectory) -> None:
        """Without --resume: an error that names it."""
        place.begin(RECIPE, DATA, 1)
        checkpoint(place, 2)
        with pytest.raises(RecipeError, match=r"is not empty: --resume goes on with it, --output names another"):
            place.check(RECIPE, resume=False)

    def test_a_training_without_a_checkpoint(self, place: OutputDirectory) -> None:
        """A run that came to nothing is no obstacle, not even for another recipe."""
        other = tiny_recipe("tiny", "sampler.alpha=1")
        place.begin(RECIPE, DATA, 1)
        for resume in (False, True):
            assert place.check(other, resume=resume) is None
        assert place.begin(other, DATA, 1) is None
        checkpoint(place, 2)
        assert place.check(other, resume=True) is None

    def test_changed_recipe(self, place: OutputDirectory) -> None:
        """Every key that differs is named with both values; the output directory may differ."""
        place.begin(RECIPE, DATA, 1)
        checkpoint(place, 2)
        place.check(tiny_recipe("tiny", "output.directory=elsewhere"), resume=True)
        with pytest.raises(RecipeError, match="another recipe") as caught:
            place.check(tiny_recipe("tiny", "sampler.alpha=1", "training.seed=3"), resume=True)
        assert "sampler.alpha: 0.5, now 1.0" in str(caught.value)
        assert "training.seed: 0, now 3" in str(caught.value)

    def test_changed_data(self, place: OutputDirectory) -> None:
        """Other numbers of items, or another number of processes, would not be the same training."""
        place.begin(RECIPE, DATA, 1)
        checkpoint(place, 2)
        with pytest.raises(RecipeError, match=r"train: \{'miniqa-r': 40\}, now \{'miniqa-r': 41\}"):
            place.begin(RECIPE, {**DATA, "train": {"miniqa-r": 41}}, 1)
        with pytest.raises(RecipeError, match="processes: 1, now 2"):
            place.begin(RECIPE, DATA, 2)
        assert (place.training / "checkpoint-2").is_dir()

    @pytest.mark.parametrize("content", ["", "{", "[]", "5", '{"a": "\\ud800"}', "[" * 5000])
    def test_damaged_notes(self, place: OutputDirectory, content: str) -> None:
        """Notes that are cut off, or none, are named, with what to do."""
        place.begin(RECIPE, DATA, 1)
        checkpoint(place, 2)
        (place.training / "data.json").write_text(content)
        with pytest.raises(RecipeError, match=r"data\.json .*delete .*model and train again"):
            place.begin(RECIPE, DATA, 1)
        (place.training / "summary.json").write_text(content)
        with pytest.raises(RecipeError, match=r"summary\.json .*delete .*model and train again"):
            place.check(RECIPE, resume=True)

    @pytest.mark.parametrize("content", [{}, {"steps": 4}, {"output": 5, "items": [], "held_out": 0}])
    def test_no_summary(self, place: OutputDirectory, content: dict) -> None:
        """A summary that lacks something, or has something else, is said with its place."""
        with pytest.raises(RecipeError, match="model holds no summary of a training: "):
            TrainingSummary.of(content, place.path)

    def test_done(self, place: OutputDirectory) -> None:
        """What was noted down at the end comes back."""
        place.begin(RECIPE, DATA, 1)
        checkpoint(place, 2)
        place.finish({"steps": 4})
        assert place.check(RECIPE, resume=True) == {"steps": 4}


class TestLastCheckpoint:
    """Where a run goes on."""

    def test_by_number(self, place: OutputDirectory) -> None:
        """The highest step, not the last name."""
        place.begin(RECIPE, DATA, 1)
        for step in (8, 10, 9):
            last = checkpoint(place, step)
        assert place.begin(RECIPE, DATA, 1) == last.with_name("checkpoint-10")

    @pytest.mark.parametrize(
        "lacking", ["modules.json", "optimizer.pt", "scheduler.pt", "rng_state.pth", "trainer_state.json"]
    )
    def test_incomplete(self, place: OutputDirectory, lacking: str) -> None:
        """One that was being written when the run was killed is removed; the one before it counts."""
        place.begin(RECIPE, DATA, 1)
        whole, half = checkpoint(place, 2), checkpoint(place, 4, without=lacking)
        assert place.begin(RECIPE, DATA, 1) == whole
        assert not half.exists()

    def test_state_cut_off(self, place: OutputDirectory) -> None:
        """The trainer's state is written last; half of it is not enough."""
        place.begin(RECIPE, DATA, 1)
        whole, half = checkpoint(place, 2), checkpoint(place, 4)
        (half / "trainer_state.json").write_text('{"global_step": ')
        assert place.begin(RECIPE, DATA, 1) == whole

    def test_every_process(self, place: OutputDirectory) -> None:
        """Each process writes its own random numbers."""
        place.begin(RECIPE, DATA, 2)
        whole = checkpoint(place, 2, processes=2)
        checkpoint(place, 4, processes=2, without="rng_state_1.pth")
        assert place.begin(RECIPE, DATA, 2) == whole

    def test_none(self, place: OutputDirectory) -> None:
        """Only incomplete ones: from the beginning."""
        place.begin(RECIPE, DATA, 1)
        checkpoint(place, 2, without="optimizer.pt")
        assert place.begin(RECIPE, DATA, 1) is None


class TestPlaceModel:
    """The model is there as a whole or not at all."""

    @staticmethod
    def save(folder: Path) -> None:
        (folder / "1_Pooling").mkdir(parents=True)
        for name in ("modules.json", "config_sentence_transformers.json", "README.md", "1_Pooling/config.json"):
            (folder / name).write_text(f"new {name}")

    def test_placed(self, place: OutputDirectory) -> None:
        """All files are there, nothing is left behind, and what was there before is replaced."""
        place.begin(RECIPE, DATA, 1)
        (place.path / "1_Pooling").mkdir()
        (place.path / "1_Pooling" / "old.json").touch()
        (place.training / ".model-left").mkdir()
        place.place_model(self.save)
        assert sorted(path.name for path in place.path.iterdir()) == [
            "1_Pooling", "README.md", "config_sentence_transformers.json", "modules.json", "training",
        ]  # fmt: skip
        assert [path.name for path in (place.path / "1_Pooling").iterdir()] == ["config.json"]
        assert sorted(path.name for path in place.training.iterdir()) == ["data.json", "recipe.toml"]

    def test_save_fails(self, place: OutputDirectory) -> None:
        """No half of a model where MTEB would look for one."""
        place.begin(RECIPE, DATA, 1)

        def fail(folder: Path) -> None:
            self.save(folder)
            raise OSError("disk full")

        with pytest.raises(OSError, match="disk full"):
            place.place_model(fail)
        assert [path.name for path in place.path.iterdir()] == ["training"]

    def test_order(self, place: OutputDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
        """What makes a directory a model comes last, and is gone first."""
        place.begin(RECIPE, DATA, 1)
        place.place_model(self.save)
        seen: list[tuple[str, bool]] = []

        def replace(self: Path, target: Path) -> None:
            seen.append((target.name, any((place.path / name).exists() for name in ("modules.json",))))
            self.rename(target)

        monkeypatch.setattr(Path, "replace", replace)
        place.place_model(self.save)
        assert [name for name, _ in seen][-2:] == ["config_sentence_transformers.json", "modules.json"]
        assert not any(is_model for _, is_model in seen)


def test_stored_is_readable(tmp_path: Path) -> None:
    """The notes are text that a person can read."""
    place = OutputDirectory(str(tmp_path / "model"))
    place.begin(RECIPE, DATA, 2)
    assert json.loads((place.training / "data.json").read_text())["processes"] == 2
    assert "[[data]]" in (place.training / "recipe.toml").read_text()
