"""Another package patches MTEB too, before us or after us: both work, or one warning says why not; MTEB goes on.

Each scenario runs as if in a Python that has just started, see test_plugin.py.
"""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from task_names import OURS, XQUAD_R
from test_plugin import SERVER, FreshMteb, environment

# what neighbours do, and what is asked of both afterwards
NEIGHBOUR = '''
import functools, sys, tempfile, types, warnings
from pathlib import Path

calls = []

def wrap(original, *, politely):
    """A neighbour's function in the place of another."""
    def theirs(*args, **kwargs):
        calls.append("theirs")
        return original(*args, **kwargs)
    return functools.wraps(original)(theirs) if politely else theirs

def patch_evaluate(where, *, politely):
    """As packages do it: in the package, in the module, or in both."""
    import mteb
    module = sys.modules["mteb.evaluate"]
    theirs = wrap(mteb.evaluate, politely=politely)
    if where != "module":
        mteb.evaluate = theirs
    if where != "package":
        module.evaluate = theirs

def listen():
    """Note when a run of ours begins."""
    from mteb_hybrid.tasks import stale
    original = stale.prepare
    def prepare(*args, **options):
        calls.append("ours")
        return original(*args, **options)
    stale.prepare = prepare

def evaluate():
    """Scores of a real run through the package's door, the files that it left, and who was in it."""
    import mteb
    listen()
    calls.clear()
    with tempfile.TemporaryDirectory() as folder:
        done = mteb.evaluate(
            mteb.get_model("mteb-hybrid/char-ngram"), mteb.get_task("MiniQARMonolingual", languages=["deu"]),
            cache=mteb.ResultCache(folder), prediction_folder=Path(folder) / "predictions",
            show_progress_bar=False, co2_tracker=False,
        )
        files = [path.name for path in Path(folder).rglob("*") if path.suffix in (".json", ".parquet")]
    (task,) = done.task_results
    return {"map": task.scores["test"][0]["map"], "files": sorted(set(files)), "calls": sorted(set(calls))}

def a_model():
    """A folder that is a model to us alone."""
    folder = Path(tempfile.mkdtemp()) / "mine"
    folder.mkdir()
    (folder / "modules.json").write_text("[]")
    return str(folder)
'''
FILES = ["MiniQARMonolingual.json", "model_meta.json", "test.de.parquet"]


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory):
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


@pytest.fixture(scope="module")
def alone(fresh: FreshMteb) -> float:
    """The score without a neighbour."""
    result, found = fresh.run(f"{NEIGHBOUR}\nimport mteb\nresult = evaluate()")
    assert found == []
    assert (result["files"], result["calls"]) == (FILES, ["ours"])
    return result["map"]


