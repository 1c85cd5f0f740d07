"""Which calls of a source open a file for writing, make, move or remove it, found in its syntax."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

# what yields a temporary path that is flushed and renamed
ATOMIC = {"atomic_path", "_unless_removed"}
# functions and methods that put bytes into a file that they are given
WRITERS = {
    "write_text", "write_bytes", "touch", "tofile", "dump", "savez", "savez_compressed", "savetxt", "savefig",
    "save_pretrained", "save_model", "save_file", "save_to_disk", "write_table", "write_feather", "write_csv",
    "write_dataset", "ParquetWriter", "new_stream", "new_file", "RecordBatchFileWriter", "RecordBatchStreamWriter",
    "OSFile", "to_csv", "to_json", "to_parquet", "to_pickle", "copyfile", "copy2", "copytree", "copyfileobj",
    "symlink_to", "hardlink_to", "symlink", "mkstemp", "NamedTemporaryFile", "urlretrieve", "FileHandler", "ZipFile",
    "truncate", "save_state", "write_index",
}  # fmt: skip
# what has such a method only where it is a library's
OF_LIBRARIES = {"save", "copy", "move", "link"}
LIBRARIES = {"np", "numpy", "torch", "shutil", "os"}
# objects that write when they are called
CALLED = {"HTTPDownloader"}


@dataclass(frozen=True)
class Writing:
    """A call that writes a file other than a temporary one of `atomic_path`.

    Attributes:
        function: The function that it stands in, with its classes and functions around it; empty outside of any.
        call: The call.
    """

    function: str
    call: str


def writings(source: str) -> list[Writing]:
    """All of them in a source."""
    return list(_of(ast.parse(source), "", frozenset()))


def _of(node: ast.AST, function: str, atomic: frozenset[str]) -> Iterator[Writing]:
    """Those below a node; some names are of temporary paths, or of files opened there."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        function = f"{function}.{node.name}".lstrip(".")
    if isinstance(node, ast.With | ast.AsyncWith):
        for item in node.items:
            yield from _of(item.context_expr, function, atomic)
            call = item.context_expr
            if isinstance(call, ast.Call) and (_name(call) in ATOMIC or (_writes(call) and _names(call) & atomic)):
                atomic |= _names(item.optional_vars)
        for statement in node.body:
            yield from _of(statement, function, atomic)
        return
    if isinstance(node, ast.Call) and _writes(node) and not _names(node) & atomic:
        yield Writing(function, ast.unparse(node))
    for child in ast.iter_child_nodes(node):
        yield from _of(child, function, atomic)


def _writes(call: ast.Call) -> bool:
    """Whether a call writes, wherever it does."""
    called = call.func
    if isinstance(called, ast.Call):
        return _name(called) in CALLED
    name, method = _name(call), isinstance(called, ast.Attribute)
    library = isinstance(called, ast.Attribute) and ast.unparse(called.value) in LIBRARIES
    if name == "open" and library:  # os.open
        return not any("O_RDONLY" in ast.unparse(argument) for argument in call.args)
    if name in ("open", "memmap"):
        return any(not _reads(mode) for mode in _modes(call, method=method))
    if name in OF_LIBRARIES:
        return library
    if name in ("rename", "replace"):  # of a path; that of a text has two arguments, that of a record has keywords
        return library or (method and len(call.args) == 1 and not call.keywords)
    return name in WRITERS


def _modes(call: ast.Call, *, method: bool) -> list[ast.expr]:
    """Arguments that say how a file is opened; those of `open` methods that are no path's are others."""
    named = [keyword.value for keyword in call.keywords if keyword.arg == "mode"]
    unnamed = [one for one in call.args if isinstance(one, ast.Constant)] if method else call.args[1:2]
    return [*named, *unnamed]


def _reads(mode: ast.expr) -> bool:
    """Whether a mode is one of reading, in memory-mapped files with changes that are not written."""
    return isinstance(mode, ast.Constant) and mode.value in ("r", "rb", "rt", "c")


def _name(call: ast.Call) -> str:
    """The last part of what is called."""
    called = call.func
    return called.attr if isinstance(called, ast.Attribute) else called.id if isinstance(called, ast.Name) else ""


def _names(node: ast.AST | None) -> frozenset[str]:
    """The variables that stand in an expression."""
    return frozenset(one.id for one in ast.walk(node) if isinstance(one, ast.Name)) if node is not None else frozenset()
