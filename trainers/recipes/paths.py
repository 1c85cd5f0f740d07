"""The files and folders that a recipe names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mteb_hybrid.file_names import is_folder, user_path
from mteb_hybrid.trainers.recipes.schema import BeirData, MmarcoData, PairsData, TableData

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mteb_hybrid.trainers.recipes.reading import Recipe
    from mteb_hybrid.trainers.recipes.schema import Data


def table_paths(table: Data) -> Iterator[tuple[str, str]]:
    """The paths of a ``[[data]]`` table as they are written, by key: ``path``, ``pairs.en-de``, ``folders.en``."""
    match table:
        case TableData():
            yield "path", table.path
        case PairsData():
            yield from ((f"pairs.{pair}", path) for pair, path in table.pairs.items())
        case BeirData() if table.folders is not None:
            yield from ((f"folders.{language}", folder) for language, folder in table.folders.items())
        case BeirData() | MmarcoData() if table.path is not None:
            yield "path", table.path


def is_path(name: str) -> bool:
    """Whether a model's name is the path of a directory, and not a name on the hub."""
    path = user_path(name)
    return is_folder(path) or path.is_absolute() or name.startswith((".", "~")) or name.count("/") > 1


def with_absolute_paths(recipe: Recipe) -> Recipe:
    """The recipe with paths that mean the same in every working directory, and to every user."""
    plain = recipe.plain()
    if is_path(recipe.model.name):
        plain["model"]["name"] = _absolute(recipe.model.name)
    if recipe.output.directory is not None:
        plain["output"]["directory"] = _absolute(recipe.output.directory)
    for table, content in zip(recipe.data, plain["data"], strict=True):
        for key, written in table_paths(table):
            _put(content, key, _absolute(written))
    return type(recipe).parse(plain)


def _absolute(path: str) -> str:
    return str(user_path(path).absolute())


def _put(content: dict[str, Any], key: str, value: str) -> None:
    first, _, last = key.partition(".")
    if last:
        content[first][last] = value
    else:
        content[first] = value
