"""What the source of the package takes of MTEB, read from its syntax: nothing is imported or run.

A use is a dotted name such as ``mteb.get_tasks.TASK_LIST``. Found are

- names that are imported, and attributes that are taken of these; names of modules in texts of their own;
- what is fetched from loaded modules: ``_need(owner, "name")``, ``getattr(owner, "name")`` and assignments to them;
- attributes of parameters and variables that are annotated with a class of MTEB, or iterate over such;
- attributes of ``self`` in classes that inherit one of MTEB, and of ``super()``: those that no class of ours defines.

Imports under ``TYPE_CHECKING`` are no uses, but say what annotations mean.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDERS = {"mteb_hybrid": "mteb_hybrid", "tasks": "mteb_hybrid.tasks", "trainers": "mteb_hybrid.trainers"}
# what an attribute of a class of MTEB holds, where that is a class of MTEB again
HOLDS = {"metadata": "mteb.abstasks.task_metadata.TaskMetadata", "mteb_model_meta": "mteb.models.model_meta.ModelMeta"}
EACH = "[]"
MODULE = re.compile(r"mteb(\.\w+)+")
SEQUENCES = {"Iterable", "Iterator", "Sequence", "list"}
# two names of one class
SAME = {
    "mteb.abstasks.AbsTask": "mteb.abstasks.abstask.AbsTask",
    "mteb.abstasks.AbsTaskRetrieval": "mteb.abstasks.retrieval.AbsTaskRetrieval",
}


@dataclass
class OurClass:
    """A class of ours: what it inherits, by the names in its source, and what it defines."""

    bases: list[str]
    defines: set[str]


@dataclass
class Module:
    """A module of ours."""

    tree: ast.Module
    names: dict[str, str] = field(default_factory=dict)  # a name in the source to the dotted name that it stands for
    classes: dict[str, OurClass] = field(default_factory=dict)


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def read_modules() -> dict[str, Module]:
    """Every module of the package by its name, with what it imports and the classes that it defines."""
    found = {}
    for folder, package in FOLDERS.items():
        for path in sorted((ROOT / folder).rglob("*.py")):
            inner = path.relative_to(ROOT / folder).with_suffix("").parts
            module = Module(ast.parse(path.read_text(encoding="utf-8"), str(path)))
            for node in ast.walk(module.tree):
                if isinstance(node, ast.ImportFrom) and node.module:
                    module.names |= {one.asname or one.name: f"{node.module}.{one.name}" for one in node.names}
                elif isinstance(node, ast.Import):
                    module.names |= {one.asname or one.name.split(".")[0]: one.name.split(".")[0] for one in node.names}
                elif isinstance(node, ast.ClassDef):
                    bases = [base.id for base in node.bases if isinstance(base, ast.Name)]
                    module.classes[node.name] = OurClass(bases, defined_in(node))
            found[".".join((package, *(part for part in inner if part != "__init__")))] = module
    return found


def is_self(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and node.id == "self"


def defined_in(node: ast.ClassDef) -> set[str]:
    """Names that the body of a class defines."""
    names = {one.name for one in node.body if isinstance(one, (ast.FunctionDef, ast.ClassDef))}
    for one in node.body:
        targets = one.targets if isinstance(one, ast.Assign) else [one.target] if isinstance(one, ast.AnnAssign) else []
        names |= {target.id for target in targets if isinstance(target, ast.Name)}
        if isinstance(one, ast.FunctionDef) and one.name == "__init__":
            stored = [part for part in ast.walk(one) if isinstance(part, ast.Attribute)]
            names |= {part.attr for part in stored if isinstance(part.ctx, ast.Store) and is_self(part.value)}
    return names


class Uses(ast.NodeVisitor):
    """Collects the uses of one module."""

    def __init__(self, modules: dict[str, Module], name: str) -> None:
        self.modules, self.module = modules, modules[name]
        self.found: set[str] = set()
        self.scopes: list[dict[str, str]] = [{}]

    # what an expression stands for

    def mtebs(self, dotted: str) -> str | None:
        """A dotted name of MTEB as it is; that of a class of ours as the class of MTEB that it inherits."""
        if dotted.endswith(EACH):
            return None
        if dotted.split(".")[0] == "mteb":
            return SAME.get(dotted, dotted)
        home, _, name = dotted.rpartition(".")
        one = self.modules[home].classes.get(name) if home in self.modules else None
        for base in one.bases if one else ():
            inherited = self.mtebs(self.modules[home].names.get(base, f"{home}.{base}"))
            if inherited:
                return inherited
        return None

    def our_definitions(self, dotted: str) -> set[str]:
        """What a class of ours and those of ours that it inherits define."""
        home, _, name = dotted.rpartition(".")
        one = self.modules[home].classes.get(name) if home in self.modules else None
        if one is None:
            return set()
        inherited = (self.our_definitions(self.modules[home].names.get(base, f"{home}.{base}")) for base in one.bases)
        return one.defines.union(*inherited)

    def dotted(self, node: ast.AST | None) -> str | None:
        """The dotted name that an expression stands for, MTEB's or ours."""
        if isinstance(node, ast.Name):
            for scope in reversed(self.scopes):
                if node.id in scope:
                    return scope[node.id]
            home = next(name for name, module in self.modules.items() if module is self.module)
            return self.module.names.get(node.id) or (f"{home}.{node.id}" if node.id in self.module.classes else None)
        if isinstance(node, ast.Attribute):
            owner = self.dotted(node.value)
            if owner and self.mtebs(owner):
                return self.of_mteb(owner, node.attr)
            return f"{owner}.{node.attr}" if owner else None
        if isinstance(node, ast.Subscript) and ast.unparse(node.value) == "sys.modules":
            return literal(node.slice)
        if isinstance(node, ast.Call):
            return self.called(node)
        return None

    def called(self, node: ast.Call) -> str | None:
        """What a call returns: a module, an attribute of one, or an instance of a class."""
        function = ast.unparse(node.func).rpartition(".")[2]
        if function in {"module", "import_module"} or ast.unparse(node.func) == "sys.modules.get":
            return literal(node.args[0]) if node.args else None
        if function in {"_need", "getattr"} and len(node.args) > 1:
            owner, name = self.dotted(node.args[0]), literal(node.args[1])
            return self.of_mteb(owner, name) if owner and name and self.mtebs(owner) else None
        made = self.dotted(node.func)
        return made if made and made.rpartition(".")[2][:1].isupper() else None

    def of_mteb(self, owner: str, name: str) -> str | None:
        """Note an attribute of a class or module of MTEB as a use, unless a class of ours defines it; what it holds."""
        if name.startswith("__") or name in self.our_definitions(owner):
            return HOLDS.get(name)
        whole = f"{self.mtebs(owner)}.{name}"
        self.found.add(whole)
        return HOLDS.get(name) or (whole if name[:1].isupper() and not name.isupper() else None)

    def annotated(self, node: ast.AST | None) -> str | None:
        """The class of MTEB, or of ours that inherits one, that an annotation names; `EACH` behind it for several."""
        if isinstance(node, ast.BinOp):  # X | None
            return self.annotated(node.left)
        if isinstance(node, ast.Subscript):
            inner = self.annotated(node.slice)
            within = ast.unparse(node.value)
            return inner if within == "type" or not inner else inner + EACH if within in SEQUENCES else None
        found = self.dotted(node) if isinstance(node, ast.Name) else None
        return found if found and self.mtebs(found) else None

    # the walk

    def visit_If(self, node: ast.If) -> None:
        if not is_type_checking(node):
            self.generic_visit(node)

    def visit_Import(self, node: ast.Import) -> None:
        self.found |= {one.name for one in node.names if one.name.startswith("mteb.")}

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        if (node.module or "").split(".")[0] == "mteb":
            self.found |= {f"{node.module}.{one.name}" for one in node.names}

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        home = next(name for name, module in self.modules.items() if module is self.module)
        self.scopes.append({"self": f"{home}.{node.name}", "cls": f"{home}.{node.name}"})
        self.generic_visit(node)
        self.scopes.pop()

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        known = {one.arg: self.annotated(one.annotation) for one in arguments if one.annotation}
        self.scopes.append({name: value for name, value in known.items() if value})
        self.generic_visit(node)
        self.scopes.pop()

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self.bind(node.target, self.annotated(node.annotation) or self.dotted(node.value))
        self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> None:
        for target in node.targets:
            self.bind(target, self.dotted(node.value))
        self.generic_visit(node)

    def visit_For(self, node: ast.For | ast.comprehension) -> None:
        several = self.dotted(node.iter)
        if several and several.endswith(EACH):
            self.bind(node.target, several.removesuffix(EACH))
        self.generic_visit(node)

    visit_comprehension = visit_For

    def generic_visit(self, node: ast.AST) -> None:
        for one in getattr(node, "generators", ()):  # what a comprehension binds, before what uses it
            self.visit(one)
        super().generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, str) and MODULE.fullmatch(node.value):
            self.found.add(node.value)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if ast.unparse(node.value) == "super()":
            home, _, name = (self.dotted(ast.Name("self")) or "").rpartition(".")
            for base in self.modules[home].classes[name].bases if home else ():
                inherited = self.module.names.get(base, f"{home}.{base}")
                if self.mtebs(inherited):
                    self.of_mteb(inherited, node.attr)
        self.dotted(node)
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        self.dotted(node)
        self.generic_visit(node)

    def bind(self, target: ast.AST, value: str | None) -> None:
        if isinstance(target, ast.Name) and value and self.mtebs(value.removesuffix(EACH)):
            self.scopes[-1][target.id] = value


def literal(node: ast.AST) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def uses() -> dict[str, set[str]]:
    """Every use, and the modules of ours that it is in."""
    modules, found = read_modules(), defaultdict(set)
    for name, module in modules.items():
        visitor = Uses(modules, name)
        visitor.visit(module.tree)
        for use in visitor.found:
            found[use].add(name)
    return dict(found)
