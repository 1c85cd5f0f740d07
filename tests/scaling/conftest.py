"""Fixtures of the tests on clusters: MIRACL's stand-in, and what one process makes of it."""

from __future__ import annotations

import pytest
from miracl_folders import data, folders
from miracl_runs import Pooled, evaluate
from recording_encoder import RecordingEncoder

from mteb_hybrid.embeddings import clear_embeddings

__all__ = ["data", "folders", "here"]


@pytest.fixture(scope="module")
def two_nodes():
    """A cluster of two nodes with a CPU each, for tests that lose none of them."""
    pytest.importorskip("ray")
    from ray_clusters import simulated_cluster

    with simulated_cluster(2) as nodes:
        yield nodes


@pytest.fixture(scope="module")
def here(folders, tmp_path_factory):
    """Scores and rank tables of the pooled task, by one process."""
    from distributed_runs import tables

    folder = tmp_path_factory.mktemp("here")
    scores, _ = evaluate(RecordingEncoder(folder), Pooled(), prediction_folder=folder / "tables")
    clear_embeddings()
    return scores, tables(folder / "tables")
