"""The store of embeddings: what it keeps, and for how long."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stored_encoders import Encoder, Model

from mteb_hybrid.embeddings import STORE, EmbeddingStore, clear_embeddings

TEXTS = st.lists(st.text(max_size=3), max_size=12)


class TestKeeping:
    @given(st.lists(st.tuples(TEXTS, st.integers(0, 1), st.sampled_from(["query", "document"])), max_size=8))
    @settings(deadline=None, max_examples=60)
    def test_every_text_once_per_model_and_key(self, calls):
        """Rows come in the order of the texts; a text is encoded once per model and key, duplicates included."""
        store, models, encoders = EmbeddingStore(), [Model(), Model()], {}
        for texts, model, key in calls:
            encoder = encoders.setdefault((model, key), Encoder(dimension=2 + model))
            embeddings = store.embed(models[model], key, texts, encoder)
            assert embeddings.dtype == np.float32
            if texts:
                assert np.array_equal(embeddings, encoder.expected(texts))
        for encoder in encoders.values():
            assert len(encoder.encoded) == len(set(encoder.encoded))
            assert all(encoder.batches)

    def test_one_call_for_what_is_unknown(self):
        """The encoder is called once, with the distinct unknown texts in the order in which they first come."""
        store, model, encoder = EmbeddingStore(), Model(), Encoder()
        store.embed(model, "k", ["b", "a", "b"], encoder)
        store.embed(model, "k", ["d", "a", "c", "d"], encoder)
        store.embed(model, "k", ["d", "c", "b"], encoder)
        assert encoder.batches == [["b", "a"], ["d", "c"]]

    def test_no_texts(self):
        """No texts have no embeddings; nothing is encoded, known texts stay, and the dimension is free afterwards."""
        store, model, encoder = EmbeddingStore(), Model(), Encoder()
        assert len(store.embed(model, "k", [], encoder)) == 0
        store.embed(model, "k", ["a"], encoder)
        assert store.embed(model, "k", [], encoder).shape == (0, 3)
        store.embed(model, "k", ["a"], encoder)
        assert encoder.batches == [["a"]]

    def test_the_caller_owns_what_it_gets(self):
        """Whatever a caller does to its embeddings, or an encoder to its buffer, the stored ones stay."""
        store, model = EmbeddingStore(), Model()
        buffer = np.ones((2, 2), dtype=np.float32)
        first = store.embed(model, "k", ["a", "b"], lambda texts: buffer)
        first *= 7
        buffer *= 9
        assert store.embed(model, "k", ["a", "b"], lambda texts: None).tolist() == [[1, 1], [1, 1]]

    def test_kept_apart(self):
        """A key that may not be shared is remembered, its embeddings are gone, other keys and models are untouched."""
        store, model, other, encoder = EmbeddingStore(), Model(), Model(), Encoder()
        store.embed(model, "a", ["x"], encoder)
        store.embed(model, "b", ["x"], encoder)
        store.keep_apart(model, "a")
        assert store.is_kept_apart(model, "a")
        assert not store.is_kept_apart(model, "b")
        assert not store.is_kept_apart(other, "a")
        store.embed(model, "a", ["x"], encoder)
        store.embed(model, "b", ["x"], encoder)
        assert encoder.batches == [["x"], ["x"], ["x"]]

    def test_the_outermost_run_empties_the_store(self):
        """Nested runs share; when the outermost one ends, by an exception too, nothing is left."""
        store, model, encoder = EmbeddingStore(), Model(), Encoder()

        def outer_run():
            with store.run():
                with store.run():
                    store.embed(model, "a", ["x"], encoder)
                store.embed(model, "a", ["x"], encoder)
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            outer_run()
        assert encoder.batches == [["x"]]
        assert store.nbytes == 0
        store.embed(model, "a", ["x"], encoder)
        assert encoder.batches == [["x"], ["x"]]

    def test_clear(self):
        """`clear_embeddings` empties the store of the process."""
        model, encoder = Model(), Encoder()
        STORE.embed(model, "k", ["a"], encoder)
        assert STORE.nbytes > 0
        clear_embeddings()
        assert STORE.nbytes == 0
        STORE.embed(model, "k", ["a"], encoder)
        assert encoder.batches == [["a"], ["a"]]


class TestBound:
    @given(st.integers(0, 400), st.lists(st.tuples(st.integers(0, 4), st.integers(1, 20)), max_size=15))
    @settings(deadline=None, max_examples=60)
    def test_never_more_bytes_than_allowed(self, max_bytes, calls):
        """After every call the store is within its bound, and what it returns is right whatever it dropped."""
        store, model, encoder = EmbeddingStore(max_bytes), Model(), Encoder()
        for key, count in calls:
            texts = [f"{number}" for number in range(count)]
            assert np.array_equal(store.embed(model, key, texts, encoder), encoder.expected(texts))
            assert store.nbytes <= max_bytes

    def test_the_least_recently_used_goes_first(self):
        """With room for two shelves a third one displaces the one that was not used for longest."""
        store, model = EmbeddingStore(2 * 4 * 3 * 4), Model()
        encoders = {key: Encoder() for key in "abc"}
        texts = ["1", "2", "3", "4"]
        for key in "abac":
            store.embed(model, key, texts, encoders[key])
        store.embed(model, "a", texts, encoders["a"])
        store.embed(model, "c", texts, encoders["c"])
        assert [len(encoders[key].batches) for key in "abc"] == [1, 1, 1]
        store.embed(model, "b", texts, encoders["b"])
        assert len(encoders["b"].batches) == 2

    def test_what_fits_is_kept(self):
        """A bound of exactly the size of the embeddings keeps them, one byte less does not."""
        for max_bytes, batches in ((4 * 3 * 4, 1), (4 * 3 * 4 - 1, 2)):
            store, model, encoder = EmbeddingStore(max_bytes), Model(), Encoder()
            for _ in range(2):
                store.embed(model, "k", ["1", "2", "3", "4"], encoder)
            assert len(encoder.batches) == batches
