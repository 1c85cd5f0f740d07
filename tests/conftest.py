"""Shared fixtures. Data and models that are not in the repository are named by environment variables."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mteb_hybrid.embeddings import clear_embeddings


@pytest.fixture(autouse=True)
def _empty_store():
    """No test reads embeddings that another one left behind."""
    clear_embeddings()
    yield
    clear_embeddings()


@pytest.fixture(scope="session")
def lareqa_data() -> Path:
    """The folder that holds xquad-r/ and mlqa-r/."""
    folder = os.environ.get("MTEB_HYBRID_DATA")
    if not folder:
        pytest.skip("MTEB_HYBRID_DATA is not set: it names a directory with xquad-r/*.json and mlqa-r/*.json")
    return Path(folder)


@pytest.fixture(scope="session")
def encoder_directory() -> Path:
    """A sentence-transformers directory with a real multilingual encoder."""
    folder = os.environ.get("MTEB_HYBRID_TEST_MODEL")
    if not folder:
        pytest.skip("MTEB_HYBRID_TEST_MODEL is not set: it names a directory of a multilingual sentence-transformer")
    return Path(folder)
