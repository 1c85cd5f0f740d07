"""Text of others on a terminal, in a table, in a figure: it says what it says, and gives no orders."""

from __future__ import annotations

import re

# what ends a line somewhere; what a terminal obeys; what turns the order of the text around it
_ENDS = "\t\n\v\f\r\x1c-\x1e\x85\u2028\u2029"
_ORDERS = "\0-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff"
_END, _ORDER = re.compile(f"[{_ENDS}]"), re.compile(f"[{_ORDERS}]")


def one_line(text: str) -> str:
    r"""The text on one line, with blanks for what ends lines, and escapes, such as ``\x1b``, for other orders.

    Orders are control characters, overrides of the direction of writing, and halves of characters. Letters of all
    scripts, combining marks and what joins letters stay.
    """
    return _ORDER.sub(_escape, _END.sub(" ", text))


def some_lines(text: str) -> str:
    """The same with its line breaks."""
    return "\n".join(map(one_line, text.split("\n")))


def _escape(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode("ascii")
