"""Another package puts other registries in the place of MTEB's, or waits for the same modules; see fresh_mteb.py."""

from __future__ import annotations

import pytest
from fresh_mteb import FreshMteb
from task_names import OURS, XQUAD_R


class TestRegistries:
    """A neighbour that puts other containers in the place of MTEB's registries, or tasks into them."""

    def test_copies_before_us(self, fresh: FreshMteb) -> None:
        """A dict and a list of their own: ours are in them, they stay of their kind, and both can go on adding."""
        code = """
import mteb
registries = sys.modules["mteb.get_tasks"]
registries._TASKS_REGISTRY = dict(registries._TASKS_REGISTRY)
registries.TASK_LIST = list(registries.TASK_LIST)
import mteb_hybrid
mteb_hybrid.register()
registries.TASK_LIST.append(registries._TASKS_REGISTRY["NFCorpus"])
after = state()
result = [after["tasks"], after["list"], works()]
"""
        assert fresh.run(code, autoload=False) == ([OURS, OURS, True], [])

    def test_copies_after_us(self, fresh: FreshMteb) -> None:
        """MTEB looks into their copy, which has ours; registering once more finds them there."""
        code = """
import mteb
registries = sys.modules["mteb.get_tasks"]
registries._TASKS_REGISTRY = {**registries._TASKS_REGISTRY, "Another": registries._TASKS_REGISTRY["NFCorpus"]}
import mteb_hybrid
mteb_hybrid.register()
after = state()
result = [after["tasks"], after["list"], [mteb.get_task(name).metadata.name for name in OURS], works()]
"""
        assert fresh.run(code) == ([OURS, OURS, OURS, True], [])

    def test_a_registry_that_takes_nothing(self, fresh: FreshMteb) -> None:
        """One warning that says what is in the way; MTEB works, and has none of our tasks."""
        code = """
from mteb_hybrid import plugin
original = plugin.module_loaded
def module_loaded(name):
    if name == "mteb.get_tasks":
        sys.modules[name]._TASKS_REGISTRY = types.MappingProxyType(sys.modules[name]._TASKS_REGISTRY)
    original(name)
plugin.module_loaded = module_loaded
import mteb
mteb.get_benchmarks()
result = [state()["tasks"], state()["list"], works()]
"""
        result, found = fresh.run(code)
        assert result == [[], [], True]
        ((category, message),) = found
        assert category == "RuntimeWarning"
        assert "_TASKS_REGISTRY is a mappingproxy, which takes no tasks: another package has put it there" in message

    def test_a_task_of_our_name_after_us(self, fresh: FreshMteb) -> None:
        """Theirs is what MTEB gives out; registering once more says who it is, and takes nothing from anybody."""
        code = """
import mteb
name = OURS[0]
registry = sys.modules["mteb.get_tasks"]._TASKS_REGISTRY
class Foreign(registry["NFCorpus"]):
    pass
registry[name] = Foreign
import mteb_hybrid
from mteb_hybrid.errors import RegistrationError
try:
    mteb_hybrid.register()
except RegistrationError as error:
    said = str(error)
result = [said, registry[name] is Foreign, [one for one in OURS if one in registry] == OURS, works()]
"""
        (said, *rest), found = fresh.run(code)
        assert OURS[0] in said
        assert "Foreign" in said
        assert rest == [True, True, True]
        assert found == []

    def test_they_import_mteb_anew(self, fresh: FreshMteb) -> None:
        """After importlib.reload the registry is MTEB's own; register() puts ours back, and nothing is there twice."""
        code = """
import importlib, mteb
importlib.reload(sys.modules["mteb.get_tasks"])
before = state()["tasks"]
import mteb_hybrid
mteb_hybrid.register()
after = state()
result = [before, after["tasks"], after["list"], after["similar"]]
"""
        assert fresh.run(code) == ([[], OURS, OURS, XQUAD_R], [])


HOOK = """
import importlib.abc, importlib.machinery

class Theirs(importlib.abc.MetaPathFinder):
    # a hook on imports, as of packages that patch when a module is loaded
    def __init__(self):
        self.busy, self.seen = set(), []

    def find_spec(self, name, path=None, target=None):
        if not name.startswith("mteb.") or name in self.busy:
            return None
        self.busy.add(name)
        try:
            spec = importlib.util.find_spec(name)
        finally:
            self.busy.discard(name)
        if spec is not None and spec.loader is not None:
            spec.loader = LOADER(spec.loader, self.seen)
        return spec

class Proxy(importlib.abc.Loader):
    def __init__(self, loader, seen):
        self.loader, self.seen = loader, seen

    def create_module(self, spec):
        return self.loader.create_module(spec)

    def exec_module(self, module):
        self.loader.exec_module(module)
        self.seen.append(module.__name__)

class Closed(Proxy):
    # no attribute of it can be set from outside
    def __setattr__(self, name, value):
        if name not in ("loader", "seen"):
            raise AttributeError(f"{name} is not yours")
        super().__setattr__(name, value)

import importlib.util
"""


class TestImportHooks:
    """A neighbour that waits for the same modules."""

    @pytest.mark.parametrize("place", ["0", "1", "len(sys.meta_path)"], ids=["before us", "after us", "last"])
    def test_both_hear(self, fresh: FreshMteb, place: str) -> None:
        """Their hook sees every module, and ours registers everything, whoever is asked first."""
        code = f"""{HOOK}
LOADER, theirs = Proxy, Theirs()
sys.meta_path.insert({place}, theirs)
import mteb
mteb.get_benchmarks()
after = state()
last = {place!r}.startswith("len")  # the finder of files comes first, and theirs is never asked
result = [after["tasks"], after["benchmark"], after["evaluate"], "mteb.evaluate" in theirs.seen or last, works()]
"""
        assert fresh.run(code) == ([OURS, 1, True, True, True], [])

    def test_a_loader_that_takes_no_orders(self, fresh: FreshMteb) -> None:
        """We cannot hear through it: one warning, and MTEB is imported as without us."""
        code = f"""{HOOK}
LOADER, theirs = Closed, Theirs()
sys.meta_path.insert(1, theirs)
import mteb
mteb.get_benchmarks()
result = [state()["tasks"], state()["finders"], works()]
"""
        result, found = fresh.run(code)
        assert result == [[], 0, True]
        ((category, message),) = found
        assert category == "RuntimeWarning"
        assert "exec_module is not yours" in message
        assert "MTEB itself is not affected" in message
