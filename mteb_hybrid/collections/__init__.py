"""Parallel question-passage collections and their readers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mteb_hybrid.collections.base import LanguagePart, ParallelCollection
from mteb_hybrid.collections.lareqa import mlqa_r, xquad_r
from mteb_hybrid.collections.miniqa_r import miniqa_r

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["SHIPPED", "LanguagePart", "ParallelCollection", "miniqa_r", "mlqa_r", "xquad_r"]

SHIPPED: dict[str, Callable[[], ParallelCollection]] = {"miniqa-r": miniqa_r, "mlqa-r": mlqa_r, "xquad-r": xquad_r}
"""The parallel collections that ship with this package, or are fetched by it, by the name that recipes give them."""
