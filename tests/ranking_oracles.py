"""Rankings by definition, of problems that are small: what the kernel is held against; shares no code with it."""

from __future__ import annotations

import math

import numpy as np
from ranking_problems import Problem

from mteb_hybrid.ranking import Ranking


def oracle_scores(problem: Problem) -> list[list[float]]:
    """Correctly rounded sums of exact products (float32 times float32 fits a float64), one number at a time."""
    queries, passages = problem.queries.tolist(), problem.passages.tolist()
    lengths = [math.sqrt(math.fsum(x * x for x in passage)) for passage in passages]
    scores = [[math.fsum(x * y for x, y in zip(q, p, strict=True)) for p in passages] for q in queries]
    if problem.similarity == "dot":
        return scores
    own = [math.sqrt(math.fsum(x * x for x in query)) for query in queries]
    return [[s / a / b for s, b in zip(row, lengths, strict=True)] for row, a in zip(scores, own, strict=True)]


def decided(problem: Problem, scores: list[list[float]]) -> bool:
    """Whether passages score 1e-12 apart, in units of both vectors' lengths, unless their embeddings are equal."""
    lengths = np.linalg.norm(problem.passages.astype(np.float64), axis=1)
    same = (problem.passages[:, None] == problem.passages[None]).all(axis=2)
    for query, row in zip(problem.queries.astype(np.float64), np.array(scores), strict=True):
        unit = np.linalg.norm(query) * np.maximum(lengths[:, None], lengths[None]) if problem.similarity == "dot" else 1
        if not (same | (np.abs(row[:, None] - row[None]) > 1e-12 * unit)).all():
            return False
    return True


def oracle_rankings(problem: Problem, scores: list[list]) -> list[list[int]]:
    """Passages of each query, best first: by score, then by tie-break position."""
    return [sorted(range(len(row)), key=lambda p: (-row[p], problem.order[p])) for row in scores]


def check(problem: Problem, ranking: Ranking, scores: list[list], top_k: int, relative: float = 0) -> None:
    """Ranks, counts per segment, and the best k are the oracle's."""
    rankings = oracle_rankings(problem, scores)
    for pair, (query, passage) in enumerate(zip(problem.pair_query, problem.pair_passage, strict=True)):
        above = rankings[query][: rankings[query].index(passage)]
        assert ranking.above[pair].tolist() == np.bincount(problem.segment[above], minlength=problem.segments).tolist()
        assert ranking.ranks()[pair] == len(above) + 1
    for query, best in enumerate(rankings):
        missing = max(0, top_k - len(best))
        assert ranking.top_order[query].tolist() == [int(problem.order[p]) for p in best[:top_k]] + [-1] * missing
        expected = [float(scores[query][p]) for p in best[:top_k]] + [-math.inf] * missing
        if relative:
            lengths = np.linalg.norm(problem.passages[best[:top_k]].astype(np.float64), axis=1)
            lengths *= np.linalg.norm(problem.queries[query].astype(np.float64))
            allowed = relative * (lengths if problem.similarity == "dot" else np.ones_like(lengths))
            kept = len(best[:top_k])
            assert (np.abs(ranking.top_scores[query][:kept] - expected[:kept]) <= allowed).all()
            assert ranking.top_scores[query][kept:].tolist() == expected[kept:]
        else:
            assert ranking.top_scores[query].tolist() == expected
