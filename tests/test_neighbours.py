"""Another package wraps what MTEB runs, before us or after us: both work; see fresh_mteb.py."""

from __future__ import annotations

import pytest
from fresh_mteb import FreshMteb

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
