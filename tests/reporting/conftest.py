"""Results of two models, and what a report of them is made from."""

from __future__ import annotations

import itertools

import pytest
from miniqa_runs import write_runs

from mteb_hybrid.reporting import read_pooled, read_results, summarise


@pytest.fixture(scope="session")
def runs(tmp_path_factory):
    """A folder with results and predictions of two models on MiniQA-R."""
    folder = tmp_path_factory.mktemp("runs")
    write_runs(folder)
    return folder


@pytest.fixture(scope="session")
def summaries(runs):
    """What a report of both is made from."""
    return summarise(itertools.chain.from_iterable(map(read_results, [runs])), *read_pooled([runs]))
