"""The wheel, the source distribution, and what installing and uninstalling them does to an environment.

The fresh environments see the packages of the tests' own environment, all but this one, through a folder of links.
"""

from __future__ import annotations

import email
import importlib.metadata
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

SOURCE = Path(__file__).resolve().parents[1]
LANGUAGES = {"ar", "de", "el", "en", "es", "hi", "ru", "th", "tr", "vi", "zh"}
NOT_SOURCE = shutil.ignore_patterns(
    ".[!c]*", ".coverage", "__pycache__", "*.pyc", "*.egg-info", "build", "dist", "node_modules", "venv", "*.whl"
)


def run(*arguments: str | Path, cwd: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Run a program that must succeed, without our settings and without any index of packages."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MTEB_HYBRID", "PYTHON"))}
    kept |= {"HF_HUB_OFFLINE": "1", "PIP_NO_INDEX": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "UV_OFFLINE": "1"}
    done = subprocess.run(
        [str(argument) for argument in arguments],
        cwd=cwd,
        env=kept | {"PYTHONIOENCODING": "utf-8"} | more,
        text=True,
        encoding="utf-8",
        capture_output=True,
        timeout=600,
    )
    assert done.returncode == 0, f"{arguments} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


def copy_of_source(to: Path) -> Path:
    """The source tree as a fresh checkout would have it."""
    if not (SOURCE / "pyproject.toml").is_file() or not (SOURCE / "mteb_hybrid.pth").is_file():
        pytest.skip(f"{SOURCE} is not the source tree: there is nothing to build from")
    shutil.copytree(SOURCE, to, ignore=NOT_SOURCE)
    return to


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A wheel from the tree; a source distribution, and the wheel that is built from that."""
    for module in ("build", "setuptools"):
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed")
    if int(importlib.metadata.version("setuptools").split(".")[0]) < 77:
        pytest.skip("needs setuptools 77 in the tests' environment, as the build is not isolated to need no network")
    folder = tmp_path_factory.mktemp("dist")
    source = copy_of_source(folder / "source")
    build = (sys.executable, "-m", "build", "--no-isolation")
    run(*build, "--wheel", "--outdir", folder / "direct", source, cwd=folder)
    source = copy_of_source(folder / "again")  # without the build folder of the first
    run(*build, "--outdir", folder / "both", source, cwd=folder)
    (direct,) = (folder / "direct").glob("*.whl")
    (through,) = (folder / "both").glob("*.whl")
    (sdist,) = (folder / "both").glob("*.tar.gz")
    return {"wheel": direct, "wheel from sdist": through, "sdist": sdist}


def tracked() -> set[str]:
    """Files of the repository that are still there; none where the source tree is no repository."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=SOURCE, capture_output=True, text=True, check=False)
    return {name for name in listed.stdout.split("\0") if name and (SOURCE / name).is_file()}


