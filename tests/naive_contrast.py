"""InfoNCE by the book: one query, one passage and one exponential at a time, on lists of floats."""

from __future__ import annotations

import math
from collections.abc import Sequence

Vector = Sequence[float]
Column = Sequence[Vector]


def dot(left: Vector, right: Vector) -> float:
    return sum(x * y for x, y in zip(left, right, strict=True))


def cosine(left: Vector, right: Vector) -> float:
    return dot(left, right) / math.sqrt(dot(left, left) * dot(right, right))


def log_sum_exp(scores: Sequence[float]) -> float:
    largest = max(scores)
    return largest + math.log(sum(math.exp(score - largest) for score in scores))


def log_softmax(scores: Sequence[float]) -> list[float]:
    return [score - log_sum_exp(scores) for score in scores]


def naive_losses(
    queries: Column,
    positives: Sequence[Column],
    negatives: Sequence[Column] = (),
    items: Sequence[int] | None = None,
    directions: Sequence[str] = ("query_to_doc",),
    mode: str = "joint",
    scale: float = 20.0,
    similarity=cosine,
) -> list[float]:
    """The loss of every row."""
    items = range(len(queries)) if items is None else items
    return [
        sum(
            naive_loss(row, column[row], queries, positives, negatives, items, directions, mode, scale, similarity)
            for column in positives
        )
        / len(positives)
        for row in range(len(queries))
    ]


def naive_loss(
    row: int, positive: Vector, queries, positives, negatives, items, directions, mode, scale, similarity
) -> float:
    """The loss of one row with one positive."""
    query, goal = queries[row], scale * similarity(queries[row], positive)
    others = [other for other in range(len(queries)) if items[other] != items[row]]
    scores = {"query_to_doc": [goal]}
    for column in positives:
        scores["query_to_doc"] += [scale * similarity(query, column[other]) for other in others]
    for column in negatives:
        scores["query_to_doc"] += [scale * similarity(query, negative) for negative in column]
    if "query_to_query" in directions:
        scores["query_to_query"] = [scale * similarity(query, queries[other]) for other in others]
    if "doc_to_query" in directions:
        scores["doc_to_query"] = [goal] + [scale * similarity(queries[other], positive) for other in others]
    if "doc_to_doc" in directions:
        scores["doc_to_doc"] = [
            scale * similarity(column[other], positive) for column in [*positives, *negatives] for other in others
        ]
    if mode == "joint":
        return log_sum_exp([score for part in scores.values() for score in part]) - goal
    return sum(log_sum_exp(part) for part in scores.values()) / len(scores) - goal


def naive_consistency(
    queries: Column,
    parallel_queries: Column,
    positives: Sequence[Column],
    negatives: Sequence[Column] = (),
    items: Sequence[int] | None = None,
    scale: float = 20.0,
    similarity=cosine,
) -> list[float]:
    """Half the sum of both divergences, of every row."""
    items = range(len(queries)) if items is None else items
    divergences = []
    for row in range(len(queries)):
        documents = [
            column[other]
            for column in positives
            for other in range(len(queries))
            if other == row or items[other] != items[row]
        ]
        documents += [negative for column in negatives for negative in column]
        p, q = (
            [scale * similarity(one[row], document) for document in documents] for one in (queries, parallel_queries)
        )
        p, q = ([score - log_sum_exp(scores) for score in scores] for scores in (p, q))
        forward = sum(math.exp(a) * (a - b) for a, b in zip(p, q, strict=True))
        backward = sum(math.exp(b) * (b - a) for a, b in zip(p, q, strict=True))
        divergences.append((forward + backward) / 2)
    return divergences
