"""The start-up hook: what a user has who imports nothing of ours, and what a Python pays who never imports MTEB."""

from __future__ import annotations

import json
import os
import re
import statistics
import subprocess
import sys
import warnings
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from task_names import BENCHMARKS, BETA, OURS

from mteb_hybrid import _autoload, plugin

# a start of Python as it would be if mteb_hybrid.pth were not there, everything else being the same
WITHOUT_PTH = """
import site
original = site.addpackage
site.addpackage = lambda folder, name, *rest: None if name == "mteb_hybrid.pth" else original(folder, name, *rest)
site.main()
"""


def python(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the interpreter of the tests, outside of the source tree, as a user's shell would."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("MTEB_HYBRID", "PYTHON"))}
    env |= {"HF_HUB_OFFLINE": "1", "PYTHONIOENCODING": "utf-8", **environment}
    return subprocess.run(
        [sys.executable, *arguments], cwd=cwd, env=env, text=True, encoding="utf-8", capture_output=True, timeout=300
    )


def last_json(done: subprocess.CompletedProcess[str]) -> Any:
    """What a script printed in its last line."""
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


FACTS = """
import contextlib, inspect, io, json, runpy, sys, warnings

def loaded():
    return sorted(name for name in sys.modules if name.split(".")[0] == "mteb_hybrid")

facts = {"at start": loaded()}
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    import mteb
    ours = json.loads(sys.argv[1])
    facts["by name"] = [task.metadata.name for task in mteb.get_tasks(tasks=ours)]
    one = mteb.get_task("MiniQARMonolingual", languages=["deu"])
    facts["one"] = [type(one).__module__, one.hf_subsets]
    facts["by type"] = [task.metadata.name for task in mteb.get_tasks(task_types=["Retrieval"])]
    facts["other type"] = [task.metadata.name for task in mteb.get_tasks(task_types=["Classification"])]
    facts["by language"] = {task.metadata.name: list(task.hf_subsets) for task in mteb.get_tasks(languages=["deu"])}
    for name in ("HybridRetrieval(XQuAD-R)", "XQuAD-R"):
        benchmark = mteb.get_benchmark(name)
        facts[name] = [benchmark.name, [task.metadata.name for task in benchmark.tasks]]
    facts["benchmarks"] = [benchmark.name for benchmark in mteb.get_benchmarks()]
    meta = mteb.get_model_meta("mteb-hybrid/char-ngram")
    facts["model"] = [meta.name, meta.revision, meta.to_dict()["loader"]]
    facts["models"] = [meta.name for meta in mteb.get_model_metas(languages=["deu-Latn"], frameworks=["NumPy"])]
    listed = sys.modules["mteb.get_tasks"].TASK_LIST
    facts["task list"] = [cls.metadata.name for cls in listed]
    facts["evaluate"] = mteb.evaluate is sys.modules["mteb.evaluate"].evaluate
    facts["signature"] = list(inspect.signature(mteb.evaluate).parameters)[:2]
facts["finders"] = [type(finder).__name__ for finder in sys.meta_path]
facts["warnings"] = [str(w.message) for w in caught if "mteb-hybrid" in str(w.message)]
for command in ("available-tasks", "available-benchmarks"):
    sys.argv = ["mteb", command]
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        runpy.run_module("mteb", run_name="__main__", alter_sys=True)
    facts[command] = printed.getvalue()
print()
print(json.dumps(facts))
"""


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What MTEB says in a process that imports nothing of ours."""
    result: dict[str, Any] = last_json(python("-c", FACTS, json.dumps(OURS), cwd=tmp_path_factory.mktemp("elsewhere")))
    return result


class TestMtebKnowsUs:
    """MTEB without any import by the user."""

    def test_tasks_by_name(self, facts: dict[str, Any]) -> None:
        """mteb.get_tasks(tasks=[...]) and mteb.get_task return our tasks, filtered to the asked-for language."""
        assert facts["by name"] == OURS
        assert facts["one"] == ["mteb_hybrid.tasks.miniqa_r", ["de"]]

    def test_tasks_by_type(self, facts: dict[str, Any]) -> None:
        """All but the beta ones are among the Retrieval tasks, each once, beside MTEB's own, and in no other type."""
        assert [name for name in facts["by type"] if name in OURS] == [name for name in OURS if name not in BETA]
        assert "NFCorpus" in facts["by type"]
        assert not set(OURS) & set(facts["other type"])

    def test_tasks_by_language(self, facts: dict[str, Any]) -> None:
        """A language filter keeps the subsets with that language as query or passage language."""
        found = facts["by language"]
        for family in ("MiniQAR", "XQuADR"):
            assert found[f"{family}Monolingual"] == ["de"]
            assert found[f"{family}Multilingual"] == ["de"]
            crossed = found[f"{family}CrossLingual"]
            assert len(crossed) == len(set(crossed)) == 20
            assert all("de" in subset.split("-") for subset in crossed)

    def test_no_task_twice(self, facts: dict[str, Any]) -> None:
        """MTEB's list of tasks has our tasks once and no duplicate names."""
        assert len(facts["task list"]) == len(set(facts["task list"]))
        assert set(OURS) < set(facts["task list"])

    @pytest.mark.parametrize("name", ["HybridRetrieval(XQuAD-R)", "XQuAD-R"])
    def test_benchmark_by_name_and_alias(self, facts: dict[str, Any], name: str) -> None:
        """The benchmark is found by its name and by its alias, with the three settings in order."""
        assert facts[name] == [
            "HybridRetrieval(XQuAD-R)",
            ["XQuADRMonolingual", "XQuADRCrossLingual", "XQuADRMultilingual"],
        ]

    def test_benchmark_is_listed_once(self, facts: dict[str, Any]) -> None:
        """mteb.get_benchmarks() has each of ours once, beside MTEB's own."""
        for name in BENCHMARKS:
            assert facts["benchmarks"].count(name) == 1
        assert len(facts["benchmarks"]) > 50

    def test_model_by_name(self, facts: dict[str, Any]) -> None:
        """The embedded baseline is in the model registry, also for filters."""
        assert facts["model"] == ["mteb-hybrid/char-ngram", "1", "load_char_ngram"]
        assert facts["models"].count("mteb-hybrid/char-ngram") == 1

    def test_command_line(self, facts: dict[str, Any]) -> None:
        """`mteb available-tasks` and `mteb available-benchmarks` list what is ours."""
        for name in OURS:
            assert name in facts["available-tasks"] or name in BETA
        for name in BENCHMARKS:
            assert name in facts["available-benchmarks"]

    def test_evaluate_is_still_mtebs(self, facts: dict[str, Any]) -> None:
        """`mteb.evaluate` is the same function in package and module and keeps its signature."""
        assert facts["evaluate"] is True
        assert facts["signature"] == ["model", "tasks"]

    def test_leaves_no_trace_but_the_registrations(self, facts: dict[str, Any]) -> None:
        """Two small modules at the start; once every registry has been served, the finder is gone; nothing warned."""
        assert facts["at start"] == ["mteb_hybrid", "mteb_hybrid._autoload"]
        assert "RegistryFinder" not in facts["finders"]
        assert facts["warnings"] == []


class TestStartUp:
    """A Python that never imports MTEB."""

    def test_imports_two_files_and_nothing_else(self, tmp_path: Path) -> None:
        """The hook adds `mteb_hybrid` and `mteb_hybrid._autoload` to sys.modules, and no other module."""
        show = "import sys, json; print(json.dumps(sorted(sys.modules)))"
        hooked = set(last_json(python("-c", f"import site\n{show}", cwd=tmp_path)))
        plain = set(last_json(python("-S", "-c", f"{WITHOUT_PTH}\n{show}", cwd=tmp_path)))
        assert hooked - plain == {"mteb_hybrid", "mteb_hybrid._autoload"}

    def test_is_silent(self, tmp_path: Path) -> None:
        """Nothing is printed at the start, not even with all warnings on."""
        done = python("-W", "error", "-c", "pass", cwd=tmp_path)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")

    def test_switched_off_installs_no_finder(self, tmp_path: Path) -> None:
        """MTEB_HYBRID_AUTOLOAD=0 leaves sys.meta_path as it is; without it there is one finder of ours."""
        show = "import sys, json; print(json.dumps([type(finder).__name__ for finder in sys.meta_path]))"
        on = last_json(python("-c", show, cwd=tmp_path))
        off = last_json(python("-c", show, cwd=tmp_path, MTEB_HYBRID_AUTOLOAD="0"))
        assert on.count("RegistryFinder") == 1
        assert [name for name in on if name != "RegistryFinder"] == off

    def test_costs_less_than_a_millisecond(self, tmp_path: Path) -> None:
        """Importing both modules from their .pyc, and installing the finder, takes under 1 ms (median of 41)."""
        script = """
import json, sys, time
took = []
for _ in range(42):
    sys.meta_path[:] = [finder for finder in sys.meta_path if type(finder).__name__ != "RegistryFinder"]
    for name in [name for name in sys.modules if name.split(".")[0] == "mteb_hybrid"]:
        del sys.modules[name]
    start = time.perf_counter()
    import mteb_hybrid._autoload; mteb_hybrid._autoload.install()
    took.append(time.perf_counter() - start)
assert mteb_hybrid._autoload.installed()
print(json.dumps(took[1:]))
"""
        assert statistics.median(last_json(python("-c", script, cwd=tmp_path))) < 1e-3

    def test_importtime_agrees(self, tmp_path: Path) -> None:
        """`python -X importtime`: our two modules together take under 1 ms of a start (the least disturbed of 9)."""
        totals = []
        for _ in range(9):
            lines = python("-X", "importtime", "-c", "pass", cwd=tmp_path).stderr.splitlines()
            rows = [re.fullmatch(r"import time:\s+(\d+) \|\s+\d+ \|\s+(mteb_hybrid\S*)", line) for line in lines]
            own = {row[2]: int(row[1]) for row in rows if row is not None}
            assert set(own) == {"mteb_hybrid", "mteb_hybrid._autoload"}
            totals.append(sum(own.values()))
        assert min(totals) < 1000


class TestSwitch:
    """MTEB_HYBRID_AUTOLOAD."""

    @pytest.fixture(autouse=True)
    def _meta_path(self, monkeypatch: pytest.MonkeyPatch) -> None:
        kept = [finder for finder in sys.meta_path if not isinstance(finder, _autoload.RegistryFinder)]
        monkeypatch.setattr(sys, "meta_path", kept)

    @pytest.mark.parametrize("value", ["0", "false", "No", " OFF "])
    def test_off(self, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
        """Every usual spelling of no switches the hook off."""
        monkeypatch.setenv("MTEB_HYBRID_AUTOLOAD", value)
        assert _autoload.install() is False
        assert not [finder for finder in sys.meta_path if isinstance(finder, _autoload.RegistryFinder)]

    @pytest.mark.parametrize("value", [None, "", "1", "true"])
    def test_on(self, monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
        """Unset, empty or yes: the hook is on, and a second installation adds no second finder."""
        if value is None:
            monkeypatch.delenv("MTEB_HYBRID_AUTOLOAD", raising=False)
        else:
            monkeypatch.setenv("MTEB_HYBRID_AUTOLOAD", value)
        assert _autoload.install() is True
        assert _autoload.install() is True
        assert [type(finder) for finder in sys.meta_path].count(_autoload.RegistryFinder) == 1
        assert isinstance(sys.meta_path[0], _autoload.RegistryFinder)


class Registry:
    """Two importable modules that the finder waits for, and a record of what the plugin heard."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.heard: list[tuple[str, bool]] = []
        self.finder = _autoload.RegistryFinder()
        self.finder.waiting = {"hooked_one", "hooked_two"}
        for name in self.finder.waiting:
            (folder / f"{name}.py").write_text("READY = True\n", encoding="utf-8")
            monkeypatch.delitem(sys.modules, name, raising=False)
        monkeypatch.syspath_prepend(folder)
        monkeypatch.setattr(sys, "meta_path", [self.finder, *sys.meta_path])
        monkeypatch.setattr(sys, "dont_write_bytecode", True)  # a file that is rewritten within its mtime's second
        monkeypatch.setattr(plugin, "module_loaded", self.hear)
        monkeypatch.setattr(_autoload, "_failed", False)

    def hear(self, name: str) -> None:
        self.heard.append((name, getattr(sys.modules[name], "READY", False)))


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    made = Registry(tmp_path, monkeypatch)
    yield made
    for name in ("hooked_one", "hooked_two"):
        sys.modules.pop(name, None)


class TestFinder:
    """The finder on its own."""

    def test_targets_are_what_the_plugin_serves(self) -> None:
        """Every module that is watched has something to register, and the other way round."""
        assert set(_autoload.TARGETS) == set(plugin._ON_LOAD)

    def test_tells_the_plugin_after_the_module_has_run(self, registry: Registry) -> None:
        """The plugin hears of a module once, when it is complete; the finder leaves after the last one."""
        import hooked_one

        assert registry.heard == [("hooked_one", True)]
        assert registry.finder in sys.meta_path
        assert hooked_one.__spec__.origin == str(registry.folder / "hooked_one.py")
        import hooked_two

        assert hooked_two.READY
        assert registry.heard == [("hooked_one", True), ("hooked_two", True)]
        assert registry.finder not in sys.meta_path

    def test_has_no_opinion_on_other_modules(self, registry: Registry) -> None:
        """Any other name is left to the other finders."""
        assert registry.finder.find_spec("json") is None
        assert registry.finder.waiting == {"hooked_one", "hooked_two"}

    def test_bears_strange_neighbours(self, registry: Registry) -> None:
        """Finders without find_spec and finders that know nothing do not stop it; without a spec there is none."""
        sys.meta_path[1:1] = [SimpleNamespace(), SimpleNamespace(find_spec=lambda name, path, target: None)]
        spec = registry.finder.find_spec("hooked_one")
        assert isinstance(spec, ModuleSpec)
        (registry.folder / "hooked_two.py").unlink()
        assert registry.finder.find_spec("hooked_two") is None

    def test_leaves_an_error_of_the_module_alone(self, registry: Registry) -> None:
        """A module that fails on its own fails as without us, and the plugin is not told."""
        (registry.folder / "hooked_one.py").write_text("raise KeyError('theirs')\n", encoding="utf-8")
        with pytest.raises(KeyError, match="theirs"):
            __import__("hooked_one")
        assert registry.heard == []

    def test_serves_the_second_attempt_after_a_failed_import(self, registry: Registry) -> None:
        """An import that was interrupted (Ctrl-C in a notebook) and done again registers us all the same."""
        good = (registry.folder / "hooked_one.py").read_text(encoding="utf-8")
        (registry.folder / "hooked_one.py").write_text("raise KeyboardInterrupt\n", encoding="utf-8")
        with pytest.raises(KeyboardInterrupt):
            __import__("hooked_one")
        (registry.folder / "hooked_one.py").write_text(good, encoding="utf-8")
        assert isinstance(__import__("hooked_one"), ModuleType)
        assert registry.heard == [("hooked_one", True)]

    def test_failures_of_ours_become_one_warning(self, registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
        """Whatever the plugin raises, both imports succeed and there is one RuntimeWarning with cause and cure."""

        def fail(name: str) -> None:
            raise LookupError(f"no idea about {name}")

        monkeypatch.setattr(plugin, "module_loaded", fail)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            assert __import__("hooked_one").READY
            assert __import__("hooked_two").READY
        (warning,) = caught
        assert warning.category is RuntimeWarning
        assert "LookupError: no idea about hooked_one" in str(warning.message)
        assert "pip install -U mteb-hybrid mteb" in str(warning.message)
        assert "MTEB_HYBRID_AUTOLOAD=0" in str(warning.message)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["tasks", "tasks.base", "tasks.registry", "tasks.benchmarks", "models.char_ngram", "_mteb"]
)
def test_ours_imported_before_mteb(name: str, tmp_path: Path) -> None:
    """Whichever of our modules comes first, MTEB knows our tasks afterwards and nothing is warned about."""
    script = (
        "import warnings\nwarnings.simplefilter('error', RuntimeWarning)\n"
        f"import mteb_hybrid.{name}\nimport mteb, json\n"
        "print(json.dumps([task.metadata.name for task in mteb.get_tasks(tasks=['MiniQARMonolingual'])]))"
    )
    assert last_json(python("-c", script, cwd=tmp_path)) == ["MiniQARMonolingual"]