def names(wheel: Path) -> set[str]:
    """Files of a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        listed = archive.namelist()
    assert len(listed) == len(set(listed))
    return {name for name in listed if not name.endswith("/")}


class TestContents:
    """What is in the archives."""

    def test_wheel_holds_the_packages_and_nothing_else(self, built: dict[str, Path]) -> None:
        """Every file of the three source folders is in the wheel at its place, and besides them only the .pth."""
        expected = {"mteb_hybrid.pth"}
        for folder, package in (
            ("mteb_hybrid", "mteb_hybrid"),
            ("tasks", "mteb_hybrid/tasks"),
            ("trainers", "mteb_hybrid/trainers"),
        ):
            expected |= {
                f"{package}/{path.relative_to(SOURCE / folder).as_posix()}"
                for path in (SOURCE / folder).rglob("*")
                if path.is_file() and "__pycache__" not in path.parts
            }
        found = {name for name in names(built["wheel"]) if ".dist-info/" not in name}
        assert found == expected

    def test_wheel_holds_what_users_count_on(self, built: dict[str, Path]) -> None:
        """The hook at the root, tasks and trainers, the type marker, 11 languages of MiniQA-R, the licence."""
        found = names(built["wheel"])
        assert "mteb_hybrid.pth" in found
        assert {"mteb_hybrid/tasks/__init__.py", "mteb_hybrid/trainers/__init__.py", "mteb_hybrid/py.typed"} <= found
        data = {Path(name).stem for name in found if name.startswith("mteb_hybrid/collections/data/miniqa-r/")}
        assert data == LANGUAGES
        assert [name for name in found if name.endswith("dist-info/licenses/LICENSE")]
        assert {name.split("/")[0] for name in found if ".dist-info/" not in name} == {"mteb_hybrid", "mteb_hybrid.pth"}
        assert not [name for name in found if "test" in name.lower() or "conftest" in name]

    def test_hook_is_one_line_of_code(self, built: dict[str, Path]) -> None:
        """The .pth is the one import that site.py executes."""
        with zipfile.ZipFile(built["wheel"]) as archive:
            assert archive.read("mteb_hybrid.pth").decode().splitlines() == [
                "import mteb_hybrid._autoload; mteb_hybrid._autoload.install()"
            ]

    def test_wheel_from_sdist_is_the_same(self, built: dict[str, Path]) -> None:
        """Built from the source distribution, the wheel has the same files with the same contents."""
        one, two = zipfile.ZipFile(built["wheel"]), zipfile.ZipFile(built["wheel from sdist"])
        with one, two:
            assert set(one.namelist()) == set(two.namelist())
            for name in one.namelist():
                assert one.read(name) == two.read(name), name

    def test_sdist_can_be_built_and_tested(self, built: dict[str, Path]) -> None:
        """The source distribution has what the build needs, and every file that is in the repository."""
        with tarfile.open(built["sdist"]) as archive:
            found = {name.partition("/")[2] for name in archive.getnames()}
        needed = {"pyproject.toml", "setup.py", "mteb_hybrid.pth", "LICENSE", "README.md", "tests/conftest.py"}
        needed |= {"mkdocs.yml", "docs/images/report.png", "tests/golden_miniqa_r_char_ngram.json", ".ci/run"}
        needed |= {"tests/mutation/explained.toml", "tests/fuzz/LOG.md", "tests/fuzz/tallies.jsonl"}
        assert needed <= found
        assert tracked() - found <= {".gitignore"}

    def test_metadata(self, built: dict[str, Path]) -> None:
        """Name, pure wheel, the version of the package, the command, MTEB as a requirement; all extras are defined."""
        with zipfile.ZipFile(built["wheel"]) as archive:
            (place,) = {name.split("/")[0] for name in archive.namelist() if ".dist-info/" in name}
            metadata = email.message_from_bytes(archive.read(f"{place}/METADATA"))
            commands = archive.read(f"{place}/entry_points.txt").decode()
            package: dict[str, Any] = {}
            exec(archive.read("mteb_hybrid/__init__.py"), package)
        assert built["wheel"].name.endswith("-py3-none-any.whl")
        assert metadata["Name"] == "mteb-hybrid"
        assert metadata["Version"] == package["__version__"]
        assert metadata["License-Expression"] == "Apache-2.0"
        required = metadata.get_all("Requires-Dist")
        assert [line for line in required if line.replace(" ", "").startswith("mteb<3,>=")]
        assert "mteb-hybrid = mteb_hybrid.cli:main" in commands
        extras = set(metadata.get_all("Provides-Extra"))
        inner = [line for line in required if line.startswith("mteb-hybrid[")]
        named = {extra for line in inner for extra in line.partition("[")[2].partition("]")[0].split(",")}
        assert named
        assert named <= extras


class Environment:
    """A fresh virtual environment that borrows the packages of the tests' environment."""

    def __init__(self, folder: Path) -> None:
        venv.create(folder / "venv", with_pip=False, symlinks=os.name != "nt")
        self.folder = folder
        scheme = {"base": str(folder / "venv"), "platbase": str(folder / "venv")}
        self.scripts = Path(sysconfig.get_path("scripts", "venv", scheme))
        self.packages = Path(sysconfig.get_path("purelib", "venv", scheme))
        self.python = self.scripts / ("python.exe" if os.name == "nt" else "python")
        links = folder / "borrowed"
        links.mkdir()
        for kind in ("platlib", "purelib"):
            for entry in Path(sysconfig.get_path(kind)).iterdir():
                ours = "mteb_hybrid" in entry.name
                if not ours and entry.name != "__pycache__" and not (links / entry.name).exists():
                    (links / entry.name).symlink_to(entry, target_is_directory=entry.is_dir())
        (self.packages / "borrowed.pth").write_text(f"{links}\n", encoding="utf-8")

    def files(self) -> set[str]:
        """Everything in the environment, compiled files included."""
        root = self.folder / "venv"
        return {path.relative_to(root).as_posix() for path in root.rglob("*")}

    def starts_silently(self) -> None:
        """A start of Python prints nothing."""
        done = run(self.python, "-W", "error", "-c", "pass", cwd=self.folder)
        assert (done.stdout, done.stderr) == ("", "")

    def state(self) -> dict[str, Any]:
        """What MTEB there knows of us, without any import of ours."""
        script = """
import json, mteb, sys
try:
    names = [task.metadata.name for task in mteb.get_tasks(tasks=["MiniQARMonolingual"])]
    files = [sys.modules["mteb_hybrid"].__file__, sys.modules["mteb_hybrid.tasks"].__file__]
except KeyError:
    names, files = [], [name for name in sys.modules if "mteb_hybrid" in name]
print()
print(json.dumps({"names": names, "files": files}))
"""
        done = run(self.python, "-W", "ignore", "-c", script, cwd=self.folder)
        state: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return state


