"""Which versions the package was run with: fresh environments, the core of the tests, rows of docs/versions.md.

    python benchmarks/versions.py [--only lowest newest-3.13 ...] [--work FOLDER] [--keep]

Every environment gets the built wheel, and what it and its tests need as uv resolves it: the newest versions that there
are, or the lowest that pyproject.toml allows. Rows of combinations that are not run stay as they are. A Python that is
not on this machine is said to be missing and left out; none is downloaded. Options of uv go into its environment
variables, for instance UV_FIND_LINKS for a folder of wheels.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import uv

from mteb_hybrid.atomic import atomic_path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "versions.md"
SHOWN = ("mteb", "sentence-transformers", "transformers", "datasets", "torch", "numpy")
HEAD = ("environment", "Python", *SHOWN, "passed", "skipped", "failed", "`pip check`", "date")
# what meets other packages: MTEB's registries and runs, sentence-transformers' trainer, torch's and numpy's arithmetic
CORE = (
    "tests/test_mteb_internals.py",
    "tests/test_plugin*.py", "tests/test_autoload.py", "tests/test_registry_finder.py", "tests/test_entry_points.py",
    "tests/models", "tests/test_end_to_end.py", "tests/test_loaders.py", "tests/test_golden.py",
    "tests/test_ranking*.py", "tests/test_embeddings*.py", "tests/test_rank_table*.py", "tests/tasks/test_miracl*.py",
    "tests/tasks/test_faiss.py", "tests/tasks/test_other_models.py", "tests/metrics", "tests/significance",
    "tests/trainers/test_evaluator*.py", "tests/trainers/test_loss*.py", "tests/trainers/test_mining*.py",
    "tests/trainers/test_parallel_*.py", "tests/trainers/test_recipe_*.py", "tests/trainers/test_sampler_*.py",
)  # fmt: skip


@dataclass(frozen=True)
class Combination:
    """An environment to be tried.

    Attributes:
        python: Its Python, such as 3.12.
        lowest: Whether everything that pyproject.toml names is as old as it allows; otherwise as new as there is.
        pins: Requirements beside the wheel's own.
    """

    python: str
    lowest: bool = False
    pins: tuple[str, ...] = ()


COMBINATIONS = {
    "newest-3.11": Combination("3.11"),
    "newest-3.12": Combination("3.12"),
    "newest-3.13": Combination("3.13"),
    "lowest": Combination("3.11", lowest=True),
    # where uv meets what has no wheel for a newer Python it may leave all low versions; the pin keeps it among them
    "lowest-3.12": Combination("3.12", lowest=True, pins=("datasets==3.0.0",)),
    "lowest-3.13": Combination("3.13", lowest=True, pins=("datasets==3.0.0",)),
    "old-mteb": Combination("3.11", pins=("mteb==2.15.0",)),
    "old-sentence-transformers": Combination("3.11", pins=("sentence-transformers==5.0.0",)),
    "old-both": Combination("3.11", pins=("mteb==2.15.0", "sentence-transformers==5.0.0")),
}


def environment() -> dict[str, str]:
    """Ours without what belongs to the Python that runs this; nothing asks a hub, and uv fetches no Python."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    return kept | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "UV_PYTHON_DOWNLOADS": "never"}


def uv_run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """What uv answers, which may be a failure."""
    command = [uv.find_uv_bin(), "--quiet", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment(), cwd=ROOT)


def built_wheel(folder: Path) -> Path:
    """A wheel of this source tree."""
    done = uv_run("build", "--wheel", "--out-dir", folder, ROOT)
    if done.returncode:
        sys.exit(done.stderr)
    (wheel,) = folder.glob("*.whl")
    return wheel


def make(combination: Combination, folder: Path, wheel: Path) -> Path | str:
    """A fresh environment: its Python, or in words why there is none."""
    done = uv_run("venv", "--clear", "--python", combination.python, folder)
    if done.returncode:
        return done.stderr
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    resolution = "lowest-direct" if combination.lowest else "highest"
    # wheels only: the lowest version that can be had is one that needs no compiler
    options = ("--resolution", resolution, "--only-binary", ":all:", "-r", "pyproject.toml", "--extra", "test")
    for requirements in ((*options, *combination.pins), ("--no-deps", wheel)):
        done = uv_run("pip", "install", "--python", python, *requirements)
        if done.returncode:
            return done.stderr
    return python


