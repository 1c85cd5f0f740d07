"""The exceptions of the package: each one is raised, documented, and what its name in the overview says."""

from __future__ import annotations

import ast
import inspect
import re
from importlib.util import find_spec
from pathlib import Path

import pytest

from mteb_hybrid import errors
from mteb_hybrid.errors import MtebHybridError

# found without importing them
SPECS = [find_spec(name) for name in ("mteb_hybrid", "mteb_hybrid.tasks", "mteb_hybrid.trainers")]
FOLDERS = [Path(spec.origin).parent for spec in SPECS if spec and spec.origin]
FILES = sorted({path.resolve() for folder in FOLDERS for path in folder.rglob("*.py")})
TREES = [ast.parse(path.read_text(encoding="utf-8")) for path in FILES]
OURS = {
    name: kind
    for name, kind in vars(errors).items()
    if inspect.isclass(kind) and issubclass(kind, MtebHybridError) and kind is not MtebHybridError
}


def names_called(node: ast.AST) -> set[str]:
    return {one.func.id for one in ast.walk(node) if isinstance(one, ast.Call) and isinstance(one.func, ast.Name)}


def names_in(node: ast.AST) -> set[str]:
    return {one.id for one in ast.walk(node) if isinstance(one, ast.Name)}


def raised() -> set[str]:
    """What some ``raise`` makes, or a function that makes the error for it."""
    made: set[str] = set()
    for tree in TREES:
        makers = {
            node.name: names_called(node)
            for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef) and node.returns is not None and names_in(node.returns) & set(OURS)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Raise) and node.exc is not None:
                called = names_called(node.exc)
                made |= called.union(*(makers.get(name, set()) for name in called))
    return made


def documented() -> set[str]:
    """What docstrings of functions and classes say that they raise."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    texts = [ast.get_docstring(node) or "" for tree in TREES for node in ast.walk(tree) if isinstance(node, kinds)]
    return {name for text in texts for name in re.findall(r"^ +(\w+): ", text.partition("Raises:\n")[2], re.MULTILINE)}


@pytest.mark.parametrize("name", OURS)
def test_every_class(name):
    """It is raised, some docstring says where, and the overview names it with the built-in one that it is as well."""
    assert name in raised()
    assert name in documented()
    builtin = next(base for base in OURS[name].__mro__ if base.__module__ == "builtins")
    parent = OURS[name].__bases__[0]
    of_its_own = rf" \({builtin.__name__}\)" if parent is MtebHybridError else ""
    assert re.search(rf"── {name}{of_its_own} +\S", errors.__doc__)
    assert OURS[name].__doc__


def test_the_overview_names_no_others():
    """Nothing that is gone."""
    assert set(re.findall(r"── (\w+)", errors.__doc__)) == set(OURS)


def test_the_base_is_never_raised():
    """It says nothing; those who catch it catch all."""
    assert "MtebHybridError" not in raised()
