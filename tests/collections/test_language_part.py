"""What the optional fields of a language of a collection must hold."""

from __future__ import annotations

import pytest
from collections_of_users import _own_cache  # noqa: F401 - for every test here

from mteb_hybrid.collections import LanguagePart
from mteb_hybrid.errors import CollectionError


class TestLanguagePart:
    """What the optional fields must hold."""

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"unasked": {"q1": (0,)}}, "question 'q1' is asked, and in unasked"),
            ({"unasked": {"": (0,)}}, "has an empty id"),
            ({"unasked": {"q2": (1,)}}, r"question 'q2' must lie in \[0, 1\), not at 1; .* are \(1,\)"),
            ({"relevant": ((0, 0),)}, r"question 'q1' must be named once each; their positions are \(0, 0\)"),
            ({"grades": {("q1", 1): 2}}, "passage 1 has grade 2 for question 'q1'"),
            ({"grades": {("q1", 0): 0}}, "passage 0 has grade 0"),
            ({"query_ids": (), "queries": (), "relevant": ()}, "1 passages and 0 questions: there is nothing to ask"),
        ],
    )
    def test_inconsistent_parts(self, changes, message):
        """Each is refused."""
        whole = {
            "language": "de", "passages": ("Eins.",), "contexts": ("Eins.",), "query_ids": ("q1",), "queries": ("?",),
            "relevant": ((0,),), "source": "by hand",
        }  # fmt: skip
        LanguagePart(**whole)
        with pytest.raises(CollectionError, match=message):
            LanguagePart(**{**whole, **changes})
