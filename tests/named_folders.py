"""Data and models that are not in the repository, named by environment variables."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def named_folder(variable: str, what: str) -> Path:
    """The folder that an environment variable names; the test is skipped where it names none."""
    folder = os.environ.get(variable)
    if not folder:
        pytest.skip(f"{variable} is not set: it names {what}")
    return Path(folder)