@pytest.fixture
def fresh(tmp_path: Path) -> Environment:
    return Environment(tmp_path)


def installer(tool: str, environment: Environment) -> tuple[list[str | Path], list[str | Path]]:
    """Commands that install into an environment and uninstall from it."""
    if tool == "pip":
        if importlib.util.find_spec("pip") is None:
            pytest.skip("pip is not installed")
        pip = [sys.executable, "-m", "pip", "--python", environment.python]
        return [*pip, "install", "--no-deps"], [*pip, "uninstall", "--yes"]
    found = shutil.which("uv")
    if found is None and importlib.util.find_spec("uv") is not None:
        import uv

        found = uv.find_uv_bin()
    if found is None:
        pytest.skip("uv is neither on PATH nor installed")
    uv_pip = [found, "pip"]
    target = ["--python", environment.python]
    return [*uv_pip, "install", *target, "--no-deps"], [*uv_pip, "uninstall", *target]


@pytest.mark.parametrize("tool", ["pip", "uv"])
@pytest.mark.parametrize("kind", ["wheel", "editable"])
def test_install_and_uninstall(
    fresh: Environment, request: pytest.FixtureRequest, tmp_path: Path, tool: str, kind: str
) -> None:
    """Installed, MTEB knows our tasks from the installed files; uninstalled, not a file is left behind."""
    install, uninstall = installer(tool, fresh)
    built = request.getfixturevalue("built")
    before = fresh.files()
    fresh.starts_silently()
    if kind == "wheel":
        run(*install, built["wheel"], cwd=tmp_path)
        home = fresh.packages
        tasks = home / "mteb_hybrid" / "tasks"
    else:
        home = copy_of_source(tmp_path / "checkout")
        run(*install, "--no-build-isolation", "--editable", home, cwd=tmp_path)
        tasks = home / "tasks"
    assert (fresh.packages / "mteb_hybrid.pth").is_file()
    fresh.starts_silently()
    found = fresh.state()
    assert found["names"] == ["MiniQARMonolingual"]
    assert [Path(file).resolve() for file in found["files"]] == [
        (home / "mteb_hybrid" / "__init__.py").resolve(),
        (tasks / "__init__.py").resolve(),
    ]
    script = shutil.which("mteb-hybrid", path=str(fresh.scripts))
    assert script is not None
    assert "report" in run(script, "--help", cwd=tmp_path).stdout

    run(*uninstall, "mteb-hybrid", cwd=tmp_path)
    left = {name for name in fresh.files() if "mteb_hybrid" in name or "mteb-hybrid" in name}
    if tool == "uv" and kind == "editable":
        # uv does not record what Python compiles later; setuptools' finder stands beside the packages, not in one.
        # Python imports nothing from a __pycache__ without its source
        left = {name for name in left if not ("/__pycache__/__editable__" in name and name.endswith(".pyc"))}
    assert left == set()
    added = {name for name in fresh.files() - before if "__pycache__" not in name and name != ".lock"}  # uv's
    assert added == set()
    fresh.starts_silently()
    assert fresh.state() == {"names": [], "files": []}


