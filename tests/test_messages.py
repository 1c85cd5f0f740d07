"""The messages of our exceptions: each gives advice, none ends in the words of somebody else's, all are written alike.

Whether what was wrong and where is said well, only a reader can judge; that nothing follows, a program can see.
"""

from __future__ import annotations

import ast
import re
from collections import ChainMap
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from test_errors import FILES, OURS, TREES, names_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# what to do, or what there has to be instead
ADVICE = re.compile(
    r"\b(add|ask|build|check|choose|copy|correct|delete|download|evaluate|export|fill|give|go on|goes on|hold out"
    r"|install|join|leave|lower|make|mine|name|pass|put|raise|register|reinstall|remove|report|run|save|say|start|take"
    r"|train|translate|unset|update|use|wait|widen|write|did you mean|output names|expected|it has|must|needs?|should"
    r"|there are)\b",
    re.IGNORECASE,
)
NAMES = ("FAISS", "HybridBatchSampler", "MTEB", "Ray")  # have a capital wherever they stand
KINDS = {"MtebHybridError", *OURS}


@dataclass(frozen=True)
class Message:
    """What one of our exceptions is made with.

    Attributes:
        place: File, line and exception.
        node: The message.
        known: What the names in it are assigned to: constants of modules, variables of the function.
        caught: The exceptions that a name can hold there.
    """

    place: str
    node: ast.expr
    known: Mapping[str, ast.expr]
    caught: Mapping[str, set[str]]

    def words(self) -> str:
        """As much of the text as the source has; ``{}`` stands for the rest."""
        return text_of(self.node, self.known)

    def causes(self) -> set[str]:
        """The exceptions whose words it ends in, unless a function of ours has put them into other ones."""
        last = self.node.right if isinstance(self.node, ast.BinOp) else self.node
        last = last.values[-1] if isinstance(last, ast.JoinedStr) else last
        inside = last.value if isinstance(last, ast.FormattedValue) else last
        if isinstance(inside, ast.Call) and isinstance(inside.func, ast.Name) and inside.func.id != "str":
            return set()
        names = names_in(inside)
        said = [self.known[name] for name in names if name in self.known]  # message = str(error)
        names = names.union(*(names_in(one) for one in said if ast.unparse(one).startswith("str(")))
        return {kind for name in names & set(self.caught) for kind in self.caught[name]}


def text_of(node: ast.AST, known: Mapping[str, ast.expr]) -> str:
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(text_of(part, known) for part in parts)
        case ast.FormattedValue(value=value):
            return text_of(value, known)
        case ast.BinOp(left=left, right=right):
            return text_of(left, known) + text_of(right, known)
        case ast.IfExp(body=body, orelse=orelse):
            return f"{text_of(body, known)} {text_of(orelse, known)}"
        case ast.Name(id=name) if name in known:
            return text_of(known[name], {other: value for other, value in known.items() if other != name})
        case ast.Call(func=ast.Name(id="suggestion")):
            return "; did you mean {}"
    return "{}"


def assigned(body: ast.AST) -> dict[str, ast.expr]:
    nodes = [node for node in ast.walk(body) if isinstance(node, ast.Assign)]
    return {target.id: node.value for node in nodes for target in node.targets if isinstance(target, ast.Name)}


def constants(tree: ast.Module) -> dict[str, ast.expr]:
    return assigned(ast.Module([node for node in tree.body if isinstance(node, ast.Assign)], []))


def messages(
    tree: ast.AST, place: str, known: Mapping[str, ast.expr], caught: Mapping[str, set[str]]
) -> Iterator[Message]:
    """All messages in a module or a part of one."""
    for node in ast.iter_child_nodes(tree):
        variables, errors = known, caught
        if isinstance(node, ast.FunctionDef):
            variables = ChainMap(assigned(node), known)
        elif isinstance(node, ast.ExceptHandler) and node.name and node.type is not None:
            errors = {**caught, node.name: {ast.unparse(one) for one in getattr(node.type, "elts", [node.type])}}
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in KINDS and node.args:
            yield Message(f"{place}:{node.lineno}: {node.func.id}", node.args[0], known, caught)
        yield from messages(node, place, variables, errors)


SHARED = {name: value for tree in TREES for name, value in constants(tree).items() if name.isupper() and name[0] != "_"}
MESSAGES = [
    message
    for path, tree in zip(FILES, TREES, strict=True)
    for message in messages(tree, "/".join(path.parts[-2:]), {**SHARED, **constants(tree)}, {})
]
# the others pass on what a message of ours, or a function that words it, has said
WORDED = [
    message
    for message in MESSAGES
    if not (message.causes() and message.causes() <= KINDS) and re.search("[a-z]{3}", message.words())
]


def places(messages: list[Message]) -> list[str]:
    return [f"{message.place}: {message.words()}" for message in messages]


def test_each_gives_advice():
    """It says what to do, or what must be there instead."""
    assert places([message for message in WORDED if not ADVICE.search(message.words())]) == []


def test_none_ends_in_a_cause():
    """What another library or the system said stands in it, and what to do about it comes after."""
    assert places([message for message in MESSAGES if message.causes() - KINDS]) == []


def test_all_are_written_alike():
    """A small letter first, because a place may be put before it, and no full stop, because advice may follow it."""
    capitals = [message for message in WORDED if re.match("[A-Z]", message.words())]
    assert places([message for message in capitals if not message.words().startswith(NAMES)]) == []
    assert places([message for message in WORDED if message.words().rstrip().endswith((".", "!"))]) == []


@pytest.mark.parametrize(
    ("code", "advises", "ends_in_a_cause"),
    [
        ('raise CardError(f"{path} is wrong")', False, False),
        ('hint = "; write another"\n    raise CardError(f"{path} is wrong{hint}")', True, False),
        ('try: pass\n    except OSError as error:\n        raise CardError(f"{path}: {error}")', False, True),
        ('try: pass\n    except CardError as error:\n        raise CardError(f"{path}: {error}")', False, False),
        (
            'try: pass\n    except (OSError, CardError) as e:\n        raise CardError(f"{path}: {e}; wait")',
            True,
            False,
        ),
    ],
)
def test_what_is_seen(code, advises, ends_in_a_cause):
    """The two rules above see a message without advice, and one that ends in a cause."""
    (message,) = messages(ast.parse(f"def f():\n    {code}"), "here", {}, {})
    assert bool(ADVICE.search(message.words())) == advises
    assert bool(message.causes() - KINDS) == ends_in_a_cause


def test_all_are_looked_at():
    """Nearly every message has words of its own."""
    assert len(WORDED) > 0.95 * len(MESSAGES) > 300
