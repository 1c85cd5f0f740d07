"""What `mteb-hybrid train --ray` finds out without a cluster."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tiny_recipes import tiny_recipe, write_recipe

from mteb_hybrid import cli
from mteb_hybrid.errors import ClusterError, RecipeError
from mteb_hybrid.scaling import training
from mteb_hybrid.scaling.cluster import Share
from mteb_hybrid.scaling.training import train_on_ray
from mteb_hybrid.trainers.recipes import Recipe, TrainingSummary
from mteb_hybrid.trainers.recipes.output import OutputDirectory

SUMMARY = TrainingSummary("model", {"miniqa-r": 40}, 8, ["de"], 4, trained_steps=4, processes=2)


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    return tiny_recipe(tmp_path / "base")


@pytest.fixture
def _no_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: Any, **__: Any) -> None:
        raise AssertionError("this needs no cluster")

    monkeypatch.setattr(training, "connected", never)


def test_ray_is_not_imported_before_it_is_needed() -> None:
    """Neither by the package nor by the command."""
    code = "import sys, mteb_hybrid, mteb_hybrid.cli, mteb_hybrid.scaling.training\nassert 'ray' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_no_ray(recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names the command that helps."""
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ClusterError, match=r"pip install 'mteb-hybrid\[ray,train\]'"):
        train_on_ray(recipe, tmp_path / "model", workers=2)


@pytest.mark.usefixtures("_no_cluster")
class TestRefused:
    """What is wrong is said before a cluster is started or asked."""

    @pytest.mark.parametrize("wrong", [{"workers": 0}, {"workers": 2, "gpus_per_worker": 2}])
    def test_numbers(self, recipe: Recipe, tmp_path: Path, wrong: dict[str, int]) -> None:
        with pytest.raises(ClusterError, match="workers must be at least 1, with 0 or 1 GPU each"):
            train_on_ray(recipe, tmp_path / "model", **wrong)

    def test_no_output(self, recipe: Recipe) -> None:
        with pytest.raises(RecipeError, match=r"output\.directory: is missing"):
            train_on_ray(recipe, workers=2)

    def test_directory_of_something_else(self, recipe: Recipe, tmp_path: Path) -> None:
        (tmp_path / "model").mkdir()
        (tmp_path / "model" / "thesis.txt").write_text("all of it")
        for resume in (False, True):
            with pytest.raises(RecipeError, match="model is not empty"):
                train_on_ray(recipe, tmp_path / "model", workers=2, resume=resume)

    def test_done(self, recipe: Recipe, tmp_path: Path) -> None:
        """Nothing is started for a training that is done, and the summary is the one of before."""
        from dataclasses import asdict

        place = OutputDirectory(tmp_path / "model")
        place.begin(recipe, {}, 2)
        (place.training / "checkpoint-4").mkdir()
        place.finish(asdict(SUMMARY))
        assert train_on_ray(recipe, tmp_path / "model", workers=2, resume=True) == SUMMARY


@pytest.mark.parametrize("fits", [1, 2])
def test_room(fits: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Too little room is an error where no node will come, else a warning, and Ray waits."""
    monkeypatch.setattr(training, "usual_share", lambda gpus, cpus: Share(cpus, 1.0 if gpus is None else gpus))
    monkeypatch.setattr(training, "room", lambda share: fits)
    message = f"the cluster has room for {fits} of 2 workers with a CPU and 1 GPUs each"
    assert training._gpus(2, None, alone=False) == 1
    waiting = f"{message}: waiting up to 10 minutes for nodes"
    assert [record.getMessage() for record in caplog.records] == [waiting] * (fits < 2)
    with pytest.raises(ClusterError, match=message) if fits < 2 else contextlib.nullcontext():
        assert training._gpus(2, 1, alone=True) == 1


class TestCommand:
    """The options of the command."""

    @pytest.fixture
    def given(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[dict[str, Any]]:
        """What the function is given."""
        given: dict[str, Any] = {}

        def train(recipe: Recipe, output: Path, **options: Any) -> TrainingSummary:
            given.update(options, output=output)
            return SUMMARY

        monkeypatch.setattr(training, "train_on_ray", train)
        monkeypatch.chdir(tmp_path)
        write_recipe(tmp_path / "mine.toml", "base")
        return given

    def run(self, monkeypatch: pytest.MonkeyPatch, *options: str) -> int:
        monkeypatch.setattr(sys, "argv", ["mteb-hybrid", "train", "mine.toml", *options])
        with pytest.raises(SystemExit) as caught:
            cli.main()
        return int(caught.value.code or 0)

    def test_options(
        self, given: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        options = "--ray auto --workers 4 --gpus-per-worker 1 --restarts 7 --resume --output model"
        assert self.run(monkeypatch, *options.split()) == 0
        assert given == {
            "address": "auto", "workers": 4, "gpus_per_worker": 1, "restarts": 7, "resume": True, "dry_run": False,
            "output": Path("model"),
        }  # fmt: skip
        assert "4 of 4" in capsys.readouterr().out

    def test_defaults(self, given: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
        """What is not said is left to the function."""
        assert self.run(monkeypatch, "--ray", "local", "--workers", "2") == 0
        assert given == {"address": "local", "workers": 2, "resume": False, "dry_run": False, "output": None}

    @pytest.mark.parametrize("options", [["--ray", "auto"], ["--workers", "2"], ["--restarts", "0"]])
    def test_half_of_them(
        self, given: dict[str, Any], options: list[str], monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:  # fmt: skip
        """A cluster without a number of workers, or the other way round, is a mistake."""
        assert self.run(monkeypatch, *options) == 2
        assert "--ray ADDRESS and --workers N go together" in capsys.readouterr().err
        assert not given
