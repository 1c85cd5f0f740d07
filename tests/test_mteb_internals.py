"""The canary: every internal of MTEB that we rely on is listed, is there, and is what we take it for.

The list is `mteb_internals.INTERNALS`. A failure names what has changed, what it is for, where, and what to do.
"""

from __future__ import annotations

import builtins
import importlib
import inspect
import re
import sys
import types
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import mteb
import pytest
from mteb.abstasks.retrieval import AbsTaskRetrieval
from mteb.models.model_meta import ModelMeta, ScoringFunction
from mteb_internals import INTERNALS, Internal
from mteb_uses import FOLDERS, ROOT, uses

import mteb_hybrid.models.char_ngram
from mteb_hybrid.tasks.registry import TASKS

USES = uses()
MISSING = object()
# what only an instance has
EXAMPLES = {
    "AbsTask": lambda: mteb.get_task("NFCorpus"),
    "AbsTaskRetrieval": lambda: mteb.get_task("NFCorpus"),
    "TaskMetadata": lambda: mteb.get_task("NFCorpus").metadata,
    "ModelMeta": ModelMeta.create_empty,
    "PromptType": lambda: mteb.types.PromptType.query,
}


def module_of(name: str, longest: int) -> tuple[Any, list[str]]:
    """The longest part of a dotted name, of at most so many words, that is a module, and the attributes behind it."""
    parts = name.split(".")
    for end in range(longest, 0, -1):
        try:
            importlib.import_module(".".join(parts[:end]))
        except ModuleNotFoundError:
            continue
        return sys.modules[".".join(parts[:end])], parts[end:]  # not what the package has under that name
    return MISSING, parts


def attribute(owner: Any, name: str) -> Any:
    """An attribute of a module, a class or its instances; what is only declared counts as there, as None."""
    found = getattr(owner, name, MISSING)
    if found is not MISSING or not isinstance(owner, type):
        return found
    declared = {field for cls in owner.__mro__ for field in inspect.get_annotations(cls)}
    if name in declared:
        return None
    make = EXAMPLES.get(owner.__name__)
    return getattr(make(), name, MISSING) if make else MISSING


def found(name: str, *, module: bool) -> Any:
    """What a dotted name stands for in the installed MTEB; `MISSING` if it stands for nothing.

    A function and the module that it comes from may have one name: which of them is meant, has to be said.
    """
    words = len(name.split("."))
    for longest in (words,) if module else (words - 1, words):
        one, attributes = module_of(name, longest)
        for step in attributes:
            one = MISSING if one is MISSING else attribute(one, step)
        if one is not MISSING:
            return one
    return MISSING


def is_of(kind: str, one: Any) -> bool:
    """Whether something is of the kind that an entry states; what is only declared, which is None, is a field."""
    if kind == "function":
        return callable(one) and not isinstance(one, type)
    if kind == "field":
        return not callable(one) and not isinstance(one, types.ModuleType)
    return isinstance(one, tuple(getattr(types, name, None) or getattr(builtins, name) for name in kind.split()))


def complaint(internal: Internal) -> str:
    """What is wrong with an internal in the installed MTEB; nothing if it is as we take it."""
    one = found(internal.name, module=internal.kind == "ModuleType")
    if one is MISSING:
        return "" if internal.missing else "is not there"
    if not is_of(internal.kind, one):
        return f"is a {type(one).__name__}, and was a {internal.kind.replace(' ', ' or a ')}"
    parameters = inspect.signature(one).parameters if internal.takes else {}
    unknown = [name for name in internal.takes if name not in parameters]
    return f"takes no {', '.join(unknown)}, but {', '.join(parameters)}" if unknown else ""


def advice(internal: Internal, wrong: str) -> str:
    """The message of a failure."""
    where = ", ".join(sorted(USES.get(internal.name, ()))) or "what comes from MTEB without an annotation"
    return (
        f"mteb {mteb.__version__}: {internal.name} {wrong}.\nWhat it is for: {internal.use} (in {where}).\n"
        f"What to do: {internal.advice} Then correct its entry in tests/mteb_internals.py."
    )


def is_exported(name: str) -> bool:
    """Whether a package of MTEB names this in its ``__all__``."""
    package, _, last = name.rpartition(".")
    if package not in {"mteb", "mteb.abstasks", "mteb.models", "mteb.results", "mteb.types"}:
        return False
    return last in sys.modules[package].__all__


@pytest.mark.parametrize("internal", INTERNALS, ids=lambda internal: internal.name)
def test_is_as_we_take_it(internal: Internal):
    """It is there, of its kind, and takes what we hand it."""
    wrong = complaint(internal)
    assert not wrong, advice(internal, wrong)


