"""A folder with three Swahili topics in English."""

from __future__ import annotations

from pathlib import Path

import pytest
from translation_folders import ENGLISH, MADE_BY, TOPICS

from mteb_hybrid.translation import write_translations


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with three Swahili topics in English."""
    write_translations(tmp_path / "made", "en-sw", ENGLISH, TOPICS, MADE_BY, {"empty": 0.0, "wrong_language": None})
    return tmp_path / "made"
