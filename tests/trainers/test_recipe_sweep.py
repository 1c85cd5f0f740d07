"""The grid of a sweep, and that each of its points is trained once."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from tiny_recipes import tiny_recipe

from mteb_hybrid.errors import RecipeError, TrainingDataError
from mteb_hybrid.trainers.recipes import Recipe, TrainingSummary
from mteb_hybrid.trainers.recipes import sweep as run_sweep
from mteb_hybrid.trainers.recipes.output import OutputDirectory
from mteb_hybrid.trainers.recipes.terminal import sweep_table

RECIPE = tiny_recipe("tiny", "output.directory=elsewhere")


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> dict[str, Recipe]:
    """Recipes by the directory that they would have been trained in; a loss that tells them apart."""
    recipes: dict[str, Recipe] = {}

    def train(recipe: Recipe, output: Path, *, resume: bool) -> TrainingSummary:
        assert resume
        recipes[output.name] = recipe
        if recipe.data[0].fraction < 0.1:
            raise TrainingDataError("too few items")
        metrics = {"loss": recipe.sampler.alpha + recipe.training.seed}
        return TrainingSummary(str(output), {"miniqa-r": 40}, 8, ["de", "en"], 4, 4, None, 1.25, metrics)

    monkeypatch.setattr("mteb_hybrid.trainers.recipes.grid.train", train)
    return recipes


class TestGrid:
    """Every combination, each with its own recipe."""

    def test_all_combinations(self, trained: dict[str, Recipe], tmp_path: Path) -> None:
        """One directory for each, named by what varies; nothing else differs from the recipe."""
        points = run_sweep(RECIPE, tmp_path, alphas=[0, 0.5], seeds=[1, 2])
        assert list(trained) == ["alpha-0_seed-1", "alpha-0_seed-2", "alpha-0.5_seed-1", "alpha-0.5_seed-2"]
        assert [point.values for point in points][1] == {"alpha": 0, "seed": 2}
        plain = trained["alpha-0.5_seed-2"].plain()
        assert (plain["sampler"].pop("alpha"), plain["training"].pop("seed")) == (0.5, 2)
        base = RECIPE.plain()
        del base["sampler"]["alpha"], base["training"]["seed"]
        assert plain | {"output": None} == base | {"output": None}
        assert trained["alpha-0_seed-1"].output.directory is None

    def test_languages_are_compared_on_the_same_ones(self, trained: dict[str, Recipe], tmp_path: Path) -> None:
        """Training languages vary, those of the evaluation are the same everywhere."""
        run_sweep(RECIPE, tmp_path, languages=[["en", "de"], ["en", "de", "tr"]])
        assert list(trained) == ["languages-en-de", "languages-en-de-tr"]
        assert [recipe.sampler.languages for recipe in trained.values()] == [("en", "de"), ("en", "de", "tr")]
        for recipe in trained.values():
            assert recipe.evaluation is not None
            assert recipe.evaluation.languages == ("de", "en", "tr")
        trained.clear()
        run_sweep(RECIPE.changed(["evaluation.languages=['es']"]), tmp_path, languages=[["en"]])
        evaluation = trained["languages-en"].evaluation
        assert evaluation is not None
        assert evaluation.languages == ("es",)

    def test_fraction_of_a_fraction(self, trained: dict[str, Recipe], tmp_path: Path) -> None:
        """Each table's own share is multiplied."""
        run_sweep(RECIPE.changed(["data.0.fraction=0.5"]), tmp_path, fractions=[0.5, 1])
        assert [recipe.data[0].fraction for recipe in trained.values()] == [0.25, 0.5]

    def test_nothing_varies(self, tmp_path: Path) -> None:
        """A sweep over nothing is no sweep."""
        with pytest.raises(
            RecipeError, match="a sweep needs values of alpha, languages, fraction or seed, such as --alpha"
        ):
            run_sweep(RECIPE, tmp_path)

    def test_checked_before_the_first_is_trained(self, trained: dict[str, Recipe], tmp_path: Path) -> None:
        """A value out of range names its point and key, and nothing is trained."""
        with pytest.raises(RecipeError, match=r"alpha-2: sampler\.alpha: must be at most 1, got 2"):
            run_sweep(RECIPE, tmp_path, alphas=[0, 2])
        assert not trained
        with pytest.raises(RecipeError, match=r"alpha-0\.5 is there twice; give each value once"):
            run_sweep(RECIPE, tmp_path, alphas=[0.5, 0.5])

    def test_no_folder_to_write_in(
        self, trained: dict[str, Recipe], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The tables come after hours; that they cannot be written is said before."""

        def refuse(folder: Path) -> None:
            raise PermissionError(13, "Permission denied", str(folder))

        monkeypatch.setattr("mteb_hybrid.trainers.recipes.grid.check_folder", refuse)
        with pytest.raises(RecipeError, match=r"sweep: .* cannot be written: .*denied.*; name another folder"):
            run_sweep(RECIPE, tmp_path, alphas=[0, 1])
        assert not trained


class TestTables:
    """sweep.csv, sweep.json and the terminal."""

    def test_files(self, trained: dict[str, Recipe], tmp_path: Path) -> None:
        """Both tables have a row for each point, what varies first and what was measured behind it."""
        run_sweep(RECIPE, tmp_path, alphas=[0, 1], seeds=[1, 2])
        rows = list(csv.DictReader((tmp_path / "sweep.csv").open(encoding="utf-8")))
        assert list(rows[0]) == ["point", "alpha", "seed", "items", "steps", "seconds", "loss"]
        assert [(row["point"], float(row["loss"])) for row in rows] == [
            ("alpha-0_seed-1", 1.0), ("alpha-0_seed-2", 2.0), ("alpha-1_seed-1", 2.0), ("alpha-1_seed-2", 3.0),
        ]  # fmt: skip
        points = json.loads((tmp_path / "sweep.json").read_text(encoding="utf-8"))
        assert [point["summary"]["metrics"]["loss"] for point in points] == [1.0, 2.0, 2.0, 3.0]

    def test_written_after_each_point(
        self, trained: dict[str, Recipe], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A sweep that is killed leaves a table of what it did."""

        def killed(*_: Any, **__: Any) -> None:
            raise KeyboardInterrupt

        run_sweep(RECIPE, tmp_path, alphas=[0])
        monkeypatch.setattr("mteb_hybrid.trainers.recipes.grid.train", killed)
        with pytest.raises(KeyboardInterrupt):
            run_sweep(RECIPE, tmp_path, alphas=[0, 1])
        assert len(list(csv.DictReader((tmp_path / "sweep.csv").open(encoding="utf-8")))) == 1

    def test_a_point_with_too_little_data(self, trained: dict[str, Recipe], tmp_path: Path) -> None:
        """It is a row with its problem; the others are trained."""
        points = run_sweep(RECIPE, tmp_path, fractions=[0.05, 1])
        assert [point.problem for point in points] == ["too few items", None]
        rows = list(csv.DictReader((tmp_path / "sweep.csv").open(encoding="utf-8")))
        assert (rows[0]["problem"], rows[0]["loss"], rows[1]["problem"]) == ("too few items", "", "")
        console = Console(width=120, record=True)
        console.print(sweep_table(points))
        shown = console.export_text()
        assert "too few items" in shown
        assert "fraction" in shown

    def test_another_recipe_stops_the_sweep(self, trained: dict[str, Recipe], tmp_path: Path) -> None:
        """A point that was begun with another recipe is the user's to look at, before any other is trained."""
        point = OutputDirectory(tmp_path / "alpha-1")
        point.begin(RECIPE.changed(["sampler.alpha=1", "training.seed=7"]), {}, 1)
        (point.training / "checkpoint-2").mkdir()
        with pytest.raises(RecipeError, match=r"alpha-1 was begun with another recipe.*\n.*training\.seed: 7, now"):
            run_sweep(RECIPE, tmp_path, alphas=[0, 1])
        assert not trained

    def test_sweeps_in_one_folder_add_up(self, trained: dict[str, Recipe], tmp_path: Path) -> None:
        """The tables keep the points of earlier sweeps; one that is trained again is there once."""
        run_sweep(RECIPE, tmp_path, fractions=[0.05, 1])
        points = run_sweep(RECIPE, tmp_path, fractions=[0.05, 0.5])
        assert len(points) == 2
        rows = list(csv.DictReader((tmp_path / "sweep.csv").open(encoding="utf-8")))
        assert [row["point"] for row in rows] == ["fraction-1", "fraction-0.05", "fraction-0.5"]
        assert rows[0]["loss"] == rows[2]["loss"] != ""

    def test_unknown_language(self, trained: dict[str, Recipe], tmp_path: Path) -> None:
        """It is named before the first point is trained, by the option that it came with."""
        with pytest.raises(RecipeError, match="sweep: languages: the data has no language 'xx'; it has"):
            run_sweep(RECIPE, tmp_path, languages=[["en", "de"], ["en", "xx"]])
        assert not trained