def test_files(patterns: list[str]) -> list[Path]:
    """What these patterns name, of which each must name something."""
    found = {pattern: sorted(ROOT.glob(pattern)) for pattern in patterns}
    if nothing := [pattern for pattern, paths in found.items() if not paths]:
        sys.exit(f"no such tests: {' '.join(nothing)}")
    return [path for paths in found.values() for path in paths]


def row_of(name: str, python: Path, tests: list[str], log: Path) -> list[str]:
    """The row of an environment that is there: its versions, and what the tests of these patterns came to."""
    listed = json.loads(uv_run("pip", "list", "--format", "json", "--python", python).stdout)
    versions = {package["name"]: package["version"] for package in listed}
    checked = uv_run("pip", "check", "--python", python).returncode == 0
    paths = test_files(tests)
    # -P: without the source tree in front of the installed wheel
    command = [python, "-P", "-m", "pytest", "-q", "-p", "no:cacheprovider", *paths]
    with log.open("w", encoding="utf-8") as output:
        status = subprocess.run(
            command, cwd=ROOT, env=environment(), stdout=output, stderr=subprocess.STDOUT, check=False
        ).returncode
    last = log.read_text(encoding="utf-8").strip().splitlines()[-1]
    counts = {word: int(number) for number, word in re.findall(r"(\d+) (passed|failed|skipped|error)", last)}
    if status not in (0, 1):
        counts["error"] = counts.get("error", 0) + 1
    found = subprocess.run(
        [python, "-c", "import sys; print(sys.version.split()[0])"], capture_output=True, text=True, check=True
    )
    failed = counts.get("failed", 0) + counts.get("error", 0)
    return [
        f"`{name}`", found.stdout.strip(), *(versions.get(package, "none") for package in SHOWN),
        str(counts.get("passed", 0)), str(counts.get("skipped", 0)), str(failed),
        "clean" if checked else "not clean", datetime.datetime.now(datetime.UTC).date().isoformat(),
    ]  # fmt: skip


TABLE = re.compile(r"(<!-- rows of benchmarks/versions.py -->\n)(.*?)(<!-- end of rows -->)", re.DOTALL)


def with_rows(page: str, rows: dict[str, list[str]]) -> str:
    """The page with these rows in its table, beside those of other combinations that are still tried."""
    found = TABLE.search(page)
    assert found is not None, f"{PAGE} has no place for rows"
    kept = [[cell.strip() for cell in line.strip("|").split("|")] for line in found[2].splitlines()[2:]]
    known = {row[0].strip("`"): row for row in kept} | rows
    lines = [HEAD, ["---"] * len(HEAD), *(known[name] for name in COMBINATIONS if name in known)]
    table = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    return page[: found.start(2)] + table + page[found.end(2) :]


def main() -> None:
    """Try the combinations and write their rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=COMBINATIONS, default=list(COMBINATIONS), metavar="NAME")
    parser.add_argument("--work", type=Path, help="folder for environments and logs; default: a temporary one")
    parser.add_argument("--keep", action="store_true", help="leave the environments in the work folder")
    parser.add_argument("--tests", nargs="+", default=list(CORE), help="for a try: other tests, and no row is written")
    options = parser.parse_args()
    work = options.work or Path(tempfile.mkdtemp(prefix="versions-"))
    work.mkdir(parents=True, exist_ok=True)
    wheel = built_wheel(Path(tempfile.mkdtemp(dir=work)))
    failures = 0
    for name in options.only:
        made = make(COMBINATIONS[name], work / name, wheel)
        if isinstance(made, str):
            failures += 1
            print(f"{name}: no such environment here\n{made}", flush=True)
        else:
            log = work / f"{name}.log"
            row = row_of(name, made, options.tests, log)
            failures += int(row[HEAD.index("failed")]) + (row[HEAD.index("`pip check`")] != "clean")
            print(f"{' | '.join(row)}   ({log})", flush=True)
            if options.tests == list(CORE):
                page = with_rows(PAGE.read_text(encoding="utf-8"), {name: row})
                with atomic_path(PAGE) as path:
                    path.write_text(page, encoding="utf-8")
        if not options.keep:
            shutil.rmtree(work / name, ignore_errors=True)
    sys.exit(min(failures, 1))


if __name__ == "__main__":
    main()
