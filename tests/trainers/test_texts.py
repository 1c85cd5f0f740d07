"""Texts of a block are read from their table, whichever rows they lie in."""

from __future__ import annotations

import numpy as np
import pytest
from datasets import Dataset

from mteb_hybrid.trainers.data.texts import Block, Texts, column_texts

WORDS = [f"word {number}" for number in range(25)]
TABLE = Dataset.from_dict({"text": WORDS, "other": list(range(25))})


def positions(*numbers: int) -> np.ndarray:
    return np.array(numbers, dtype=np.int64)


@pytest.mark.parametrize(
    ("rows", "items"),
    [
        (0, WORDS),
        (7, WORDS[7:]),
        (np.array([3, 1, 24, 1], dtype=np.int32), [WORDS[3], WORDS[1], WORDS[24], WORDS[1]]),
        (np.array([24], dtype=np.int64), [WORDS[24]]),
    ],
)
class TestTexts:
    """Rows one after the other from a first one on, or rows of an array."""

    def test_read(self, rows, items):
        """Any positions, in the order asked for, also twice and none."""
        texts = column_texts(TABLE, "text", rows)
        asked = [0, len(items) - 1, 0, len(items) // 2]
        assert texts.read(positions(*asked)) == [items[place] for place in asked]
        assert texts.read(positions()) == []

    @pytest.mark.parametrize("size", [1, 3, 1_000])
    def test_chunks(self, rows, items, size):
        """The items in order, in full chunks and a rest."""
        chunks = list(column_texts(TABLE, "text", rows).chunks(len(items), size))
        assert [text for chunk in chunks for text in chunk] == items
        assert [len(chunk) for chunk in chunks[:-1]] == [size] * (len(chunks) - 1)

    def test_select(self, rows, items):
        """A selection has the selected items' texts; its rows take 4 bytes each."""
        place = positions(*reversed(range(len(items))))
        selected = column_texts(TABLE, "text", rows).select(place)
        assert selected.read(positions(*range(len(items)))) == items[::-1]
        assert selected.rows.dtype == np.int32


def test_only_the_column_is_read():
    """A format that was set, and other columns, have no part in it."""
    shuffled = TABLE.with_format("numpy").select([5, 4, 3])
    texts = column_texts(shuffled, "text")
    assert texts.dataset.column_names == ["text"]
    assert texts.read(positions(1, 0)) == ["word 4", "word 5"]
    assert all(type(text) is str for text in texts.read(positions(0, 1, 2)))


@pytest.fixture
def block() -> Block:
    def texts(start: int) -> Texts:
        return column_texts(TABLE, "text", start)

    return Block(
        3,
        {"de": texts(0), "en": texts(3)},
        {"en": texts(6), "fr": texts(9)},
        {"en": (texts(12), texts(15)), "fr": (texts(18), texts(21))},
        "words",
    )


def test_block_select(block):
    """All texts of the selected items, negatives too; the block itself stays as it was."""
    selected = block.select(positions(2, 0))
    assert (selected.count, selected.collection) == (2, "words")
    assert selected.queries["de"].read(positions(0, 1)) == ["word 2", "word 0"]
    assert selected.passages["fr"].read(positions(0, 1)) == ["word 11", "word 9"]
    assert selected.negatives["en"][1].read(positions(0, 1)) == ["word 17", "word 15"]
    assert block.count == 3
    assert block.queries["de"].read(positions(2)) == ["word 2"]


def test_selected_texts_share_their_rows(block):
    """Texts that lie in the same rows need one list of them, however many languages there are."""
    once = block.select(positions(2, 0, 1))
    rows = [texts.rows for texts in (*once.queries.values(), *once.passages.values())]
    assert len({id(one) for one in rows}) == len({one.tobytes() for one in rows}) == 4
    assert rows[0].dtype == np.int32
    same = Block(3, {"de": block.queries["de"], "en": block.queries["de"]}, {"de": block.queries["de"]})
    twice = same.select(positions(2, 0)).select(positions(1))
    assert len({id(texts.rows) for texts in (*twice.queries.values(), *twice.passages.values())}) == 1
    assert twice.queries["en"].read(positions(0)) == ["word 0"]


@pytest.mark.parametrize(
    ("languages", "queries", "passages"),
    [
        (["en"], ["en"], ["en"]),
        (["de", "fr", "xx"], ["de"], ["fr"]),
        (["de"], None, None),
        (["fr"], None, None),
        ([], None, None),
    ],
)
def test_block_restrict(block, languages, queries, passages):
    """Only the languages asked for; nothing where no query or no passage is left."""
    restricted = block.restrict(iter(languages))
    if queries is None:
        assert restricted is None
    else:
        assert list(restricted.queries) == queries
        assert list(restricted.passages) == list(restricted.negatives) == passages
        assert restricted.count == 3
