"""A corpus on disk: its texts are MTEB's, its tie-break positions a permutation, and its ids are found by scanning."""

from __future__ import annotations

import numpy as np
import pytest
from datasets import Dataset, load_from_disk
from hypothesis import given, settings
from hypothesis import strategies as st
from mteb._create_dataloaders import create_dataloader
from mteb.types import PromptType

from mteb_hybrid.errors import CollectionError
from mteb_hybrid.streaming import corpus as module
from mteb_hybrid.streaming.corpus import Corpus, passage_of

MODEST = settings(deadline=None, max_examples=40)
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
NUMBERS = st.integers(0, 2**22 - 1)
ROWS = st.integers(0, 2**40 - 1)


def corpus(rows, *, language="sw", number=0, revision="1", name="MIRACL") -> Corpus:
    table = rows if isinstance(rows, Dataset) else Dataset.from_list(rows)
    return Corpus(name, language, number, table, revision)


def passages(count, prefix="p"):
    return [{"id": f"{prefix}{i}", "title": f"title {i % 7}", "text": f"text {i}"} for i in range(count)]


class TestTexts:
    @given(st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=6))
    @MODEST
    def test_as_mteb_gives_them_to_a_model(self, rows):
        """Title, a space and text, stripped: what MTEB's own DataLoader makes of the same table, for any characters."""
        import mteb

        table = Dataset.from_list([{"id": str(i), "title": t, "text": x} for i, (t, x) in enumerate(rows)])
        metadata = mteb.get_task("MIRACLRetrieval").metadata
        loader = create_dataloader(table, task_metadata=metadata, prompt_type=PromptType.document, batch_size=2)
        expected = [text for batch in loader for text in batch["text"]]
        assert corpus(table).texts(slice(0, len(rows))) == expected

    def test_without_a_title(self):
        """An empty and a missing title add nothing, nor does a table without titles; a text is stripped."""
        rows = [
            {"id": "a", "title": "", "text": " one "},
            {"id": "b", "title": None, "text": "two"},
            {"id": "c", "title": "T", "text": "three\n"},
        ]
        assert corpus(rows).texts(slice(0, 3)) == ["one", "two", "T three"]
        untitled = [{"id": row["id"], "text": row["text"]} for row in rows]
        assert corpus(untitled).texts(slice(0, 3)) == ["one", "two", "three"]

    def test_by_slice_and_by_rows(self):
        """A slice, and rows in any order and repeated, give the texts and ids of these rows."""
        own = corpus(passages(20))
        everything = own.texts(slice(0, 20))
        assert everything == [f"title {i % 7} text {i}" for i in range(20)]
        assert own.texts([7, 3, 3]) == [everything[7], everything[3], everything[3]]
        assert own.ids([7, 3, 3]) == ["p7", "p3", "p3"]
        assert own.ids([]) == []
        assert len(own) == 20


class TestOrder:
    @given(st.lists(st.tuples(NUMBERS, ROWS), min_size=1, max_size=40, unique=True))
    @MODEST
    def test_inverse_and_unique(self, places):
        """Positions of different passages of any corpora differ, lie in [0, 2^62), and give the passage back."""
        order = np.concatenate([corpus([], number=number).order(np.array([row])) for number, row in places])
        assert order.dtype == np.int64
        assert ((order >= 0) & (order < 2**62)).all()
        assert len(set(order.tolist())) == len(places)
        number, row = passage_of(order)
        assert list(zip(number.tolist(), row.tolist(), strict=True)) == places

    def test_no_language_and_no_place_is_favoured(self):
        """Among 18 corpora of 2,000 rows the first tenth by position holds each corpus and each tenth of the rows."""
        rows = np.arange(2000)
        order = np.stack([corpus([], number=number).order(rows) for number in range(18)])
        first = order < np.quantile(order, 0.1)
        assert np.abs(first.mean(axis=1) - 0.1).max() < 0.03
        assert np.abs(first.reshape(18, 10, 200).mean(axis=(0, 2)) - 0.1).max() < 0.03

    def test_fixed_for_good(self):
        """The permutation never changes: scores of pools with ties, and what is on disk, hang on it."""
        numbers, rows = [0, 0, 1, 17], [0, 1, 0, 32_893_220]
        order = [int(corpus([], number=n).order(np.array([r]))[0]) for n, r in zip(numbers, rows, strict=True)]
        assert order == [scattered((n << 40) | r) for n, r in zip(numbers, rows, strict=True)]


