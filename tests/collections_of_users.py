"""What the tests of users' own collections share."""

from __future__ import annotations

import pytest

from mteb_hybrid.collections import LanguagePart


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MTEB_HYBRID_CACHE", str(tmp_path / "cache"))


def judgments(part: LanguagePart) -> set[tuple[str, int, int]]:
    return set(part.judgments())
