"""Registration with MTEB: by hand, against MTEB's wishes, and when either side is broken.

Each scenario needs an MTEB that has not been imported yet, which costs seconds. So one helper process imports MTEB and
all that it needs, and forks a child for each scenario; the child forgets MTEB (but for the classes of its tasks) and
this package, does what mteb_hybrid.pth does at a start of Python, and runs the scenario.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from task_names import BENCHMARKS, OURS, XQUAD_R

SERVER = '''
import json, os, sys, traceback, warnings

channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
os.dup2(2, 1)  # whatever MTEB prints is no answer
import mteb, mteb.benchmarks.benchmarks, mteb.models.model_implementations

HELPERS = """
import sys, types
OURS = %r

def state():
    import mteb
    registries = sys.modules["mteb.get_tasks"]
    from mteb.models.model_implementations import MODEL_REGISTRY
    return {
        "tasks": [name for name in registries._TASKS_REGISTRY if name in OURS],
        "list": [cls.metadata.name for cls in registries.TASK_LIST if cls.metadata.name in OURS],
        "similar": registries._SIMILAR_TASKS.get("XQuADRetrieval", []),
        "model": "mteb-hybrid/char-ngram" in MODEL_REGISTRY,
        "benchmark": [b.name for b in mteb.get_benchmarks()].count("HybridRetrieval(XQuAD-R)"),
        "from_hub": hasattr(mteb.models.ModelMeta.from_hub.__func__, "_mteb_hybrid"),
        "evaluate": hasattr(sys.modules["mteb.evaluate"].evaluate, "_mteb_hybrid"),
        "same evaluate": mteb.evaluate is sys.modules["mteb.evaluate"].evaluate,
        "finders": [type(f).__name__ for f in sys.meta_path].count("RegistryFinder"),
    }

def works():
    import mteb
    assert mteb.get_task("NFCorpus").metadata.type == "Retrieval"
    assert "NFCorpus" in [t.metadata.name for t in mteb.get_tasks(task_types=["Retrieval"], languages=["eng"])]
    assert len(mteb.get_benchmark("MTEB(eng, v2)").tasks) == 41
    assert mteb.get_model_meta("intfloat/multilingual-e5-small").embed_dim == 384
    return True

def missing_in_mteb(module, owner, attribute):
    # MTEB as if a later version had renamed the attribute: it is not there while the plugin looks for it
    from mteb_hybrid import plugin
    original = plugin.module_loaded
    def module_loaded(name):
        if name != module:
            return original(name)
        holder = sys.modules[module]
        for step in owner:
            holder = getattr(holder, step)
        kept = holder.__dict__[attribute]
        delattr(holder, attribute)
        try:
            original(name)
        finally:
            setattr(holder, attribute, kept)
    plugin.module_loaded = module_loaded
