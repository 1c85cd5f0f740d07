"""The study's modules lie outside of the package; its tests are skipped where they are not there."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

STUDY = Path(__file__).parents[2] / "study"
if STUDY.is_dir():
    sys.path.insert(0, str(STUDY))
else:
    collect_ignore_glob = ["test_*.py"]


@pytest.fixture(scope="session")
def study() -> Path:
    """The study's folder."""
    return STUDY
