"""What a report of two models is made from."""

from __future__ import annotations

import itertools

import pytest

from mteb_hybrid.reporting import read_pooled, read_results, summarise


@pytest.fixture(scope="session")
def summaries(runs):
    """What a report of both is made from."""
    return summarise(itertools.chain.from_iterable(map(read_results, [runs])), *read_pooled([runs]))
