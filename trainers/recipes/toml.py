"""Writing what a recipe holds as TOML, which the standard library only reads."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def to_toml(content: Mapping[str, Any]) -> str:
    """A mapping of tables and lists of tables as TOML; values are texts, numbers, truths, and lists or tables of them.

    Raises:
        TypeError: A value is of another type.
    """
    return "\n".join(_lines((), content)).strip() + "\n"


def _lines(path: tuple[str, ...], table: Mapping[str, Any]) -> Iterator[str]:
    inner = {key: value for key, value in table.items() if isinstance(value, dict) or _is_tables(value)}
    yield from (f"{_key(key)} = {_value(value)}" for key, value in table.items() if key not in inner)
    for key, value in inner.items():
        name = (*path, _key(key))
        for one in value if isinstance(value, list) else [value]:
            yield from ("", f"[[{'.'.join(name)}]]" if isinstance(value, list) else f"[{'.'.join(name)}]")
            yield from _lines(name, one)


def _is_tables(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(one, dict) for one in value)


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else json.dumps(key, ensure_ascii=False)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, str):  # JSON's escapes are TOML's; DEL is one that JSON leaves as it is
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, list):
        return f"[{', '.join(_value(one) for one in value)}]"
    raise TypeError(f"a recipe holds no {type(value).__name__}: {value!r}")
