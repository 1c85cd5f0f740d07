"""How a pair of languages is written."""

from __future__ import annotations

from mteb_hybrid.errors import TrainingDataError


def split_pair(pair: tuple[str, str] | str) -> tuple[str, str]:
    """Query and passage language of a pair given as ``("en", "de")`` or ``"en-de"``.

    Raises:
        TrainingDataError: It is neither.
    """
    parts = tuple(pair.split("-")) if isinstance(pair, str) else tuple(pair)
    if len(parts) != 2 or not all(isinstance(part, str) and part for part in parts):
        raise TrainingDataError(f"a language pair must be ('en', 'de') or 'en-de', query language first; got {pair!r}")
    return parts[0], parts[1]
