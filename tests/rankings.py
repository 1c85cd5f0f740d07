"""Whole rankings of a pool, drawn as text or by hypothesis: what the metrics' tests and their plain oracles share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st

from mteb_hybrid.metrics import QueryRanks

LANGUAGES = ["en", "de", "fr", "sw"]


@dataclass(frozen=True)
class Passage:
    """A passage of one ranking: its language, as a position in `LANGUAGES`, and whether it answers the question."""

    language: int
    relevant: bool = False


Ranking = list[Passage]  # the whole pool, best first


def drawn(text: str) -> Ranking:
    """A ranking as in the docs, such as ``en de* fr``; the star marks relevant passages."""
    return [Passage(LANGUAGES.index(word.rstrip("*")), word.endswith("*")) for word in text.split()]


def query_ranks(rankings: list[Ranking], pool_size: int | None = None) -> QueryRanks:
    """What the metrics get to see of the rankings; the pairs come in an order that means nothing."""
    pairs = [
        (query, rank, passage.language)
        for query, ranking in enumerate(rankings)
        for rank, passage in enumerate(ranking, start=1)
        if passage.relevant
    ]
    query, rank, language = (np.array([pair[i] for pair in pairs[::-1]], dtype=np.int64) for i in range(3))
    size = pool_size or max([1, *map(len, rankings)])
    return QueryRanks.from_pairs(query, rank, queries=len(rankings), pool_size=size, language=language)


def top_languages(rankings: list[Ranking], depth: int) -> np.ndarray:
    """Language of the passage at each rank, shape (queries, depth); -1 where the list has ended."""
    top = np.full((len(rankings), depth), -1, dtype=np.int64)
    for query, ranking in enumerate(rankings):
        for rank, passage in enumerate(ranking[:depth]):
            top[query, rank] = passage.language
    return top


def random_ranks(relevant: list[int], pool_size: int, rankings: int, seed: int = 0) -> QueryRanks:
    """Rankings in random order, with one relevant passage for each language that is listed."""
    rng = np.random.default_rng(seed)
    rank = np.argsort(rng.random((rankings, pool_size)), axis=1)[:, : len(relevant)] + 1
    return QueryRanks.from_pairs(
        np.repeat(np.arange(rankings), len(relevant)),
        rank.ravel(),
        queries=rankings,
        pool_size=pool_size,
        language=np.tile(relevant, rankings),
    )


def near(values: np.ndarray, expected: float) -> bool:
    """Whether the mean of a sample is within five standard errors of what is expected."""
    return abs(values.mean() - expected) <= 5 * values.std() / np.sqrt(len(values))


@st.composite
def rankings(draw, min_queries: int = 0) -> list[Ranking]:
    """Orders of one small pool for a few questions, with any number of relevant passages, also none and all."""
    pool = draw(st.lists(st.integers(0, len(LANGUAGES) - 1), min_size=1, max_size=12))
    drawn_rankings = []
    for _ in range(draw(st.integers(min_queries, 4))):
        relevant = draw(st.sets(st.integers(0, len(pool) - 1), max_size=draw(st.sampled_from([1, 4, len(pool)]))))
        order = draw(st.permutations(range(len(pool))))
        drawn_rankings.append([Passage(pool[number], number in relevant) for number in order])
    return drawn_rankings


@st.composite
def moved_up(draw) -> tuple[Ranking, Ranking, int]:
    """A ranking, the same one with a relevant passage one place higher, above one that is not, and its new place."""
    before = draw(rankings(min_queries=1))[0]
    here = [i for i in range(1, len(before)) if before[i].relevant and not before[i - 1].relevant]
    if not here:
        before, here = [Passage(0), *before[:-1], Passage(1, relevant=True)], [len(before)]
        if before[-2].relevant:
            before[-2] = Passage(before[-2].language)
    place = draw(st.sampled_from(here))
    after = before.copy()
    after[place - 1], after[place] = before[place], before[place - 1]
    return before, after, place - 1


def with_copy(ranking: Ranking, place: int) -> Ranking:
    """The ranking with a copy of a passage right below it, which nobody judged."""
    return [*ranking[: place + 1], Passage(ranking[place].language), *ranking[place + 1 :]]


def renamed(ranking: Ranking, names: list[int]) -> Ranking:
    """The ranking with every language replaced by another one."""
    return [Passage(names[passage.language], passage.relevant) for passage in ranking]
