"""Topics translated into a query language: the files, what makes them, and how good they are.

`TranslationFolder` and `resolve` read translations and need neither torch nor transformers; ``mteb-hybrid translate``
makes them (`mteb_hybrid.translation.run`).
"""

from __future__ import annotations

from mteb_hybrid.translation.folder import TRANSLATIONS_VARIABLE, TranslationFolder, write_translations
from mteb_hybrid.translation.hub import resolve
from mteb_hybrid.translation.manifest import LITE, Provenance, Sample, sample_topics

__all__ = [
    "LITE",
    "TRANSLATIONS_VARIABLE",
    "Provenance",
    "Sample",
    "TranslationFolder",
    "resolve",
    "sample_topics",
    "write_translations",
]
