"""Small faults put into a source, one at a time: what a test suite should notice.

A mutant changes one place: a comparison, an operator, a number, a word, a truth value, a condition, a named argument, a
bound of a slice, a function by its like, what is returned; or a statement is gone. Left alone are annotations,
docstrings, imports, decorators, and what people read: messages of errors and of the log, texts of more than one word.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass

COMPARISONS = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
OPERATORS = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv, ast.Pow: ast.Mult, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd, ast.BitXor: ast.BitOr,
    ast.LShift: ast.RShift, ast.RShift: ast.LShift,
}  # fmt: skip
LIKES = {
    "min": "max", "max": "min", "minimum": "maximum", "maximum": "minimum", "any": "all", "all": "any",
    "zeros": "ones", "ones": "zeros", "zeros_like": "ones_like", "ones_like": "zeros_like", "ceil": "floor",
    "floor": "ceil", "argmax": "argmin", "popleft": "pop", "sum": "max", "mean": "sum",
}  # fmt: skip
LOGGERS = ("logger", "logging", "warnings")


@dataclass(frozen=True)
class Mutant:
    """One fault.

    Attributes:
        line: Number of the line where it begins.
        before: What stood in the lines that changed, on one line.
        after: What stands there now.
        source: The whole source with the fault.
    """

    line: int
    before: str
    after: str
    source: str

    def __str__(self) -> str:
        return f"{self.before}  →  {self.after}"


def mutants(source: str) -> list[Mutant]:
    """All faults of a source in the order of its lines, none twice."""
    lines = source.encode().splitlines(keepends=True)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    data, found, seen = source.encode(), [], {ast.dump(ast.parse(source))}
    for node, text in _changes(ast.parse(source)):
        first, last = node.lineno, node.end_lineno or node.lineno
        begin, end = starts[first - 1] + node.col_offset, starts[last - 1] + (node.end_col_offset or 0)
        changed = data[:begin] + text.encode() + data[end:]
        tree = ast.dump(ast.parse(changed))
        if tree in seen:
            continue
        seen.add(tree)
        after = changed[starts[first - 1] : starts[last] + len(changed) - len(data)]
        found.append(Mutant(first, _flat(data[starts[first - 1] : starts[last]]), _flat(after), changed.decode()))
    return sorted(found, key=lambda mutant: mutant.line)


def _flat(text: bytes) -> str:
    return " ".join(text.decode().split())


def _changes(tree: ast.Module) -> Iterator[tuple[ast.expr | ast.stmt, str]]:
    """What to put in the place of which node."""
    for node in _alive(tree):
        if isinstance(node, ast.If | ast.While):
            for new in _condition(node.test):
                yield node.test, f"({ast.unparse(new)})"
        if isinstance(node, ast.stmt):
            for text in _of_statement(node):
                yield node, text
        elif isinstance(node, ast.expr):
            for new in _of_expression(node):
                text = ast.unparse(new)
                simple = isinstance(new, ast.Constant | ast.Name | ast.Call | ast.Attribute | ast.Subscript)
                yield node, text if simple else f"({text})"


def _alive(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes below a node that run, and that nobody but a program reads."""
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list", "type_params", "type_comment"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if not isinstance(child, ast.AST) or isinstance(child, ast.JoinedStr | ast.Import | ast.ImportFrom):
                continue
            if isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant):
                continue  # a docstring
            if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
                continue
            if isinstance(child, ast.Assign) and ast.unparse(child.targets[0]) in ("__all__", "logger"):
                continue
            if isinstance(child, ast.Expr) and ast.unparse(child).startswith(LOGGERS):
                yield child
                continue
            yield child
            if not isinstance(child, ast.Raise | ast.Assert):
                yield from _alive(child)


def _condition(test: ast.expr) -> Iterator[ast.expr]:
    """The contrary of a condition, unless it is one comparison, which has its own, or one ``not``, which goes."""
    if not isinstance(test, ast.Compare | ast.UnaryOp):
        yield ast.UnaryOp(ast.Not(), test)


