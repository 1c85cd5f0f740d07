"""Parallel question-passage collections and their readers."""

from mteb_hybrid.collections.base import LanguagePart, ParallelCollection
from mteb_hybrid.collections.lareqa import mlqa_r, xquad_r
from mteb_hybrid.collections.miniqa_r import miniqa_r

__all__ = ["LanguagePart", "ParallelCollection", "miniqa_r", "mlqa_r", "xquad_r"]
