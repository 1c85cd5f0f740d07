"""Training data without texts, for tests of what is drawn, and the rows of it counted out one by one."""

from __future__ import annotations

from types import SimpleNamespace
from typing import NamedTuple

import numpy as np

from mteb_hybrid.trainers.data.rows import TrainingRows
from mteb_hybrid.trainers.data.triples import Shape, Triples


class Row(NamedTuple):
    """A row of training data."""

    item: int
    query: str
    passage: str

    @property
    def cross(self) -> bool:
        return self.query != self.passage


def data(shapes: list[Shape], groups=None, **options) -> SimpleNamespace:
    """What the sampler takes for a data set of items of these shapes."""
    groups = None if groups is None else np.array(groups, dtype=np.int64)
    return SimpleNamespace(training_rows=TrainingRows(Triples(shapes), groups, **options), shapes=shapes)


def dense(items: int, languages: str = "ar de en") -> SimpleNamespace:
    """Items that all have all languages."""
    return data([Shape(items, tuple(languages.split()), tuple(languages.split()))])


def sparse(seed: int = 0, patterns: int = 12, languages: str = "ar de en es hi vi zh") -> SimpleNamespace:
    """Items in 2 to 4 of the languages, such as those of MLQA-R."""
    rng = np.random.default_rng(seed)
    names = languages.split()
    shapes = []
    for _ in range(patterns):
        some = tuple(sorted(rng.choice(names, size=rng.integers(2, 5), replace=False).tolist()))
        shapes.append(Shape(int(rng.integers(20, 60)), some, some))
    # every language for itself, so that a batch of X-X can be filled
    return data([*shapes, *(Shape(20, (name,), (name,)) for name in names)])


def count_rows(shapes: list[Shape]) -> list[Row]:
    """All rows in their order: block after block, item after item, query language after query language."""
    rows = []
    item = 0
    for shape in shapes:
        for _ in range(shape.count):
            rows += [Row(item, query, passage) for query in shape.queries for passage in shape.passages]
            item += 1
    return rows
