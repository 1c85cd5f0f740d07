"""What is wrong with a recipe, in words that name the key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

from pydantic import BaseModel

from mteb_hybrid.parsing import shown
from mteb_hybrid.suggest import suggestion
from mteb_hybrid.trainers.recipes.schema import BeirData, CollectionData, MmarcoData, PairsData, RecipeTables, TableData

if TYPE_CHECKING:
    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

_DATA = {
    kind: table
    for table in (CollectionData, TableData, PairsData, BeirData, MmarcoData)
    for kind in get_args(table.model_fields["kind"].annotation)
}
_TYPES = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "string_type": "text in quotes",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "a table",
    "model_type": "a table",
    "model_attributes_type": "a table",
}
_BOUNDS = {
    "greater_than_equal": ("at least", "ge"),
    "greater_than": ("greater than", "gt"),
    "less_than_equal": ("at most", "le"),
    "less_than": ("less than", "lt"),
}


def describe(error: ValidationError) -> list[str]:
    """One line for each key that is wrong: ``training.batch_size: must be at least 2, got 0``."""
    lines = {_path(one["loc"]): one for one in error.errors(include_url=False)}
    # a list whose entries are wrong is said to be too short as well
    inner = {path for path in lines if any(other.startswith(f"{path}.") for other in lines)}
    return [_line(path, one) for path, one in lines.items() if path not in inner]


def _path(place: tuple[int | str, ...]) -> str:
    """A key path; the kind of a data table, which pydantic puts behind its number, is no part of it."""
    return ".".join(str(part) for number, part in enumerate(place) if number != 2 or place[0] != "data")


def _line(path: str, one: ErrorDetails) -> str:
    kind, context, value = one["type"], one.get("ctx", {}), one["input"]
    if kind == "value_error":  # of a table: it names its key itself
        return ".".join(filter(None, (path, str(context["error"]))))
    if kind == "extra_forbidden":
        return f"{path}: unknown key{_suggestion(one['loc'])}"
    if kind == "missing":
        return f"{path}: is missing"
    if kind in _BOUNDS:
        words, bound = _BOUNDS[kind]
        limit = context[bound]
        return f"{path}: must be {words} {limit if isinstance(limit, int) else f'{limit:g}'}, got {shown(value)}"
    if kind == "literal_error":
        return f"{path}: must be {context['expected']}, got {shown(value)}{_similar(value, context['expected'])}"
    if kind == "union_tag_invalid":
        return f"{path}.kind: must be one of {', '.join(map(repr, _DATA))}, got {shown(context['tag'])}"
    if kind == "union_tag_not_found":
        return f"{path}.kind: is missing; one of {', '.join(map(repr, _DATA))}"
    if kind in ("too_short", "string_too_short"):
        return f"{path}: must not be empty"
    if kind in _TYPES:
        return f"{path}: must be {_TYPES[kind]}, got {_shown(value)}"
    return f"{path}: {one['msg']}, got {_shown(value)}"


def _shown(value: Any) -> str:
    return "a table" if isinstance(value, dict) else shown(value)


def _similar(value: Any, expected: str) -> str:
    known = [part for part in expected.split("'") if part.strip() and part.strip() not in (",", "or")]
    return suggestion(value, known) if isinstance(value, str) else ""


def _suggestion(place: tuple[int | str, ...]) -> str:
    """The key that was probably meant, or all that there are."""
    table: type[BaseModel] = RecipeTables
    for part in place[:-1]:
        if part in _DATA:
            table = _DATA[str(part)]
        elif isinstance(part, str) and part in table.model_fields and part != "data":
            table = next(iter(_classes(table.model_fields[part].annotation)), table)
    return suggestion(str(place[-1]), table.model_fields, "there are")


def _classes(annotation: Any) -> list[type[BaseModel]]:
    candidates = [annotation, *get_args(annotation)]
    return [one for one in candidates if isinstance(one, type) and issubclass(one, BaseModel)]
