"""Sentence-transformers' own losses, and what the installed version of them knows."""

from __future__ import annotations

import inspect

import pytest

try:
    from sentence_transformers.sentence_transformer import losses
except ImportError:  # before 5.4
    from sentence_transformers import losses

MultipleNegativesRankingLoss = losses.MultipleNegativesRankingLoss
CachedMultipleNegativesRankingLoss = losses.CachedMultipleNegativesRankingLoss
MatryoshkaLoss = losses.MatryoshkaLoss

_KNOWS_DIRECTIONS = "directions" in inspect.signature(MultipleNegativesRankingLoss.__init__).parameters


def host_options(directions: tuple[str, ...], partition_mode: str) -> dict[str, object]:
    """Arguments of sentence-transformers' loss; skips the test where it has one direction only."""
    if _KNOWS_DIRECTIONS:
        return {"directions": directions, "partition_mode": partition_mode}
    if directions != ("query_to_doc",):
        pytest.skip("this sentence-transformers has one direction")
    return {}
