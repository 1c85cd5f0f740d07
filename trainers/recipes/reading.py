"""From a file to a recipe: shipped ones by name, changes from the command line, errors that name file and key."""

from __future__ import annotations

import copy
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Self

from pydantic import ValidationError

from mteb_hybrid.errors import RecipeError
from mteb_hybrid.file_names import is_there, user_path
from mteb_hybrid.parsing import parse_toml
from mteb_hybrid.suggest import suggestion
from mteb_hybrid.trainers.recipes.messages import describe
from mteb_hybrid.trainers.recipes.schema import RecipeTables
from mteb_hybrid.trainers.recipes.toml import to_toml

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from importlib.resources.abc import Traversable
    from pathlib import Path

_SUFFIX = ".toml"


class Recipe(RecipeTables):
    """A training recipe: base model, data, batches, loss, training, evaluation.

    Its tables are described in `mteb_hybrid.trainers.recipes.schema`. It is frozen; `changed` makes another one.

    Example:
        ::

            recipe = Recipe.read("e5-small-mlqa-r", ["sampler.alpha=0.4"])
            train(recipe, "my-model")
    """

    @classmethod
    def read(cls, recipe: str | Path, changes: Iterable[str] = ()) -> Self:
        """Read a TOML file, or a recipe that ships with this package.

        Args:
            recipe: Path of the file, or the name of a shipped recipe (`shipped_recipes`).
            changes: ``key=value`` with the path of a key, such as ``sampler.alpha=0.4`` or ``data.0.fraction=0.5``. A
                value is read as TOML, and as text where it is none; an empty one takes the key out.

        Raises:
            RecipeError: The file is missing or no TOML, or the recipe is wrong; the message names file and key.
        """
        path = user_path(recipe)
        file: Path | Traversable = path
        if not (is_there(path) and path.is_file()):
            shipped = {one.name.removesuffix(_SUFFIX): one for one in _shipped()}
            name = str(recipe).removesuffix(_SUFFIX)
            if name not in shipped:
                raise RecipeError(
                    f"{recipe} is neither a file nor a shipped recipe ({', '.join(sorted(shipped))})"
                    + suggestion(name, shipped)
                )
            file = shipped[name]
        try:
            content = parse_toml(file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise RecipeError(f"{file} cannot be read: {error}; correct it, or name another") from error
        return cls.parse(content, changes, source=path.name if file is path else f"{file.name} (shipped)")

    @classmethod
    def parse(cls, content: Mapping[str, Any], changes: Iterable[str] = (), *, source: str = "recipe") -> Self:
        """A recipe from tables that were read already.

        Args:
            content: Tables by name.
            changes: As for `read`.
            source: What messages call it.

        Raises:
            RecipeError: The recipe is wrong; the message names the keys.
        """
        tables = copy.deepcopy(dict(content))
        for change in changes:
            _apply(tables, change, source)
        try:
            return cls.model_validate(tables)
        except ValidationError as error:
            lines = describe(error)
            raise RecipeError(
                f"{source}: {lines[0]}" if len(lines) == 1 else "\n  ".join([f"{source}:", *lines])
            ) from error

    def changed(self, changes: Iterable[str], *, source: str = "recipe") -> Self:
        """The recipe with other values, ``key=value`` as for `read`."""
        return type(self).parse(self.plain(), changes, source=source)

    def to_toml(self) -> str:
        """The recipe with all its defaults, such that reading it gives an equal recipe."""
        return to_toml(self.plain())


def shipped_recipes() -> list[str]:
    """Names of the recipes that ship with this package."""
    return sorted(file.name.removesuffix(_SUFFIX) for file in _shipped())


def differences(one: Recipe, other: Recipe) -> list[str]:
    """Key paths whose values differ, in words: ``sampler.alpha: 0.5, now 0.4``; the output directory does not count."""
    left, right = _flat(one.plain()), _flat(other.plain())
    return [
        f"{key}: {left.get(key, 'not set')!r}, now {right.get(key, 'not set')!r}"
        for key in dict.fromkeys([*left, *right])
        if left.get(key) != right.get(key) and not key.startswith("output.")
    ]


def _shipped() -> list[Traversable]:
    folder = files("mteb_hybrid.trainers.recipes").joinpath("shipped")
    return [file for file in folder.iterdir() if file.name.endswith(_SUFFIX)]


def _flat(value: Any, path: str = "") -> dict[str, Any]:
    if isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        items = [(str(number), one) for number, one in enumerate(value)]
    else:
        return {path: value}
    return {key: one for name, inner in items for key, one in _flat(inner, f"{path}.{name}".strip(".")).items()}


def _apply(tables: dict[str, Any], change: str, source: str) -> None:
    """Put one ``key=value`` into the tables.

    Raises:
        RecipeError: It is none, or its path leads through something that is no table.
    """
    path, equals, text = change.partition("=")
    *inner, last = (part.strip() for part in path.split("."))
    if not equals or not all((*inner, last)):
        raise RecipeError(f"{change!r} is no change: write key=value, such as sampler.alpha=0.4")
    place: Any = tables
    for part in inner:
        if isinstance(place, dict):
            place = place.setdefault(part, {})
        elif isinstance(place, list) and _is_place(part, place):
            place = place[int(part)]
        else:
            raise RecipeError(f"{source}: {change}: there is no {path!r}; name a key that there is")
    if not isinstance(place, dict):
        raise RecipeError(f"{source}: {change}: {'.'.join(inner)!r} is no table; name it without {last!r}")
    if text.strip():
        place[last] = _read_value(text.strip())
    else:
        place.pop(last, None)


def _is_place(part: str, place: list[Any]) -> bool:
    """Whether a part of a path is a number in a list, written as such numbers are."""
    return part.isdecimal() and len(part) <= len(str(len(place))) and int(part) < len(place)


def _read_value(text: str) -> Any:
    try:
        read = parse_toml(f"value = {text}")
    except ValueError:
        return text
    return read["value"] if list(read) == ["value"] else text
