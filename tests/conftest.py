"""Shared fixtures. Data and models that are not in the repository are named by environment variables."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pytest
from fresh_mteb import fresh
from named_folders import named_folder

from mteb_hybrid.embeddings import clear_embeddings

__all__ = ["fresh"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with the largest share of slow tests first, so that no process is left alone with one at the end."""
    slow: dict[Path, list[bool]] = defaultdict(list)
    for item in items:
        slow[item.path].append(item.get_closest_marker("slow") is not None)
    items.sort(key=lambda item: -sum(slow[item.path]) / len(slow[item.path]))


@pytest.fixture(autouse=True)
def _empty_store():
    """No test reads embeddings that another one left behind."""
    clear_embeddings()
    yield
    clear_embeddings()


@pytest.fixture(scope="session")
def lareqa_data() -> Path:
    """The folder that holds xquad-r/ and mlqa-r/."""
    return named_folder("MTEB_HYBRID_DATA", "a directory with xquad-r/*.json and mlqa-r/*.json")


@pytest.fixture(scope="session")
def encoder_directory() -> Path:
    """A sentence-transformers directory with a real multilingual encoder."""
    return named_folder("MTEB_HYBRID_TEST_MODEL", "a directory of a multilingual sentence-transformer")


@pytest.fixture(scope="session")
def ntrex_data() -> Path:
    """The folder that holds NTREX's sentences, a file for each language."""
    return named_folder("MTEB_HYBRID_TEST_NTREX", "a directory with NTREX's sentences, such as swa.txt")


@pytest.fixture(scope="session")
def runs(tmp_path_factory) -> Path:
    """A folder with results and predictions of two models on MiniQA-R."""
    from miniqa_runs import write_runs

    folder = tmp_path_factory.mktemp("runs")
    write_runs(folder)
    return folder
