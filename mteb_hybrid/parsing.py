"""JSON and TOML that others wrote: whatever is wrong with it is a `ValueError`, and what is right can be used.

The parsers of the standard library have more than one exception for what is no JSON or TOML, and take more than can be
written again: halves of characters, numbers that cannot be printed, lists in lists that no function can walk through.
"""

from __future__ import annotations

import json
import re
import reprlib
import tomllib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_SURROGATE = re.compile(r"\\u[dD]")  # an escape of one, of a pair or alone
_DEEPEST = 100  # nothing that we read is nested so deeply; some levels below 1,000 Python gives up
_LARGEST = 2**63  # integers of TOML have 64 bits
_SHORT = reprlib.Repr()
_SHORT.maxlevel = 4
_SHORT.maxstring = _SHORT.maxlong = _SHORT.maxother = 100


def parse_json(text: str | bytes) -> Any:
    """The content of a JSON document.

    Args:
        text: The document; bytes are UTF-8, with or without a mark at the beginning that says so.

    Raises:
        ValueError: It is no JSON, is nested too deeply, or holds a lone surrogate: half of a character, which nothing
            can write or encode.
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8-sig")  # `json.loads` would guess the encoding, and take lone surrogates
    try:
        content = json.loads(text)
    except RecursionError:
        raise _too_deep() from None
    for _ in _levels(content):
        pass
    if _SURROGATE.search(text):
        check_unicode(json.dumps(content, ensure_ascii=False))
    return content


def parse_toml(text: str) -> dict[str, Any]:
    """The content of a TOML document.

    Raises:
        ValueError: It is no TOML, is nested too deeply, or holds an integer of more than 64 bits, which TOML does not
            have.
    """
    try:
        content = tomllib.loads(text)
    except RecursionError:
        raise _too_deep() from None
    for level in _levels(content):
        if any(isinstance(value, int) and not -_LARGEST <= value < _LARGEST for value in level):
            raise ValueError("it holds a whole number of more than 64 bits")
    return content


def check_unicode(text: str) -> None:
    r"""See that a text can be written and encoded.

    Raises:
        ValueError: It holds a lone surrogate, such as the escape ``\ud800`` in JSON, or a byte in a file's name that is
            no UTF-8.
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"it holds half of a character, {text[error.start]!r}, which is no valid Unicode") from None


def shown(value: Any) -> str:
    """A value as messages name it: as `repr` does, but short, however long it is and however deeply nested."""
    return _SHORT.repr(value)


def _levels(content: Any) -> Iterator[list[Any]]:
    """Content, then what is in it, then what is in that; raises ValueError where there is no end to it."""
    level = [content]
    for _ in range(_DEEPEST):
        yield level
        level = [
            inner
            for value in level
            if isinstance(value, (dict, list))
            for inner in (value.values() if isinstance(value, dict) else value)
        ]
        if not level:
            return
    raise _too_deep()


def _too_deep() -> ValueError:
    return ValueError("it is nested too deeply")
