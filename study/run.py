"""Train and score the arms of the study; what is finished is not done again, and a killed run goes on.

    python study/run.py --model DIR --ntrex DIR --work FOLDER [--jobs 2] [--question 1] [--arm ID] [--keep-models]
    python study/run.py --model DIR --ntrex DIR --work ANOTHER --full      # on a GPU: larger batches, whole collections

DIR is the initialiser, such as intfloat/multilingual-e5-small, and the folder with NTREX-128's text files, for question
9. Every arm is two commands that a user would give: ``mteb-hybrid train`` with study/recipe.toml (for the baselines of
question 10 study/plain.py), and ``mteb run`` on a fifth of the other collection (study/slices.py). FOLDER gets
``results/ARM`` with MTEB's JSON and the rank tables; models are deleted once they are scored.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from commands import BIN, RECIPE, first_initialiser, run_logged, training
from filelock import FileLock, Timeout
from plan import FULL, Arm, arms
from slices import write_cards

from mteb_hybrid.atomic import atomic_path

SETTINGS = ("Monolingual", "CrossLingual", "Multilingual")


@dataclass(frozen=True)
class Study:
    """A run of the study.

    Attributes:
        work: Where everything goes.
        model: The first initialiser: name on the hub, or directory.
        ntrex: Folder of NTREX's text files, if there is one.
        full: Whether arms are trained and tested at the size of a GPU.
        jobs: Arms at the same time.
        keep_models: Whether models stay once they are scored.
        preparing: Held while something is made that several arms need.
    """

    work: Path
    model: str
    ntrex: Path | None = None
    full: bool = False
    jobs: int = 1
    keep_models: bool = False
    preparing: threading.Lock = field(default_factory=threading.Lock)

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

    def is_done(self, arm: Arm) -> bool:
        """Whether an arm is scored, with the settings that it has now.

        Raises:
            SystemExit: It was scored with others.
        """
        done = self.results(arm) / "done"
        if not done.is_file():
            return False
        if (found := json.loads(done.read_text(encoding="utf-8"))) != self.settings(arm):
            sys.exit(
                f"{done.parent} was made with other settings ({found}, now {self.settings(arm)}); remove it, or give "
                "another --work"
            )
        return True

    def settings(self, arm: Arm) -> list[str]:
        """What an arm's recipe says otherwise than recipe.toml; nothing for an initialiser."""
        return [] if arm.name == "start" else [*arm.recipe, *(FULL if self.full else ())]

    @property
    def prepared(self) -> Path:
        """Folder of what is made before the arms are trained."""
        return self.work / "prepared"

    def start(self, name: str) -> str:
        """Initialiser by its name in the plan: name on the hub, or directory."""
        return self.model if name == "e5" else str(self.prepared / name)

    def needs_ntrex(self, arm: Arm) -> bool:
        """Whether an arm starts from a model that is pre-trained on NTREX, and that model is not there yet."""
        return arm.start == "layers4-ntrex" and not (self.prepared / arm.start / "modules.json").is_file()

    def _prepare(self, arm: Arm) -> None:
        """Make what an arm needs, unless it is there."""
        if arm.start == "e5":
            return
        import prepare  # loads torch, which a driver with nothing to prepare does without

        small = prepare.first_layers(self.model, self.prepared)
        if any("negatives.parquet" in setting for setting in arm.settings):
            prepare.negatives(small, self.prepared)
        if self.needs_ntrex(arm):
            assert self.ntrex is not None
            table = prepare.bitext(self.ntrex, self.prepared)
            pretraining = Arm(
                "pretraining", "ntrex", "layers4",
                settings=("sampler.alpha=0.0", f'data=[{{kind="wide",path="{table}"}}]'),
            )  # fmt: skip
            self._train(pretraining, self.prepared / arm.start)

    def _try(self, arm: Arm, stop: threading.Event) -> str | None:
        if self.is_done(arm) or stop.is_set():
            return None
        try:
            with self.preparing:
                self._prepare(arm)
            if arm.name == "start":
                model = Path(self.start(arm.start))
            else:
                model = self.work / "models" / arm.id
                self._train(arm, model)
            self._score(arm, model)
        except (subprocess.CalledProcessError, FileNotFoundError) as error:
            problem = f"{arm.id}: {error}; see {self.work / 'logs' / arm.id}.log"
            print(problem, flush=True)
            return problem
        with atomic_path(self.results(arm) / "done") as done:
            done.write_text(json.dumps(self.settings(arm), indent=1), encoding="utf-8")
        if not self.keep_models and model.is_relative_to(self.work / "models"):
            shutil.rmtree(model)
        return None

    def _train(self, arm: Arm, folder: Path) -> None:
        """Train an arm, unless it is trained."""
        if (folder / "modules.json").is_file():
            return
        settings = (f"model.name={self.start(arm.start)}", *self.settings(arm))
        settings = [one.replace("PREPARED", str(self.prepared)) for one in settings]
        if arm.sampler is not None:
            program = (sys.executable, Path(__file__).with_name("plain.py"), RECIPE, "--sampler", arm.sampler)
        else:
            program = (BIN / "mteb-hybrid", "train", RECIPE)
        self._command(arm, *training(program, settings, folder, resumes=arm.sampler is None))

    def _score(self, arm: Arm, model: Path) -> None:
        results = self.results(arm)
        if results.exists():  # killed while it was scored: MTEB does not write its files at once, one may be cut off
            shutil.rmtree(results)
        family = arm.test.removesuffix("Fifth") if self.full else arm.test
        tasks = [f"{family}{setting}" for setting in SETTINGS]
        words = (BIN / "mteb", "run", "-t", *tasks, "-m", model, "--output-folder", results)
        self._command(arm, *words, "--prediction-folder", results / "predictions", "--verbosity", 1)
        if missing := [task for task in tasks if not list(results.rglob(f"{task}.json"))]:
            raise FileNotFoundError(f"mteb run ended without results of {', '.join(missing)}")

    def _command(self, arm: Arm, *words: object) -> None:
        """Run one command with its output in the arm's log."""
        started = time.perf_counter()
        run_logged(words, self.work / "logs" / f"{arm.id}.log", self.jobs, MTEB_HYBRID_TASKS=str(self.work / "cards"))
        command = " ".join(Path(str(word)).name for word in words[:2])
        print(f"{arm.id}: {command} took {time.perf_counter() - started:.0f} s", flush=True)


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="the initialiser: a name on the hub, or a directory")
    parser.add_argument("--work", type=Path, required=True, help="folder for models, logs and results")
    parser.add_argument("--ntrex", type=Path, help="folder with NTREX-128's text files, such as eng.txt")
    parser.add_argument("--full", action="store_true", help="batches, steps and test collections for a GPU")
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
        and not (options.full and arm.name.startswith("data10"))  # less items than a batch of 100 needs
    ]
    study = Study(
        options.work.resolve(),
        first_initialiser(options.model),
        options.ntrex,
        options.full,
        options.jobs,
        options.keep_models,
    )
    study.work.mkdir(parents=True, exist_ok=True)
    print(f"{len(chosen)} arms; finished: {sum(map(study.is_done, chosen))}", flush=True)
    lock = FileLock(study.work / "lock")
    try:
        lock.acquire(blocking=False)
    except Timeout:
        parser.error(f"another driver is at work in {study.work}")
    left = [arm for arm in chosen if not study.is_done(arm)]
    if study.ntrex is None and (lacking := [arm.id for arm in left if study.needs_ntrex(arm)]):
        parser.error(f"--ntrex is missing, and {lacking[0]} needs it")
    problems = study.run(chosen)
    sys.exit("\n".join(problems) or 0)


if __name__ == "__main__":
    main()