def test_wheel_over_editable(fresh: Environment, built: dict[str, Path], tmp_path: Path) -> None:
    """A wheel installed over an editable install replaces it, hook included."""
    install, _ = installer("pip", fresh)
    checkout = copy_of_source(tmp_path / "checkout")
    run(*install, "--no-build-isolation", "--editable", checkout, cwd=tmp_path)
    run(*install, "--force-reinstall", built["wheel"], cwd=tmp_path)
    assert (fresh.packages / "mteb_hybrid.pth").is_file()
    assert not list(fresh.packages.glob("__editable__*"))
    fresh.starts_silently()
    found = fresh.state()
    assert found["names"] == ["MiniQARMonolingual"]
    assert all(Path(file).resolve().is_relative_to(fresh.packages.resolve()) for file in found["files"])


@pytest.fixture
def installed(fresh: Environment, built: dict[str, Path], tmp_path: Path) -> Environment:
    """The wheel in a fresh environment."""
    install, _ = installer("pip", fresh)
    run(*install, built["wheel"], cwd=tmp_path)
    return fresh


def test_pip_check(installed: Environment, tmp_path: Path) -> None:
    """Of what the wheel requires nothing is missing, and nothing has another version; pip names what is not so."""
    check = [sys.executable, "-m", "pip", "--python", installed.python, "check"]
    done = subprocess.run(list(map(str, check)), cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode in (0, 1), done.stderr
    # packages that the tests' environment has beside ours may have quarrels of their own
    assert [line for line in done.stdout.splitlines() if line.startswith("mteb-hybrid ")] == []
    assert done.stdout


IMPORT = """
import json, sys, time
started = time.process_time()
import {name}
print(json.dumps([time.process_time() - started, sorted(sys.modules)]))
"""


def imported(environment: Environment, name: str, **switches: str) -> tuple[float, set[str]]:
    """CPU seconds of an import in a fresh Python, and the modules that are loaded then."""
    done = run(environment.python, "-W", "ignore", "-c", IMPORT.format(name=name), cwd=environment.folder, **switches)
    seconds, modules = json.loads(done.stdout.splitlines()[-1])
    return seconds, set(modules)


def foreign(modules: set[str]) -> set[str]:
    """The packages among some modules that are neither ours nor Python's."""
    return {name.split(".")[0] for name in modules} - {"mteb_hybrid", *sys.stdlib_module_names}


def test_importing_the_package_imports_nothing_else(installed: Environment) -> None:
    """`import mteb_hybrid` loads nothing but itself and Python's own modules: no torch, no MTEB, no NumPy."""
    seconds, modules = imported(installed, "mteb_hybrid")
    bare, without = imported(installed, "json")
    assert "mteb_hybrid" in modules
    assert foreign(modules - without) == set()
    assert seconds < bare + 0.05


def test_import_of_mteb_costs_little_more_than_without_us(installed: Environment) -> None:
    """`import mteb`, which registers us, loads no package that MTEB does not, and takes at most 1.25 times as long.

    Times are of the CPU, the least of three runs each, taken in turn.
    """
    off, on = zip(
        *((imported(installed, "mteb", MTEB_HYBRID_AUTOLOAD=switch) for switch in "01") for _ in range(3)), strict=True
    )
    added = on[0][1] - off[0][1]
    assert "mteb_hybrid.tasks" in added
    assert foreign(added) == set()
    assert min(seconds for seconds, _ in on) < 1.25 * min(seconds for seconds, _ in off)
