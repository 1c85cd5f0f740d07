"""The start-up hook: what a user has who imports nothing of ours, and what it costs."""

from __future__ import annotations

import json
import os
import re
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from task_names import BENCHMARKS, BETA, OURS

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
