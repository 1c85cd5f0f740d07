"""Which versions the package was run with: fresh environments, the core of the tests, the tables of docs/versions.md.

    python benchmarks/versions.py [--only lowest newest-3.13 ...] [--work FOLDER] [--keep]

Every environment gets the built wheel, and what it and its tests need as uv resolves it: the newest versions that there
are, or the lowest that pyproject.toml allows. What is noted of combinations that are not run stays as it is. A Python
that is not on this machine is said to be missing and left out; none is downloaded. Options of uv go into its
environment variables, for instance UV_FIND_LINKS for a folder of wheels.
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
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import uv
from packaging.requirements import Requirement

from mteb_hybrid.atomic import atomic_path

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "versions.md"
SHOWN = ("mteb", "sentence-transformers", "transformers", "datasets", "torch", "numpy")
HEAD = ("environment", "Python", *SHOWN, "passed", "skipped", "failed", "`pip check`", "date", "commit")
UNKNOWN = "-"  # not noted
NOT_USED = {"all", "test", "dev", "docs", "fuzz"}  # extras: of others, or of nothing that the package does
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


def named_packages() -> list[str]:
    """What the package uses, as pyproject.toml names it: what it requires, and then what its extras do."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = [lines for extra, lines in project["optional-dependencies"].items() if extra not in NOT_USED]
    lines = [line for lines in (project["dependencies"], *extras) for line in lines]
    return list(dict.fromkeys(Requirement(line).name for line in lines))


def installed(python: Path) -> dict[str, str]:
    """Packages of an environment, and their versions."""
    listed = json.loads(uv_run("pip", "list", "--format", "json", "--python", python).stdout)
    return {package["name"]: package["version"] for package in listed}


def commit() -> str:
    """The commit whose package and tests are run, and whether anything but the page was changed since."""
    described = ("rev-parse", "--short=7", "HEAD"), ("status", "--short", "--", ".", f":!{PAGE.relative_to(ROOT)}")
    try:
        head, changed = (
            subprocess.run(["git", *one], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
            for one in described
        )
    except (OSError, subprocess.CalledProcessError):
        return UNKNOWN
    return head + (" with changes" if changed else "")


def row_of(name: str, python: Path, tests: list[str], log: Path) -> list[str]:
    """The row of an environment that is there: its versions, and what the tests of these patterns came to."""
    versions, begun_at = installed(python), commit()
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
        "clean" if checked else "not clean", datetime.datetime.now(datetime.UTC).date().isoformat(), begun_at,
    ]  # fmt: skip


def place_of(what: str, page: str) -> tuple[int, int]:
    """Where a table of the page begins and ends."""
    found = re.search(rf"<!-- {what} of benchmarks/versions.py -->\n(.*?)<!-- end of {what} -->", page, re.DOTALL)
    assert found is not None, f"{PAGE} has no place for {what}"
    return found.span(1)


def cells(what: str, page: str) -> list[list[str]]:
    """The lines of a table of the page, its head first."""
    lines = page[slice(*place_of(what, page))].splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in (*lines[:1], *lines[2:])]


def with_table(what: str, page: str, lines: Sequence[Sequence[str]]) -> str:
    """The page with these lines in a table, the head first."""
    head, *rows = lines
    table = "".join(f"| {' | '.join(line)} |\n" for line in (head, ["---"] * len(head), *rows))
    begin, end = place_of(what, page)
    return page[:begin] + table + page[end:]


def with_rows(page: str, rows: Mapping[str, Sequence[str]]) -> str:
    """The page with these rows in its first table, beside those of other combinations that are still tried."""
    known = {row[0].strip("`"): row for row in cells("rows", page)[1:]} | rows
    return with_table("rows", page, [HEAD, *(known[name] for name in COMBINATIONS if name in known)])


def noted(page: str) -> dict[str, dict[str, str]]:
    """Environment to package to version, as the second table has them."""
    (_, *names), *lines = cells("packages", page)
    return {name.strip("`"): {line[0]: line[place] for line in lines} for place, name in enumerate(names, start=1)}


def with_packages(page: str, versions: Mapping[str, Mapping[str, str]]) -> str:
    """The page with these environments in its second table, of the packages that the first has no columns for."""
    known = {name: (noted(page) | versions)[name] for name in COMBINATIONS if name in {*noted(page), *versions}}
    packages = [package for package in named_packages() if package not in SHOWN]
    lines = [[package, *(of.get(package, UNKNOWN) for of in known.values())] for package in packages]
    return with_table("packages", page, [["package", *(f"`{name}`" for name in known)], *lines])


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
                page = with_packages(page, {name: installed(made)})
                with atomic_path(PAGE) as path:
                    path.write_text(page, encoding="utf-8")
        if not options.keep:
            shutil.rmtree(work / name, ignore_errors=True)
    sys.exit(min(failures, 1))


if __name__ == "__main__":
    main()
