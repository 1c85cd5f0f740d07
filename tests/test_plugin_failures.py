"""Whatever fails when we register, MTEB goes on with one warning; see fresh_mteb.py."""

from __future__ import annotations

import pytest
from fresh_mteb import FreshMteb
from task_names import OURS

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
