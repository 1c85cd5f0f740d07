"""Several models: every pair of them, with p-values that know how many pairs there are."""

from __future__ import annotations

import dataclasses
import itertools
import logging
from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np
from tqdm.auto import tqdm

from mteb_hybrid.significance import bootstrap, flips
from mteb_hybrid.significance.adjust import holm
from mteb_hybrid.significance.comparison import compare

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mteb_hybrid.significance.comparison import Comparison
    from mteb_hybrid.significance.scores import ModelScores

logger = logging.getLogger(__name__)


def compare_all(
    models: Sequence[ModelScores],
    metric: str = "map",
    *,
    draws: int = flips.DRAWS,
    samples: int = bootstrap.DRAWS,
    seed: int = 0,
) -> list[Comparison]:
    """Compare every pair of some models, and adjust the p-values of their means over the pairs by Holm's method.

    The pairs of one collection and setting are one family. Arguments as of `compare`.

    Raises:
        ResultsError: No two models have a setting in common, or results of one are of different data.
    """
    pairs = list(itertools.combinations(models, 2))
    if any(map(_comparable, pairs)):
        for first, second in itertools.filterfalse(_comparable, pairs):
            logger.warning(
                "%s and %s are not compared: they have no task and subset in common", first.label, second.label
            )
        pairs = list(filter(_comparable, pairs))
    found = [
        comparison
        for first, second in tqdm(pairs, desc="Comparing", unit="pair", disable=None if len(pairs) > 1 else True)
        for comparison in compare(first, second, metric, draws=draws, samples=samples, seed=seed)
    ]
    families: dict[tuple[str, str], list[int]] = defaultdict(list)
    for number, one in enumerate(found):
        families[one.collection, one.setting].append(number)
    for members in families.values():
        adjusted = holm(np.array([found[number].mean.p for number in members]))
        for number, p in zip(members, adjusted.tolist(), strict=True):
            found[number] = dataclasses.replace(found[number], p_over_pairs=p, pairs=len(members))
    return found


def _comparable(pair: tuple[ModelScores, ModelScores]) -> bool:
    first, second = (one.scores for one in pair)
    return any(first[family].keys() & second[family].keys() for family in first.keys() & second.keys())
