"""Embeddings that the store refuses, and those that it takes."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from stored_encoders import Encoder, Model

from mteb_hybrid.embeddings import EmbeddingStore
from mteb_hybrid.errors import EmbeddingError

GOOD = [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]


def with_row(row: list[float]) -> np.ndarray:
    return np.array([GOOD[0], row, GOOD[2]], dtype=np.float32)


BAD = {
    "nan": (with_row([1, math.nan]), "new-1"),
    "infinite": (with_row([math.inf, 1]), "new-1"),
    "minus infinite": (with_row([1, -math.inf]), "new-1"),
    "zero": (with_row([0, -0.0]), "new-1"),
    "several": (np.array([GOOD[0], GOOD[1], [0, 0]]) * [[1], [math.nan], [1]], "new-1"),
    "last": (np.array([*GOOD[:2], [0, 0]]), "new-2"),
    "too few": (np.array(GOOD[:1]), "new-1"),
    "none at all": (np.empty((0, 2)), "new-0"),
    "too many": (np.array([*GOOD, GOOD[0]]), "new-2"),
    "one number each": (np.array([1.0, 2.0, 3.0]), "new-0"),
    "no dimension": (np.ones((3, 0)), "new-0"),
    "three axes": (np.ones((3, 2, 2)), "new-0"),
    "unequal vectors": ([[1.0, 2.0], [3.0], [5.0, 6.0]], "new-0"),
    "nothing": (None, "new-0"),
    "a dictionary": ({"embeddings": GOOD}, "new-0"),
    "words": ([["a", "b"]] * 3, "new-0"),
    "objects": ([[object()] * 2] * 3, "new-0"),
    "torch nan": (torch.tensor(GOOD).bfloat16() * torch.tensor([[1], [math.nan], [1]]), "new-1"),
    "list with gradients": ([torch.ones(width, requires_grad=True) for width in (2, 3, 2)], "new-0"),
    "another dimension": (np.ones((3, 5)), "new-0"),
}
NEW = ["new-0", "new-1", "new-2"]


class TestRefusing:
    @pytest.mark.parametrize(("raw", "text"), BAD.values(), ids=BAD)
    def test_bad_batch(self, raw, text):
        """What cannot be ranked is refused by model, task and first bad text; nothing of it stays, the rest does."""
        store, model, encoder = EmbeddingStore(), Model(), Encoder(dimension=2)
        store.embed(model, "k", ["old"], encoder)
        before = store.nbytes
        with pytest.raises(EmbeddingError) as caught:
            store.embed(model, "k", [NEW[0], "old", *NEW[1:]], lambda texts: raw, "the model X on task Y")
        assert "the model X on task Y" in str(caught.value)
        named = {new for new in NEW if repr(new) in str(caught.value)}
        # of too many embeddings none is known to belong to a text
        assert named == {text} or (raw is BAD["too many"][0] and len(named) == 1)
        assert store.nbytes == before
        store.embed(model, "k", ["old"], encoder)
        store.embed(model, "k", NEW, encoder)
        assert encoder.batches == [["old"], NEW]

    @pytest.mark.parametrize("name", [name for name in BAD if name != "another dimension"])
    def test_bad_first_batch(self, name):
        """A model whose first batch is bad leaves nothing behind, not even a dimension."""
        store, model = EmbeddingStore(), Model()
        with pytest.raises(EmbeddingError):
            store.embed(model, "k", NEW, lambda texts: BAD[name][0])
        assert store.nbytes == 0
        encoder = Encoder(dimension=9)
        assert store.embed(model, "k", NEW, encoder).shape == (3, 9)
        assert encoder.batches == [NEW]

    def test_error_of_the_encoder(self):
        """What the encoder raises comes out as it is, and nothing is kept."""
        store, model = EmbeddingStore(), Model()
        with pytest.raises(ZeroDivisionError):
            store.embed(model, "k", NEW, lambda texts: 1 / 0)
        assert store.nbytes == 0

    def test_sparse_tensor(self):
        """A sparse tensor is read or refused, but by no other error than ours."""
        try:
            embeddings = EmbeddingStore().embed(Model(), "k", NEW, lambda texts: torch.tensor(GOOD).to_sparse())
        except EmbeddingError as error:
            assert "'new-0'" in str(error)  # noqa: PT017
        else:
            assert embeddings.tolist() == GOOD

    def test_overflow(self):
        """Float64 numbers beyond float32's range are infinite, those below it zero: neither can be ranked."""
        with np.errstate(over="ignore", under="ignore"):
            for value, kind in ((1e300, "infinite"), (1e-300, "zero")):
                with pytest.raises(EmbeddingError, match=f"{kind} embedding for 'a'"):
                    EmbeddingStore().embed(Model(), "k", ["a"], lambda texts, v=value: np.array([[v, v]]))

    def test_long_texts_are_cut(self):
        """A message quotes the beginning of a long text, not all of it."""
        with pytest.raises(EmbeddingError) as caught:
            EmbeddingStore().embed(Model(), "k", ["start" + "x" * 10_000], lambda texts: np.zeros((1, 2)))
        assert "'startxxx" in str(caught.value)
        assert len(str(caught.value)) < 400


class TestAccepting:
    @pytest.mark.parametrize(
        "raw",
        [
            np.array(GOOD),
            np.array(GOOD, dtype=np.float16),
            np.array(GOOD, dtype=np.int64),
            np.asfortranarray(np.array(GOOD, dtype=np.float32)),
            GOOD,
            torch.tensor(GOOD, dtype=torch.bfloat16),
            torch.tensor(GOOD, dtype=torch.float16),
            torch.tensor(GOOD, dtype=torch.float64, requires_grad=True),
            torch.tensor(GOOD).T.contiguous().T,
            [torch.tensor(row) for row in GOOD],
            [np.array(row) for row in GOOD],
        ],
    )
    def test_kinds(self, raw):
        """Arrays, lists and tensors of any number type, layout and gradient become the same float32."""
        embeddings = EmbeddingStore().embed(Model(), "k", NEW, lambda texts: raw)
        assert embeddings.dtype == np.float32
        assert embeddings.tolist() == GOOD

    def test_one_component_other_than_zero_is_enough(self):
        """A row with a single subnormal component is not zero."""
        smallest = float(np.finfo(np.float32).smallest_subnormal)
        embeddings = EmbeddingStore().embed(Model(), "k", ["a"], lambda texts: [[0.0, smallest]])
        assert embeddings.tolist() == [[0.0, smallest]]