def _of_statement(node: ast.stmt) -> Iterator[str]:
    match node:
        case ast.Return(value=ast.expr() as value) if not (isinstance(value, ast.Constant) and value.value is None):
            yield "return None"
        case ast.AugAssign(target=target, op=op, value=value):
            yield "pass"
            yield f"{ast.unparse(target)} = {ast.unparse(value)}"
            if type(op) in OPERATORS:
                yield ast.unparse(ast.AugAssign(target, OPERATORS[type(op)](), value))
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript()]):
            yield "pass"
        case ast.Expr(value=ast.Call()) | ast.Raise() | ast.Return(value=None) | ast.Continue() | ast.Break():
            yield "pass"
        case ast.Delete():
            yield "pass"


def _of_expression(node: ast.expr) -> Iterator[ast.expr]:
    match node:
        case ast.Compare(left=left, ops=ops, comparators=others):
            for place, op in enumerate(ops):
                yield ast.Compare(left, [*ops[:place], COMPARISONS[type(op)](), *ops[place + 1 :]], others)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in OPERATORS:
            yield ast.BinOp(left, OPERATORS[type(op)](), right)
        case ast.BoolOp(op=op, values=values):
            yield ast.BoolOp(ast.And() if isinstance(op, ast.Or) else ast.Or(), values)
        case ast.UnaryOp(operand=operand):
            yield operand
        case ast.Constant(value=bool() as value):
            yield ast.Constant(not value)
        case ast.Constant(value=int() | float() as value):
            yield ast.Constant(value + 1)
        case ast.Constant(value=str() as value) if value and " " not in value:
            yield ast.Constant(f"{value}_")
        case ast.IfExp(test=test, body=body, orelse=orelse):
            yield ast.IfExp(test, orelse, body)
        case ast.Subscript(slice=ast.Slice() | ast.Tuple()):
            yield from _of_slices(node)
        case ast.Call(func=func, keywords=keywords):
            yield from (_changed(node, keywords=_without(keywords, place)) for place in range(len(keywords)))
            if isinstance(func, ast.Name) and func.id in LIKES:
                yield _changed(node, func=ast.Name(LIKES[func.id]))
            if isinstance(func, ast.Attribute) and func.attr in LIKES:
                yield _changed(node, func=_changed(func, attr=LIKES[func.attr]))
        case ast.ListComp(generators=loops) | ast.SetComp(generators=loops) | ast.GeneratorExp(generators=loops):
            yield from (_changed(node, generators=new) for new in _of_loops(loops))
        case ast.DictComp(generators=loops):
            yield from (_changed(node, generators=new) for new in _of_loops(loops))


def _of_loops(loops: list[ast.comprehension]) -> Iterator[list[ast.comprehension]]:
    """Loops of a comprehension without one of their conditions."""
    for number, loop in enumerate(loops):
        for place in range(len(loop.ifs)):
            yield [*loops[:number], _changed(loop, ifs=_without(loop.ifs, place)), *loops[number + 1 :]]


def _of_slices(node: ast.Subscript) -> Iterator[ast.expr]:
    """An index without one of the bounds of its slices."""
    inside = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
    for place, one in enumerate(inside):
        for bound in ("lower", "upper", "step"):
            if isinstance(one, ast.Slice) and getattr(one, bound) is not None:
                elements = [*inside[:place], _changed(one, **{bound: None}), *inside[place + 1 :]]
                index = ast.Tuple(elements, ast.Load()) if isinstance(node.slice, ast.Tuple) else elements[0]
                yield _changed(node, slice=index)


def _without(several: list, place: int) -> list:
    return [*several[:place], *several[place + 1 :]]


def _changed(node, **fields):
    """A copy of a node with some other fields."""
    new = copy.copy(node)
    for name, value in fields.items():
        setattr(new, name, value)
    return new
