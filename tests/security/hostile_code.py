"""Code that leaves a trace where it is run, and what the package's own source says."""

from __future__ import annotations

import ast
import os
from pathlib import Path

import mteb_hybrid
import mteb_hybrid.tasks
import mteb_hybrid.trainers

CODE = """
import os
os.mkdir(os.environ["HOSTILE_TRACE"])
"""
"""A module that leaves a trace when it is imported."""


class Explosive:
    """Leaves a trace where it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self):
        return os.mkdir, (str(self.trace),)


def sources() -> dict[str, ast.Module]:
    """All modules of the package, wherever they are installed."""
    folders = {Path(package.__file__).parent for package in (mteb_hybrid, mteb_hybrid.tasks, mteb_hybrid.trainers)}
    files = {file for folder in folders for file in folder.rglob("*.py")}
    return {str(file): ast.parse(file.read_text(encoding="utf-8")) for file in files}


def calls() -> list[tuple[str, str, ast.Call]]:
    """File, written name and node of every call."""
    return [
        (Path(file).name, ast.unparse(node.func), node)
        for file, tree in sources().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
    ]


def keyword(call: ast.Call, name: str) -> str | None:
    return next((ast.unparse(one.value) for one in call.keywords if one.arg == name), None)