""" % (json.loads(sys.argv[1]),)

# two thirds of the time that an import of MTEB takes, and nothing that the plugin looks at
KEPT = ("mteb.tasks", "mteb.abstasks", "mteb.types", "mteb._")

def child(request):
    for name in [n for n in sys.modules if n.split(".")[0] in {"mteb", "mteb_hybrid"} and not n.startswith(KEPT)]:
        del sys.modules[name]
    os.environ["MTEB_HYBRID_AUTOLOAD"] = request["autoload"]
    scope = {"result": None}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            import mteb_hybrid._autoload
            mteb_hybrid._autoload.install()
            exec(HELPERS, scope)
            exec(request["code"], scope)
            answer = {"result": scope["result"], "error": None}
        except BaseException:
            answer = {"result": None, "error": traceback.format_exc()}
    answer["warnings"] = [[w.category.__name__, str(w.message)] for w in caught if "mteb-hybrid" in str(w.message)]
    return answer

print("ready", file=channel, flush=True)
for line in sys.stdin:
    pid = os.fork()
    if pid == 0:
        print(json.dumps(child(json.loads(line))), file=channel, flush=True)
        os._exit(0)
    os.waitpid(pid, 0)
'''


class FreshMteb:
    """Runs scenarios, each as if in a Python that has just started."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def ask(self, code: str, *, autoload: bool) -> dict[str, Any]:
        """The answer of a scenario: ``result`` as it set it, its ``error`` and our ``warnings``."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps({"code": code, "autoload": "1" if autoload else "0"}) + "\n")
        self.process.stdin.flush()
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answer

    def run(self, code: str, *, autoload: bool = True) -> tuple[Any, list[list[str]]]:
        """Result and warnings of a scenario that must not raise."""
        answer = self.ask(code, autoload=autoload)
        assert answer["error"] is None, answer["error"]
        return answer["result"], answer["warnings"]


def environment(**more: str) -> dict[str, str]:
    """The tests' environment without our settings, and offline."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MTEB_HYBRID", "PYTHON"))}
    return kept | {"HF_HUB_OFFLINE": "1", "PYTHONIOENCODING": "utf-8", **more}


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory):
    if not hasattr(os, "fork"):
        pytest.skip("needs os.fork")
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", SERVER, json.dumps(OURS)],
        cwd=tmp_path_factory.mktemp("elsewhere"),
        env=environment(MTEB_HYBRID_AUTOLOAD="0"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield FreshMteb(process)
        assert process.stdin is not None
        process.stdin.close()


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


BREAK = {
    "no TASKS in our tasks": (
        "sys.modules['mteb_hybrid.tasks.registry'] = types.ModuleType('mteb_hybrid.tasks.registry')",
        "ImportError: cannot import name 'TASKS'",
    ),
    "our plugin cannot be imported": (
        "sys.modules['mteb_hybrid.plugin'] = None",
        "ModuleNotFoundError: import of mteb_hybrid.plugin halted",
    ),
    "module_loaded raises": (
        """
from mteb_hybrid import plugin
def module_loaded(name):
    raise ZeroDivisionError("something of ours")
plugin.module_loaded = module_loaded
""",
        "ZeroDivisionError: something of ours",
    ),
    "no _TASKS_REGISTRY": (
        "missing_in_mteb('mteb.get_tasks', [], '_TASKS_REGISTRY')",
        "RegistrationError: mteb.get_tasks._TASKS_REGISTRY is not there in mteb ",
    ),
    "no TASK_LIST": (
        "missing_in_mteb('mteb.get_tasks', [], 'TASK_LIST')",
        "RegistrationError: mteb.get_tasks.TASK_LIST is not there in mteb ",
    ),
    "no MODEL_REGISTRY": (
        "missing_in_mteb('mteb.models.model_implementations', [], 'MODEL_REGISTRY')",
        "RegistrationError: mteb.models.model_implementations.MODEL_REGISTRY is not there in mteb ",
    ),
    "no from_hub": (
        "missing_in_mteb('mteb.models.model_meta', ['ModelMeta'], 'from_hub')",
        "RegistrationError: ModelMeta.from_hub is not there in mteb ",
    ),
    "no evaluate": (
        "missing_in_mteb('mteb.evaluate', [], 'evaluate')",
        "RegistrationError: mteb.evaluate.evaluate is not there in mteb ",
    ),
}


class TestFailures:
    """Whatever fails in us, MTEB goes on."""

    @pytest.mark.parametrize("case", BREAK)
    def test_one_warning_and_mteb_works(self, fresh: FreshMteb, case: str) -> None:
        """MTEB imports and works, and exactly one RuntimeWarning names the cause and the cure."""
        code, cause = BREAK[case]
        result, found = fresh.run(f"{code}\nimport mteb\nmteb.get_benchmarks()\nresult = works()")
        assert result is True
        assert [category for category, _ in found] == ["RuntimeWarning"]
        message = found[0][1]
        assert cause in message
        assert "pip install -U mteb-hybrid mteb" in message
        assert "MTEB_HYBRID_AUTOLOAD=0" in message

    def test_foreign_task_in_mteb_switches_all_of_us_off(self, fresh: FreshMteb) -> None:
        """MTEB has a task of our name: it stays, and neither task nor benchmark of ours is added after that.

        The benchmark would run our task, whose cached results are filed under the foreign task's name.
        """
        code = """
from mteb_hybrid import plugin
original = plugin.module_loaded
def module_loaded(name):
    if name == "mteb.get_tasks":
        registry = sys.modules[name]._TASKS_REGISTRY
        registry[OURS[-1]] = registry["NFCorpus"]
    original(name)
plugin.module_loaded = module_loaded
import mteb
mteb.get_benchmarks()
after = state()
result = [after["tasks"], after["list"], after["benchmark"]]
"""
        result, found = fresh.run(code)
        assert [category for category, _ in found] == ["RuntimeWarning"]
        assert "a task MIRACLMultilingualHardNegatives exists already" in found[0][1]
        assert "switched off in this process" in found[0][1]
        assert result == [[OURS[-1]], [], 0]

    def test_interrupted_import_of_mteb(self, fresh: FreshMteb) -> None:
        """Ctrl-C during `import mteb` in a notebook, then `import mteb` again: MTEB knows our tasks."""
        code = """
class Interrupt:
    done = False
    def find_spec(self, name, path=None, target=None):
        if name == "mteb.tasks" and not self.done:
            self.done = True
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupt())
del sys.modules["mteb.tasks"]  # imported by mteb.get_tasks, and most of the time that it takes
try:
    import mteb
except KeyboardInterrupt:
    pass
else:
    raise AssertionError("nothing was interrupted")
import mteb
result = [name for name in OURS if name in sys.modules["mteb.get_tasks"]._TASKS_REGISTRY]
"""
        assert fresh.run(code) == (OURS, [])

    def test_info_names_the_trouble(self, fresh: FreshMteb) -> None:
        """`mteb-hybrid info` shows the cause and ends with exit code 1 when registration failed."""
        code = """
sys.modules["mteb_hybrid.tasks.registry"] = types.ModuleType("mteb_hybrid.tasks.registry")
from typer.testing import CliRunner
from mteb_hybrid.cli import app
done = CliRunner().invoke(app, ["info"])
result = [done.exit_code, " ".join(done.output.split())]
"""
        (status, output), _ = fresh.run(code)
        assert status == 1
        assert "registered tasks: none" in output
        assert "trouble:" in output
        assert "cannot import name 'TASKS'" in output


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
