"""What hostile code would leave."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def trace(tmp_path, monkeypatch) -> Path:
    """A path at which there is nothing, unless code was run; with a cache of the test's own."""
    monkeypatch.setenv("MTEB_HYBRID_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HOSTILE_TRACE", str(tmp_path / "trace"))
    return tmp_path / "trace"
