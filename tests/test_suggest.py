"""The end of messages about unknown names."""

from __future__ import annotations

from mteb_hybrid.suggest import suggestion


def test_suggestion():
    """The closest name where one is close, else all of them, or nothing."""
    assert suggestion("tset", ["dev", "test"], "there are") == "; did you mean 'test'?"
    assert suggestion("tset", {"dev": 1, "test": 2}) == "; did you mean 'test'?"
    assert suggestion("xyz", iter(["dev", "test"]), "there are") == "; there are dev, test"
    assert suggestion("xyz", ["dev", "test"]) == ""