class TestList:
    """The list against the source of the package."""

    def test_nothing_is_missing(self):
        """Whatever the source takes of MTEB is exported by MTEB or in the list."""
        listed = {internal.name for internal in INTERNALS}
        packages = {"mteb", "mteb.models"}
        missing = {
            name: where for name, where in USES.items() if not is_exported(name) and name not in listed | packages
        }
        assert not missing, (
            "these are relied on, and not in tests/mteb_internals.py. Add what they are for and what to do if they "
            "change, or use what MTEB exports:\n" + "\n".join(f"{name}: {sorted(missing[name])}" for name in missing)
        )

    def test_nothing_is_stale(self):
        """Whatever the list has is still used; what comes without an annotation is at least named in the source."""
        names = [internal.name for internal in INTERNALS]
        assert len(names) == len(set(names))
        text = "\n".join(path.read_text("utf-8") for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
        for internal in INTERNALS:
            if internal.spelled:
                assert internal.name in USES, f"{internal.name} is not used any more: take it out of the list"
            else:
                last = [part for part in internal.name.split(".") if part != "__init__"][-1]
                assert internal.name not in USES, f"{internal.name} is found in the source: spelled=False is not true"
                assert re.search(rf"\b{last}\b", text), f"{internal.name} is not used any more: take it out of the list"

    def test_imports_are_found(self):
        """Every line that imports something of MTEB at run time, found by a search for text, is among the uses."""
        lines = {
            line.strip()
            for folder in FOLDERS
            for path in (ROOT / folder).rglob("*.py")
            for line in re.sub(r"if TYPE_CHECKING:\n(?:    .*\n|\n)+", "", path.read_text("utf-8")).splitlines()
        }
        imported = [found for line in lines if (found := re.match(r"from (mteb(?:\.\w+)*) import ([\w, ]+)", line))]
        assert len(imported) > 15
        for match in imported:
            for name in match[2].split(","):
                assert f"{match[1]}.{name.split('#')[0].strip()}" in USES


class TestOverrides:
    """What classes of ours put in the place of MTEB's."""

    OURS = (*TASKS, mteb_hybrid.models.char_ngram.CharNgramEncoder)

    def overrides(self) -> dict[tuple[type, str], Any]:
        """Class of ours and name to what MTEB has under that name."""
        pairs = {}
        for cls in {one for leaf in self.OURS for one in leaf.__mro__ if one.__module__.startswith("mteb_hybrid.")}:
            for name in vars(cls):
                inherited = [one for one in cls.__mro__ if one.__module__.startswith("mteb.") and name in vars(one)]
                if inherited and inspect.isfunction(vars(cls)[name]) and name != "__init__":
                    pairs[cls, name] = vars(inherited[0])[name]
        return pairs

    def test_take_what_mteb_hands_them(self):
        """Each takes every parameter of MTEB's own, so that no call that suits MTEB's fails on ours."""
        found = self.overrides()
        assert {name for _, name in found} >= {"_evaluate_subset", "load_data", "unload_data", "encode"}
        for (cls, name), theirs in found.items():
            ours = inspect.signature(vars(cls)[name]).parameters
            if any(one.kind is one.VAR_KEYWORD for one in ours.values()):
                continue
            for parameter in inspect.signature(theirs).parameters.values():
                assert parameter.name in ours, (
                    f"mteb {mteb.__version__}: {theirs.__module__}.{theirs.__qualname__} takes {parameter.name!r}, "
                    f"{cls.__name__}.{name} does not. Take it, and do with it what MTEB does"
                )

    def test_are_listed(self):
        """Those of tasks are in the list, as what they override is what we rely on being called."""
        listed = {internal.name for internal in INTERNALS}
        for cls, name in self.overrides():
            if issubclass(cls, AbsTaskRetrieval):
                assert f"mteb.abstasks.retrieval.AbsTaskRetrieval.{name}" in listed


def test_the_faiss_backend_is_made_as_we_make_it():
    """It looks at nothing of a model but the name of its similarity, and has an index to put ours in the place of."""
    pytest.importorskip("faiss", reason="faiss is not installed")
    from mteb.models.search_encoder_index import FaissSearchIndex

    meta = SimpleNamespace(similarity_fn_name=ScoringFunction.COSINE)
    assert hasattr(FaissSearchIndex(SimpleNamespace(mteb_model_meta=meta)), "index")


class TestTheCanarySings:
    """A changed MTEB fails, with advice."""

    def internal(self, name: str) -> Internal:
        return next(one for one in INTERNALS if one.name == name)

    def test_something_is_gone(self, monkeypatch):
        """A registry that was renamed."""
        monkeypatch.delattr(sys.modules["mteb.get_tasks"], "TASK_LIST")
        one = self.internal("mteb.get_tasks.TASK_LIST")
        assert complaint(one) == "is not there"
        with pytest.raises(
            AssertionError, match=r"(?s)TASK_LIST is not there.*mteb_hybrid\._mteb.*change `_mteb\.add_tasks`"
        ) as told:
            test_is_as_we_take_it(one)
        assert mteb.__version__ in str(told.value)

    def test_something_is_of_another_kind(self, monkeypatch):
        """A registry that became a list."""
        monkeypatch.setattr(sys.modules["mteb.get_tasks"], "_TASKS_REGISTRY", [])
        assert complaint(self.internal("mteb.get_tasks._TASKS_REGISTRY")) == "is a list, and was a dict"

    @pytest.mark.parametrize(
        ("name", "becomes", "wrong"),
        [
            ("mteb.cli.main", "main", "is a str, and was a function"),
            ("mteb.cli.main", dict, "is a type, and was a function"),
            ("mteb.benchmarks.benchmark.Benchmark", lambda: None, "is a function, and was a type"),
            ("mteb.results.TaskResult.task_name", lambda self: "", "is a function, and was a field"),
        ],
    )
    def test_a_function_or_a_field_is_none_any_more(self, monkeypatch, name: str, becomes: Any, wrong: str):
        """A function that became a value or a class, a class that became a function, a field that must be called."""
        owner, _, last = name.rpartition(".")
        monkeypatch.setattr(found(owner, module=owner != "mteb.results.TaskResult"), last, becomes, raising=False)
        assert complaint(self.internal(name)) == wrong

    def test_a_parameter_is_gone(self, monkeypatch):
        """A function that calls the role otherwise."""
        monkeypatch.setattr(
            sys.modules["mteb.models.abs_encoder"], "get_prompt_name", lambda model_prompts, task_metadata, role: None
        )
        wrong = complaint(self.internal("mteb.models.abs_encoder.get_prompt_name"))
        assert wrong == "takes no prompt_type, but model_prompts, task_metadata, role"

    def test_a_module_is_gone(self):
        """A module that moved."""
        assert complaint(Internal("mteb.no_such_module", "", "", "ModuleType")) == "is not there"
        assert complaint(Internal("mteb.no_such_module.attribute", "", "", "field")) == "is not there"

    def test_a_field_is_gone(self):
        """A field of pydantic's, one of a dataclass, and an attribute that only instances have."""
        for known, gone in (
            (
                "mteb.abstasks.task_metadata.TaskMetadata.adapted_from",
                "mteb.abstasks.task_metadata.TaskMetadata.adapted",
            ),
            ("mteb.benchmarks.benchmark.Benchmark.name", "mteb.benchmarks.benchmark.Benchmark.title"),
            ("mteb.abstasks.retrieval.AbsTaskRetrieval._top_k", "mteb.abstasks.retrieval.AbsTaskRetrieval._top"),
        ):
            assert not complaint(Internal(known, "", "", "field"))
            assert complaint(Internal(gone, "", "", "field")) == "is not there"

    def test_a_new_use_is_noticed(self, tmp_path: Path, monkeypatch):
        """Each way of taking something of MTEB's shows up as a use."""
        import mteb_uses

        folder = tmp_path / "mteb_hybrid"
        folder.mkdir()
        (folder / "new.py").write_text(
            "from typing import TYPE_CHECKING\n"
            "import sys\n"
            "if TYPE_CHECKING:\n"
            "    from mteb.abstasks.abstask import AbsTask\n"
            "from mteb.one import Two\n"
            "import mteb.three\n"
            "class Ours(Two):\n"
            "    mine = 1\n"
            "    def method(self, tasks: list[AbsTask]):\n"
            "        self.mine, self.theirs, super().inner()\n"
            "        first = [task.four for task in tasks]\n"
            "        _need(sys.modules['mteb.five'], 'six')\n"
            "        getattr(module('mteb.five'), 'seven', None)\n"
            "        sys.modules['mteb.five'].eight = Two.nine\n"
            "def use(ours: Ours | None, kind: type[AbsTask]):\n"
            "    ours.mine, ours.ten, kind.metadata.eleven\n",
            encoding="utf-8",
        )
        monkeypatch.setattr(mteb_uses, "ROOT", tmp_path)
        assert set(mteb_uses.uses()) == {
            "mteb.one.Two", "mteb.three", "mteb.one.Two.theirs", "mteb.one.Two.inner", "mteb.one.Two.nine",
            "mteb.one.Two.ten", "mteb.abstasks.abstask.AbsTask.four", "mteb.abstasks.abstask.AbsTask.metadata",
            "mteb.abstasks.task_metadata.TaskMetadata.eleven", "mteb.five", "mteb.five.six", "mteb.five.seven",
            "mteb.five.eight",
        }  # fmt: skip
