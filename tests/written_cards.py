"""Cards of collections of a user's own, for tests."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

GOOD = 'name = "Handbook"\nfolder = "handbook"\n'


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MTEB_HYBRID_CACHE", str(tmp_path / "cache"))


@pytest.fixture(autouse=True)
def _own_registry(monkeypatch):
    """What a test registers is gone after it."""
    registries = sys.modules["mteb.get_tasks"]
    monkeypatch.setattr(registries, "_TASKS_REGISTRY", dict(registries._TASKS_REGISTRY))
    monkeypatch.setattr(registries, "TASK_LIST", registries.TASK_LIST)


def write_card(folder: Path, text: str = GOOD, name: str = "card.toml") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name
