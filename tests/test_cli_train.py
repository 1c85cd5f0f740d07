"""The commands `mteb-hybrid train` and `mteb-hybrid sweep`."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file
from tiny_recipes import tiny_model, write_recipe

from mteb_hybrid import cli

SCRIPTS = Path(sys.executable).parent
ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if not name.startswith("MTEB_HYBRID")},
    "HF_HUB_OFFLINE": "1",
    "OMP_NUM_THREADS": "1",
    "COLUMNS": "140",
}


def command(folder: Path, *arguments: str, script: str = "mteb-hybrid") -> subprocess.CompletedProcess[str]:
    """Run an installed script as a user does."""
    return subprocess.run(
        [str(SCRIPTS / script), *arguments],
        cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip


def weights(folder: Path) -> dict[str, Any]:
    return dict(load_file(folder / "model.safetensors"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model and a recipe, as a user may have it."""
    folder = tmp_path_factory.mktemp("work")
    tiny_model(folder / "base")
    write_recipe(folder / "mine.toml", "base")
    return folder


class TestInProcess:
    """The commands without a process of their own."""

    @pytest.fixture
    def run(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> Callable[..., tuple[int, str, str]]:
        """Exit code, output and errors of a command."""

        def run(*arguments: str) -> tuple[int, str, str]:
            monkeypatch.chdir(folder)
            monkeypatch.setattr(sys, "argv", ["mteb-hybrid", *arguments])
            with pytest.raises(SystemExit) as caught:
                cli.main()
            shown = capsys.readouterr()
            return int(caught.value.code or 0), shown.out, shown.err

        return run

    def test_wrong_key(self, run: Callable[..., tuple[int, str, str]]) -> None:
        """One line that names file and key, and exit code 2."""
        code, out, err = run("train", "mine.toml", "--set", "training.batch_size=0")
        assert (code, out) == (2, "")
        assert err.strip() == "error: mine.toml: training.batch_size: must be at least 2, got 0"

    def test_wrong_place(self, run: Callable[..., tuple[int, str, str]]) -> None:
        """What does not fit what is there is said with the recipe's name too; brackets are no markup."""
        code, _, err = run("train", "mine.toml", "--set", "sampler.languages=['fr']", "--dry-run")
        assert code == 2
        assert err.splitlines()[-1].startswith("error: mine.toml: sampler.languages: the data has no language 'fr'")
        code, _, err = run("train", "mine.toml")
        assert code == 2
        assert "error: mine.toml: output.directory: is missing; --output names it as well" in err

    def test_shipped_by_name(self, run: Callable[..., tuple[int, str, str]]) -> None:
        """A wrong change of a shipped recipe."""
        code, _, err = run("train", "labse-mmarco", "--set", "sampler.alpha=3")
        assert code == 2
        assert "labse-mmarco.toml (shipped): sampler.alpha: must be at most 1, got 3" in err

    def test_dry_run(self, run: Callable[..., tuple[int, str, str]], folder: Path) -> None:
        """The whole recipe and what it comes to; nothing is written."""
        before = sorted(folder.rglob("*"))
        code, out, _ = run("train", "mine.toml", "--dry-run", "--output", "out", "--set", "sampler.alpha=0.4")
        assert code == 0
        assert "alpha = 0.4" in out
        assert "[[data]]" in out  # not taken for markup
        assert "miniqa-r 40; 8 held out" in out
        assert sorted(folder.rglob("*")) == before

    def test_only_the_first_process_talks(
        self, run: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Of many processes with the same error one says it; all end with its code."""
        monkeypatch.setenv("RANK", "1")
        assert run("train", "mine.toml", "--set", "sampler.alpha=3") == (2, "", "")

    @pytest.mark.parametrize(
        ("option", "message"),
        [
            (["--alpha", "0,half"], "'0,half' must be numbers with commas between them"),
            (["--seed", "1.5"], "'1.5' must be numbers"),
            ([], "a sweep needs values of alpha, languages, fraction or seed"),
            (["--alpha", "0,2"], "alpha-2: sampler.alpha: must be at most 1, got 2"),
        ],
    )
    def test_wrong_sweep(
        self, run: Callable[..., tuple[int, str, str]], option: list[str], message: str, folder: Path
    ) -> None:
        """Nothing is trained if one value cannot be used."""
        code, _, err = run("sweep", "mine.toml", "--output", "sweep", *option)
        assert code == 2
        assert message in " ".join(err.replace("│", " ").split())
        assert not (folder / "sweep").exists()


@pytest.fixture(scope="module")
def trained(folder: Path) -> Path:
    """`mteb-hybrid train` as in the documentation, on a small recipe."""
    done = command(folder, "train", "mine.toml", "--output", "model", "--set", "sampler.alpha=0.4")
    assert done.returncode == 0, done.stderr[-3000:]
    assert "4 of 4" in done.stdout
    assert "loss" in done.stdout
    return folder / "model"


@pytest.mark.slow
class TestCommand:
    """The installed command, and what other programs make of its results."""

    def test_mteb_runs_it(self, trained: Path, tmp_path: Path) -> None:
        """`mteb run -m DIRECTORY` on what `mteb-hybrid train` has left: its name, prompts in use, real scores."""
        done = command(
            tmp_path, "run", "-t", "MiniQARMultilingual", "-l", "deu", "eng", "-m", str(trained),
            "--output-folder", "out", script="mteb",
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-3000:]
        (path,) = (tmp_path / "out" / "results").glob("local__model/*/MiniQARMultilingual.json")
        rows = json.loads(path.read_text())["scores"]["test"]
        assert {row["hf_subset"] for row in rows} == {"de", "en"}
        assert all(0 < row["map"] < 1 for row in rows)

    def test_not_twice(self, trained: Path, folder: Path) -> None:
        """A second run says that there is something; --resume says that it is done; another recipe is refused."""
        again = ["train", "mine.toml", "--output", "model"]
        done = command(folder, *again, "--set", "sampler.alpha=0.4")
        assert done.returncode == 2
        assert "model is not empty: --resume goes on with it, --output names another directory" in done.stderr
        done = command(folder, *again, "--set", "sampler.alpha=0.4", "--resume")
        assert done.returncode == 0
        assert "nothing is left to train" in done.stderr
        done = command(folder, *again, "--resume")
        assert done.returncode == 2
        assert "sampler.alpha: 0.4, now 0.5" in done.stderr

    def test_killed(self, folder: Path) -> None:
        """After kill -9 and --resume the weights are those of a run that was not killed."""
        options = ["--set", "training.steps=12", "--set", "evaluation.every=12"]
        whole = command(folder, "train", "mine.toml", "--output", "whole", *options)
        assert whole.returncode == 0, whole.stderr[-3000:]
        process = subprocess.Popen(
            [str(SCRIPTS / "mteb-hybrid"), "train", "mine.toml", "--output", "killed", *options],
            cwd=folder, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        deadline = time.monotonic() + 300
        while not any((folder / "killed").glob("training/checkpoint-*/trainer_state.json")):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert not (folder / "killed" / "modules.json").exists()
        resumed = command(folder, "train", "mine.toml", "--output", "killed", "--resume", *options)
        assert resumed.returncode == 0, resumed.stderr[-3000:]
        expected = weights(folder / "whole")
        for name, array in weights(folder / "killed").items():
            np.testing.assert_array_equal(array, expected[name], err_msg=name)

    def test_sweep(self, folder: Path) -> None:
        """Trained once each: a second sweep adds a point, finishes one that was interrupted, leaves the others."""
        done = command(folder, "sweep", "mine.toml", "--alpha", "0,1", "--seed", "1", "--output", "sweep")
        assert done.returncode == 0, done.stderr[-3000:]
        first, second = (folder / "sweep" / f"alpha-{alpha}_seed-1" for alpha in (0, 1))
        before = (first / "model.safetensors").stat().st_mtime_ns
        expected = weights(second)
        for name in ("training/summary.json", "modules.json", "model.safetensors"):
            (second / name).unlink()  # as if it had been killed while the model was saved
        done = command(folder, "sweep", "mine.toml", "--alpha", "0,1,0.5", "--seed", "1", "--output", "sweep")
        assert done.returncode == 0, done.stderr[-3000:]
        assert (first / "model.safetensors").stat().st_mtime_ns == before
        for name, array in weights(second).items():
            np.testing.assert_array_equal(array, expected[name], err_msg=name)
        rows = list(csv.DictReader((folder / "sweep" / "sweep.csv").open(encoding="utf-8")))
        assert [row["alpha"] for row in rows] == ["0.0", "1.0", "0.5"]
        assert len({row["loss"] for row in rows}) == 3
        assert all(row["loss"][:4] in done.stdout for row in rows)

    def test_two_processes(self, folder: Path, tmp_path: Path) -> None:
        """Both train together on the CPU, and an error is said once; one process cannot go on with what two began."""
        output = str(tmp_path / "both")
        arguments = ["--standalone", "--nproc-per-node", "2", "-m", "mteb_hybrid.cli", "train", "mine.toml"]
        arguments += ["--output", output, "--set", "loss.gather_across_devices=true"]
        done = command(folder, *arguments, script="torchrun")
        assert done.returncode == 0, done.stderr[-3000:]
        assert done.stdout.count("4 of 4") == 1
        data = json.loads((tmp_path / "both" / "training" / "data.json").read_text())
        assert data["processes"] == 2
        assert list((tmp_path / "both" / "training").glob("checkpoint-4/rng_state_1.pth"))
        assert (tmp_path / "both" / "modules.json").is_file()
        again = command(folder, *arguments, script="torchrun")
        assert again.returncode != 0
        assert again.stderr.count("both is not empty") == 1
        (tmp_path / "both" / "training" / "summary.json").unlink()
        alone = command(folder, "train", "mine.toml", "--output", output, "--resume", *arguments[-2:])
        assert alone.returncode == 2
        assert "processes: 2, now 1" in alone.stderr
