"""MIRACL (Zhang et al. 2023): 18 languages, each with its own Wikipedia passages, questions and judgments.

Questions are not parallel, and ids are unique within a language only.
"""

from __future__ import annotations

from mteb_hybrid.collections.hub import HubCollection

LANGUAGES = ("ar", "bn", "de", "en", "es", "fa", "fi", "fr", "hi", "id", "ja", "ko", "ru", "sw", "te", "th", "yo", "zh")

MIRACL = HubCollection("mteb/MIRACLRetrieval", "9c09abc13478308c27598f350e31d8f06b9b5481", LANGUAGES, "dev")
"""The full corpora: 13,495 dev questions, 106,332,152 passages."""

MIRACL_HARD_NEGATIVES = HubCollection(
    "mteb/MIRACLRetrievalHardNegatives", "d7d94fa4b946cec4a27c84653aa0cf6b33f74a3c", LANGUAGES, "dev"
)
"""At most 1,000 questions a language, and the passages that three retrievers found for them."""
