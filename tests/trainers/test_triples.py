"""Triples are numbered by arithmetic: against a list of them, written out."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mteb_hybrid.trainers.data.triples import Shape, Triples
from mteb_hybrid.trainers.labels import encode_label, label_cross_lingual, label_item, label_parallel

LANGUAGES = ("ar", "de", "en", "zh")
several = st.lists(st.sampled_from(LANGUAGES), min_size=1, max_size=4, unique=True).map(tuple)
shapes = st.lists(st.builds(Shape, st.integers(1, 5), several, several), min_size=1, max_size=5)


def listed(blocks: list[Shape]) -> list[tuple[int, int, int, str, str]]:
    """Item, block, place in the block, query and passage language of every row."""
    rows = []
    item = 0
    for number, shape in enumerate(blocks):
        for position in range(shape.count):
            rows += [(item, number, position, query, passage) for query in shape.queries for passage in shape.passages]
            item += 1
    return rows


@settings(deadline=None)
@given(shapes)
def test_every_row_is_decoded(blocks):
    """Rows are the triples in order, each once."""
    triples = Triples(blocks)
    expected = listed(blocks)
    names = triples.languages
    found = triples.decode(np.arange(triples.rows))
    numbers = zip(found.item, found.block, found.position, found.query, found.passage, strict=True)
    assert [(i, b, p, names[query], names[passage]) for i, b, p, query, passage in numbers] == expected
    assert triples.items == sum(shape.count for shape in blocks)
    assert list(names) == sorted({row[3] for row in expected} | {row[4] for row in expected})


@settings(deadline=None)
@given(shapes, st.randoms(use_true_random=False))
def test_encode_inverts_decode(blocks, dice):
    """The triple of a row has the row's number, in any order and with rows twice."""
    triples = Triples(blocks)
    rows = np.array([dice.randrange(triples.rows) for _ in range(20)])
    found = triples.decode(rows)
    assert triples.encode(found.item, found.query, found.passage).tolist() == rows.tolist()


@settings(deadline=None)
@given(shapes)
def test_blocks_with_a_pair(blocks):
    """A pair of languages is found in those blocks that have the one as query and the other as passage."""
    triples = Triples(blocks)
    for query in triples.languages:
        for passage in triples.languages:
            found = triples.blocks_with(triples.code(query), triples.code(passage))
            expected = [n for n, one in enumerate(blocks) if query in one.queries and passage in one.passages]
            assert list(found) == expected


@settings(deadline=None)
@given(shapes, st.sampled_from(["query", "passage"]))
def test_another_language(blocks, role):
    """Another language that the item has in the role, its own where there is no other; always the same for a row."""
    triples = Triples(blocks)
    rows = np.arange(triples.rows)
    found = triples.decode(rows)
    own = getattr(found, role)
    other = triples.another(found.block, own, rows, role)
    for number, before, after in zip(found.block, own, other, strict=True):
        has = blocks[number].queries if role == "query" else blocks[number].passages
        assert triples.languages[after] in has
        assert (after == before) == (len(has) == 1)
    order = np.random.default_rng(0).permutation(len(rows))
    again = triples.another(found.block[order], own[order], rows[order], role)
    assert again.tolist() == other[order].tolist()


def test_another_language_varies():
    """Among many rows of one language all others are about equally frequent."""
    triples = Triples([Shape(4_000, LANGUAGES, LANGUAGES)])
    rows = np.arange(triples.rows)
    found = triples.decode(rows)
    other = triples.another(found.block, found.query, rows, "query")
    counts = Counter(other[found.query == 1].tolist())
    assert set(counts) == {0, 2, 3}
    # 16,000 draws of probability 1/3 have a standard deviation of 60
    assert all(abs(count - 16_000 / 3) < 300 for count in counts.values())


def test_unknown_language():
    """The code of a language that no item has is an error."""
    with pytest.raises(ValueError, match="not in"):
        Triples([Shape(1, ("de",), ("en",))]).code("fr")


def test_billions_of_rows():
    """10 million items in 30 languages: 9 thousand million rows, and no array of them."""
    names = tuple(f"l{number:02}" for number in range(30))
    triples = Triples([Shape(10_000_000, names, names)])
    assert triples.rows == 9_000_000_000
    found = triples.decode(np.array([8_999_999_999]))
    assert (found.item[0], found.query[0], found.passage[0]) == (9_999_999, 29, 29)
    assert triples.encode(found.item, found.query, found.passage)[0] == 8_999_999_999


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2**61 - 1), st.booleans()), min_size=1), st.booleans())
def test_labels(rows, parallel):
    """Item, kind of pair and kind of row come out of a label as they went in, for arrays and for single numbers."""
    items = np.array([item for item, _ in rows], dtype=np.int64)
    cross = np.array([crosses for _, crosses in rows])
    labels = encode_label(items, cross, parallel=parallel)
    assert labels.dtype == np.int64
    assert label_item(labels).tolist() == items.tolist()
    assert label_cross_lingual(labels).tolist() == cross.astype(int).tolist()
    assert label_parallel(labels).tolist() == [int(parallel)] * len(rows)
    assert [encode_label(item, crosses, parallel=parallel) for item, crosses in rows] == labels.tolist()