class TestEvaluate:
    """A neighbour with a wrapper of its own around mteb.evaluate."""

    @pytest.mark.parametrize(
        ("where", "politely"),
        [
            pytest.param("package", False, id="in the package"),
            pytest.param("package", True, id="in the package, with functools.wraps", marks=pytest.mark.slow),
            pytest.param("both", False, id="in both", marks=pytest.mark.slow),
            pytest.param("both", True, id="in both, with functools.wraps", marks=pytest.mark.slow),
        ],
    )
    @pytest.mark.parametrize("order", ["before us", "after us", "after us, and we again"])
    def test_both_run(self, fresh: FreshMteb, alone: float, where: str, politely: bool, order: str) -> None:
        """In whatever order: their function and ours are called, and the scores are the same."""
        patch = f"patch_evaluate({where!r}, politely={politely})"
        ours = "import mteb_hybrid; mteb_hybrid.register()"
        steps = {
            "before us": ["import mteb", patch, ours],
            "after us": ["import mteb", patch],
            "after us, and we again": ["import mteb", patch, ours, ours],
        }[order]
        code = "\n".join([NEIGHBOUR, *steps, "result = [evaluate(), works()]"])
        (result, works), found = fresh.run(code, autoload=order != "before us")
        assert result == {"map": alone, "files": FILES, "calls": ["ours", "theirs"]}
        assert works is True
        assert found == []

    @pytest.mark.slow
    @pytest.mark.parametrize("politely", [True, False], ids=["with functools.wraps", "without"])
    def test_in_the_module_alone(self, fresh: FreshMteb, alone: float, politely: bool) -> None:
        """Theirs is behind another door than the package's: through that one, ours runs as ever."""
        code = f"{NEIGHBOUR}\nimport mteb\npatch_evaluate('module', politely={politely})\nresult = evaluate()"
        assert fresh.run(code) == ({"map": alone, "files": FILES, "calls": ["ours"]}, [])

    def test_without_a_cache(self, fresh: FreshMteb) -> None:
        """Nobody names a cache, and theirs hides that MTEB has a default: the run is MTEB's with that default."""
        code = f"""{NEIGHBOUR}
import os, mteb
os.environ["MTEB_CACHE"] = tempfile.mkdtemp()
patch_evaluate("both", politely=False)
import mteb_hybrid
mteb_hybrid.register()
from mteb_hybrid import _mteb
seen = []
default = _mteb.default_cache
def noted(evaluate):
    seen.append(type(default(evaluate)).__name__)
    return None  # nothing of the user's own cache is touched by a test
_mteb.default_cache = noted
done = mteb.evaluate(
    mteb.get_model("mteb-hybrid/char-ngram"), mteb.get_task("MiniQARMonolingual", languages=["deu"]),
    overwrite_strategy="always", show_progress_bar=False, co2_tracker=False,
)
result = [len(done.task_results), seen, calls]
"""
        (count, seen, calls), found = fresh.run(code, autoload=False)
        assert count == 1
        assert seen == ["ResultCache"]
        assert calls == ["theirs"]
        assert found == []

    def test_their_error_is_theirs(self, fresh: FreshMteb) -> None:
        """What their function raises comes out as it is, and the next run is none the worse."""
        code = f"""{NEIGHBOUR}
import mteb
original = mteb.evaluate
def theirs(*args, **kwargs):
    raise LookupError("theirs")
mteb.evaluate = theirs
import mteb_hybrid
mteb_hybrid.register()
try:
    evaluate()
except LookupError as error:
    said = str(error)
mteb.evaluate = original
result = [said, evaluate()["files"]]
"""
        assert fresh.run(code) == (["theirs", FILES], [])


FROM_HUB = {
    "a class method": "classmethod(lambda cls, model, revision=None, **kwargs: theirs(model))",
    "a static method": "staticmethod(lambda model, revision=None, **kwargs: theirs(model))",
    "a function": "lambda model, revision=None, **kwargs: theirs(model)",
    "a callable": "functools.partial(lambda model, revision=None, **kwargs: theirs(model))",
}


class TestFromHub:
    """A neighbour that answers ModelMeta.from_hub."""

    @pytest.mark.parametrize("kind", FROM_HUB)
    def test_before_us(self, fresh: FreshMteb, kind: str) -> None:
        """Local directories are ours, all other names come to them, whatever they put there."""
        code = f"""{NEIGHBOUR}
import mteb
from mteb.models import ModelMeta
def theirs(model):
    return ["theirs", model]
ModelMeta.from_hub = {FROM_HUB[kind]}
import mteb_hybrid
mteb_hybrid.register()
mteb_hybrid.register()
result = [ModelMeta.from_hub(a_model()).name, ModelMeta.from_hub("some/name"), works()]
"""
        assert fresh.run(code, autoload=False) == (["local/mine", ["theirs", "some/name"], True], [])

    @pytest.mark.parametrize("politely", [True, False], ids=["with functools.wraps", "without"])
    def test_after_us(self, fresh: FreshMteb, politely: bool) -> None:
        """A wrapper around ours asks us for what it does not know, also when we register once more."""
        code = f"""{NEIGHBOUR}
import mteb
from mteb.models import ModelMeta
original = ModelMeta.from_hub.__func__
def theirs(cls, model, *args, **kwargs):
    return "theirs" if model == "some/name" else original(cls, model, *args, **kwargs)
ModelMeta.from_hub = classmethod(functools.wraps(original)(theirs) if {politely} else theirs)
import mteb_hybrid
mteb_hybrid.register()
result = [ModelMeta.from_hub(a_model()).name, ModelMeta.from_hub("some/name"), works()]
"""
        assert fresh.run(code) == (["local/mine", "theirs", True], [])


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