def scattered(x: int) -> int:
    """The documented permutation with Python's integers."""
    for _ in range(2):
        x = x * 0x1B03738712FAD5C9 % 2**62
        x ^= x >> 31
    return x


class TestFind:
    @pytest.mark.parametrize("scan", [1, 3, 10, 100])
    def test_rows_of_ids(self, scan, monkeypatch):
        """However many rows are looked at together, every id has its row."""
        monkeypatch.setattr(module, "_SCAN", scan)
        own = corpus(passages(23))
        assert own.find(["p22", "p0", "p9", "p9"]) == {"p22": 22, "p0": 0, "p9": 9}
        assert own.find([]) == {}

    @pytest.mark.parametrize("scan", [2, 100])
    def test_a_missing_id(self, scan, monkeypatch):
        """An id that is not there is named, with the corpus, the revision and how many are missing."""
        monkeypatch.setattr(module, "_SCAN", scan)
        with pytest.raises(CollectionError, match=r"sw of MIRACL \(1\): 2 relevant passages are missing.*'p5'"):
            corpus(passages(5)).find(["p1", "p6", "p5"])

    @pytest.mark.parametrize("scan", [2, 100])
    @pytest.mark.parametrize("second", [1, 4])
    def test_an_id_that_is_there_twice(self, scan, second, monkeypatch):
        """Two rows of one id are refused, in one block of the scan or in two; not so if nobody asks for it."""
        monkeypatch.setattr(module, "_SCAN", scan)
        rows = passages(6)
        rows[second]["id"] = "p0"
        with pytest.raises(CollectionError, match="'p0' stands there twice"):
            corpus(rows).find(["p0", "p2"])
        assert corpus(rows).find(["p2"]) == {"p2": 2}

    def test_in_a_table_on_disk_with_rows_left_out(self, tmp_path):
        """A memory-mapped table with an indices mapping is scanned by its visible rows."""
        Dataset.from_list(passages(30)).save_to_disk(tmp_path)
        table = load_from_disk(tmp_path).select([5, 25, 10])
        assert corpus(table).find(["p10", "p25"]) == {"p25": 1, "p10": 2}


class TestIdentity:
    def test_the_same_for_the_same_data(self):
        """Two tables with the same rows, one of them read from elsewhere, are one corpus."""
        assert corpus(passages(50)).identity() == corpus(passages(50)).identity()
        assert len(corpus(passages(50)).identity()) == 24

    @pytest.mark.parametrize(
        "changed",
        [{"revision": "2"}, {"language": "te"}, {"number": 1}, {"name": "MIRACLHardNegatives"}],
        ids=lambda changed: next(iter(changed)),
    )
    def test_differs_with_what_it_is_a_version_of(self, changed):
        """Revision, language, number and collection tell corpora of equal rows apart."""
        assert corpus(passages(50), **changed).identity() != corpus(passages(50)).identity()

    def test_differs_with_the_rows(self):
        """One row more, another text, title or id, and another order."""
        rows = passages(50)
        variants = [rows, rows[:-1], rows[::-1]]
        variants += [[*rows[:20], rows[20] | {name: "other"}, *rows[21:]] for name in ("id", "title", "text")]
        # where one field ends and the next begins
        variants.append([{"id": "a", "title": "", "text": "b c"}])
        variants.append([{"id": "a b", "title": "", "text": "c"}])
        assert len({corpus(variant).identity() for variant in variants}) == len(variants)

    def test_of_a_large_corpus_looks_at_both_ends(self):
        """Of 5,000 rows a sample is read, with the first and the last among them."""
        rows = passages(5000)
        first, last = [rows[0] | {"text": "other"}, *rows[1:]], [*rows[:-1], rows[-1] | {"text": "other"}]
        assert len({corpus(variant).identity() for variant in (rows, first, last)}) == 3
