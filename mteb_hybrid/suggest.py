"""What was probably meant: the end of messages about names that are not known."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def suggestion(name: str, known: Iterable[str], otherwise: str = "") -> str:
    """Such as ``; did you mean 'test'?``, or what there is.

    Args:
        name: What is not known.
        known: What is.
        otherwise: What to say before the list of what is known where nothing is close, such as ``there are``; empty
            to say nothing then.
    """
    names = list(known)
    close = difflib.get_close_matches(name, names, n=1)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; {otherwise} {', '.join(names)}" if otherwise else ""
