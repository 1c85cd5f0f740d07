"""Registration with MTEB: by hand, against MTEB's wishes, and what stays as it is; see fresh_mteb.py."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from fresh_mteb import FreshMteb, environment
from task_names import BENCHMARKS, OURS, XQUAD_R

REGISTERED = {
    "tasks": OURS,
    "list": OURS,
    "similar": XQUAD_R,
    "model": True,
    "benchmark": 1,
    "from_hub": True,
    "evaluate": True,
    "same evaluate": True,
    "finders": 0,
}
NOTHING = {
    "tasks": [],
    "list": [],
    "similar": [],
    "model": False,
    "benchmark": 0,
    "from_hub": False,
    "evaluate": False,
    "same evaluate": True,
    "finders": 0,
}


class TestSwitchedOff:
    """MTEB_HYBRID_AUTOLOAD=0, and registration by hand."""

    def test_automatic_registration_is_what_the_other_tests_compare_with(self, fresh: FreshMteb) -> None:
        """With the hook, everything is registered once and without a warning."""
        assert fresh.run("import mteb; result = [state(), works()]") == ([REGISTERED, True], [])

    def test_off_is_off(self, fresh: FreshMteb) -> None:
        """With the hook off MTEB knows nothing of ours."""
        assert fresh.run("import mteb; result = [state(), works()]", autoload=False) == ([NOTHING, True], [])

    @pytest.mark.parametrize(
        "code",
        [
            "import mteb_hybrid; mteb_hybrid.register(); import mteb",
            "import mteb; import mteb_hybrid; mteb_hybrid.register()",
            "import mteb; mteb.get_benchmark('MTEB(eng, v2)'); import mteb_hybrid; mteb_hybrid.register()",
        ],
        ids=["before-mteb", "after-mteb", "after-a-benchmark-was-looked-up"],
    )
    def test_register_by_hand(self, fresh: FreshMteb, code: str) -> None:
        """register() does what the hook does, whenever it is called."""
        assert fresh.run(f"{code}\nresult = state()", autoload=False) == (REGISTERED, [])

    @pytest.mark.parametrize("autoload", [False, True])
    def test_register_is_idempotent(self, fresh: FreshMteb, autoload: bool) -> None:
        """Calling it again, also after the hook, adds nothing, wraps nothing twice and leaves no finder."""
        code = """
import mteb_hybrid
mteb_hybrid.register()
import mteb
classes = [sys.modules["mteb.get_tasks"]._TASKS_REGISTRY[name] for name in OURS]
functions = [mteb.evaluate, mteb.models.ModelMeta.from_hub.__func__]
size = len(sys.modules["mteb.get_tasks"].TASK_LIST)
mteb_hybrid.register()
mteb_hybrid.register()
same = classes == [sys.modules["mteb.get_tasks"]._TASKS_REGISTRY[name] for name in OURS]
same_functions = functions == [mteb.evaluate, mteb.models.ModelMeta.from_hub.__func__]
result = [state(), same, same_functions, size == len(sys.modules["mteb.get_tasks"].TASK_LIST)]
"""
        assert fresh.run(code, autoload=autoload) == ([REGISTERED, True, True, True], [])

    def test_register_takes_the_waiting_finder_away(self, fresh: FreshMteb) -> None:
        """With the hook on and MTEB not yet imported, register() is enough and the finder does not stay."""
        assert fresh.run("import mteb_hybrid; mteb_hybrid.register(); result = state()") == (REGISTERED, [])

    def test_refuses_a_foreign_task_of_our_name(self, fresh: FreshMteb) -> None:
        """A foreign task of one of our names: RegistrationError that names both, and not one thing is registered."""
        code = """
import mteb
name = OURS[-1]
class Foreign(sys.modules["mteb.get_tasks"]._TASKS_REGISTRY["NFCorpus"]):
    pass
registry = sys.modules["mteb.get_tasks"]._TASKS_REGISTRY
registry[name] = Foreign
import mteb_hybrid
from mteb_hybrid.errors import RegistrationError
messages = []
for _ in range(2):
    try:
        mteb_hybrid.register()
    except RegistrationError as error:
        messages.append(str(error))
kept = registry.pop(name) is Foreign
result = [messages, kept, state()]
"""
        (messages, kept, after), _ = fresh.run(code, autoload=False)
        assert len(messages) == 2
        assert all(OURS[-1] in message and "Foreign" in message for message in messages)
        assert kept is True
        assert after == NOTHING


class TestMtebIsUnchanged:
    """What is MTEB's stays as it is."""

    @pytest.mark.parametrize("what", ["a name", "a directory"])
    def test_models_that_are_not_ours(self, fresh: FreshMteb, what: str, tmp_path: Path) -> None:
        """A name, or a directory that is no model, ends as it does in MTEB without us."""
        name = "nobody/nothing" if what == "a name" else str(tmp_path)
        code = f"""
import mteb
try:
    meta = mteb.get_model_meta({name!r}, fetch_from_hf=True)
    result = ["meta", str(meta)]
except Exception as error:
    result = [type(error).__name__, str(error)]
"""
        with_us, found = fresh.run(code)
        without, _ = fresh.run(code, autoload=False)
        assert with_us == without
        assert found == []

    @pytest.mark.slow
    def test_benchmarks_have_the_same_tasks(self, tmp_path: Path) -> None:
        """Every benchmark of MTEB has the same tasks, subsets and splits with the plugin as without; ours is added."""
        script = """
import json, mteb
listed = {
    benchmark.name: [[task.metadata.name, list(task.hf_subsets), list(task.eval_splits)] for task in benchmark.tasks]
    for benchmark in mteb.get_benchmarks()
}
print()
print(json.dumps(listed))
"""
        found = []
        for switch in ("1", "0"):
            done = subprocess.run(
                [sys.executable, "-W", "ignore", "-c", script],
                cwd=tmp_path,
                env=environment(MTEB_HYBRID_AUTOLOAD=switch),
                text=True,
                encoding="utf-8",
                capture_output=True,
                timeout=300,
            )
            assert done.returncode == 0, done.stderr
            found.append(json.loads(done.stdout.splitlines()[-1]))
        with_us, without = found
        assert len(without) > 50
        for benchmark, tasks in BENCHMARKS.items():
            assert benchmark not in without
            assert [name for name, *_ in with_us.pop(benchmark)] == tasks
        assert with_us == without
