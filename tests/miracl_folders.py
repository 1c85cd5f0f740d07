"""Fixtures of the MIRACL tests: a small stand-in on three languages, and caches that no other test sees."""

from __future__ import annotations

import datasets
import pytest
from miracl_runs import write_data


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A folder for MTEB_HYBRID_DATA."""
    return write_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def folders(data, tmp_path_factory):
    """The variables and settings under which `data` is read; for a whole module."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("MTEB_HYBRID_DATA", str(data))
        patched.setenv("MTEB_HYBRID_CACHE", str(tmp_path_factory.mktemp("cache")))
        patched.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path_factory.mktemp("datasets"))
        yield
