"""A small model directory that a test may change."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from edited_models import PROMPTS
from tiny_models import sentence_transformer


@pytest.fixture(scope="module")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sentence_transformer(tmp_path_factory.mktemp("models") / "tiny", prompts=PROMPTS)


@pytest.fixture
def tiny(made_once: Path, tmp_path: Path) -> Path:
    """A model directory that a test may change."""
    folder = tmp_path / "tiny"
    shutil.copytree(made_once, folder)
    return folder
