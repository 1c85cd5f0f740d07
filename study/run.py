"""Train and score the arms of the study; what is finished is not done again, and a killed run goes on.

    python study/run.py --model DIR --work FOLDER [--jobs 2] [--question 1] [--arm ID] [--keep-models]

DIR is the initialiser, such as intfloat/multilingual-e5-small. Every arm is two commands that a user would give:
``mteb-hybrid train`` with study/recipe.toml, and ``mteb run`` on a fifth of the other collection (study/slices.py).
FOLDER gets ``results/ARM`` with MTEB's JSON and the rank tables; models are deleted once they are scored.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from plan import Arm, arms
from slices import write_cards

BIN = Path(sys.executable).parent
RECIPE = Path(__file__).with_name("recipe.toml")
SETTINGS = ("Monolingual", "CrossLingual", "Multilingual")


@dataclass(frozen=True)
class Study:
    """A run of the study.

    Attributes:
        work: Where everything goes.
        starts: Initialisers: name to name on the hub, or directory.
        jobs: Arms at the same time.
        keep_models: Whether models stay once they are scored.
    """

    work: Path
    starts: dict[str, str]
    jobs: int = 1
    keep_models: bool = False

    def run(self, chosen: list[Arm]) -> list[str]:
        """Go through some arms; what went wrong, by arm."""
        write_cards(self.work / "cards")
        stop = threading.Event()
        with ThreadPoolExecutor(self.jobs) as pool:
            try:
                return [problem for problem in pool.map(lambda arm: self._try(arm, stop), chosen) if problem]
            except KeyboardInterrupt:
                stop.set()
                raise

    def results(self, arm: Arm) -> Path:
        """Folder of an arm's results."""
        return self.work / "results" / arm.id

    def _try(self, arm: Arm, stop: threading.Event) -> str | None:
        done = self.results(arm) / "done"
        if done.is_file() or stop.is_set():
            return None
        try:
            model = self._train(arm)
            self._score(arm, model)
        except subprocess.CalledProcessError as error:
            return f"{arm.id}: {error}; see {self.work / 'logs' / arm.id}.log"
        done.touch()
        if not self.keep_models and model.is_relative_to(self.work):
            shutil.rmtree(model)
        return None

    def _train(self, arm: Arm) -> Path:
        """The model of an arm, trained if it is not there."""
        if arm.name == "start":
            return Path(self.starts[arm.start])
        folder = self.work / "models" / arm.id
        if (folder / "modules.json").is_file():
            return folder
        settings = (
            f"model.name={self.starts[arm.start]}", f'data=[{{kind="collection",name="{arm.data}"}}]',
            f"training.seed={arm.seed}", *arm.settings,
        )  # fmt: skip
        words = [word for setting in settings for word in ("--set", setting)]
        resume = ["--resume"] if folder.exists() else []
        self._command(arm, "mteb-hybrid", "train", RECIPE, *words, "--output", folder, *resume)
        return folder

    def _score(self, arm: Arm, model: Path) -> None:
        results = self.results(arm)
        tasks = [f"{arm.test}{setting}" for setting in SETTINGS]
        words = ("mteb", "run", "-t", *tasks, "-m", model, "--output-folder", results)
        self._command(arm, *words, "--prediction-folder", results / "predictions", "--verbosity", 1)

    def _command(self, arm: Arm, program: str, *words: object) -> None:
        """Run one command with its output in the arm's log."""
        log = self.work / "logs" / f"{arm.id}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        threads = max(1, (os.cpu_count() or 1) // self.jobs)
        environment = {
            **os.environ, "MTEB_HYBRID_TASKS": str(self.work / "cards"), "OMP_NUM_THREADS": str(threads),
        }  # fmt: skip
        started = time.perf_counter()
        with log.open("a", encoding="utf-8") as stream:
            command = [str(BIN / program), *map(str, words)]
            print("$", *command, file=stream, flush=True)
            subprocess.run(command, check=True, stdout=stream, stderr=subprocess.STDOUT, env=environment)
        print(f"{arm.id}: {program} {words[0]} took {time.perf_counter() - started:.0f} s", flush=True)


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="the initialiser: a name on the hub, or a directory")
    parser.add_argument("--work", type=Path, required=True, help="folder for models, logs and results")
    parser.add_argument("--jobs", type=int, default=1, help="arms at the same time")
    parser.add_argument("--question", type=int, action="append", help="only arms for this question; repeatable")
    parser.add_argument("--arm", action="append", help="only this arm; repeatable")
    parser.add_argument("--keep-models", action="store_true", help="do not delete models once they are scored")
    options = parser.parse_args()
    chosen = [
        arm
        for arm in arms()
        if (not options.question or set(options.question) & set(arm.questions))
        and (not options.arm or arm.id in options.arm)
    ]
    directory = Path(options.model).expanduser()
    start = str(directory.resolve()) if directory.is_dir() else options.model
    study = Study(options.work.resolve(), {"e5": start}, options.jobs, options.keep_models)
    print(f"{len(chosen)} arms; finished: {sum((study.results(arm) / 'done').is_file() for arm in chosen)}", flush=True)
    problems = study.run(chosen)
    sys.exit("\n".join(problems) or 0)


if __name__ == "__main__":
    main()
