"""The store of embeddings: what it keeps, what it forgets, what it refuses."""

from __future__ import annotations

import gc
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mteb_hybrid.embeddings import STORE, EmbeddingStore, clear_embeddings
from mteb_hybrid.errors import EmbeddingError


class Encoder:
    """Embeds a text as numbers that tell it from all others, and remembers what it was asked for."""

    def __init__(self, dimension: int = 3) -> None:
        self.dimension = dimension
        self.batches: list[list[str]] = []
        self.known: dict[str, int] = {}

    def __call__(self, texts: list[str]) -> np.ndarray:
        self.batches.append(list(texts))
        return self.expected(texts)

    def expected(self, texts) -> np.ndarray:
        numbers = [self.known.setdefault(text, len(self.known) + 1) for text in texts]
        return np.array([[number] * self.dimension for number in numbers], dtype=np.float32).reshape(
            len(numbers), self.dimension
        )

    @property
    def encoded(self) -> list[str]:
        return [text for batch in self.batches for text in batch]


class Model:
    """A model without weights."""


class Wrapper:
    """A model that holds its torch module as MTEB's wrappers do."""

    def __init__(self, module: torch.nn.Module) -> None:
        self.model = module


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


def optimizer_step(module: torch.nn.Module) -> None:
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    module(torch.ones(1, 4)).sum().backward()
    optimizer.step()


def replace_parameter(module: torch.nn.Module) -> None:
    module.weight = torch.nn.Parameter(module.weight.detach() + 1)


def in_place(module: torch.nn.Module) -> None:
    with torch.no_grad():
        module.weight.add_(1e-3)


CHANGES = {
    "add_": in_place,
    "one value": lambda module: module.weight.detach()[2, 1].add_(1.0),
    "data.mul_": lambda module: module.weight.data.mul_(1.001),
    "data =": lambda module: setattr(module.weight, "data", module.weight.data + 1),
    "bias.data": lambda module: module.bias.data.add_(1),
    "optimizer": optimizer_step,
    "load_state_dict": lambda module: module.load_state_dict({k: v + 1 for k, v in module.state_dict().items()}),
    "assigning state dict": lambda module: module.load_state_dict(
        {k: v + 1 for k, v in module.state_dict().items()}, assign=True
    ),
    "parameter": replace_parameter,
    "type": lambda module: module.double(),
    "buffer": lambda module: module.running.add_(1),
}


def linear() -> torch.nn.Linear:
    module = torch.nn.Linear(4, 4)
    module.register_buffer("running", torch.zeros(3))
    return module


class TestWeights:
    @pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
    @pytest.mark.parametrize("wrap", [lambda module: module, Wrapper], ids=["module", "wrapped"])
    def test_changed(self, change, wrap):
        """Embeddings of a model whose weights have changed are forgotten, under all keys; those of others are not."""
        store, module, other = EmbeddingStore(), linear(), linear()
        model, encoder, untouched = wrap(module), Encoder(), Encoder()
        for _ in range(2):
            store.embed(model, "k", ["a", "b"], encoder)
            store.embed(model, "l", ["a"], encoder)
            store.embed(other, "k", ["a"], untouched)
        assert encoder.batches == [["a", "b"], ["a"]]
        change(module)
        for _ in range(2):
            store.embed(model, "k", ["b"], encoder)
            store.embed(model, "l", ["a"], encoder)
            store.embed(other, "k", ["a"], untouched)
        assert encoder.batches == [["a", "b"], ["a"], ["b"], ["a"]]
        assert untouched.batches == [["a"]]

    def test_used_without_change(self):
        """Forward passes, a gradient that is computed but not applied, and eval mode do not count as a change."""
        store, module, encoder = EmbeddingStore(), linear(), Encoder()
        store.embed(module, "k", ["a"], encoder)
        module(torch.ones(1, 4)).sum().backward()
        module.eval().requires_grad_(False)
        with torch.inference_mode():
            module(torch.ones(1, 4))
        store.embed(module, "k", ["a"], encoder)
        assert encoder.batches == [["a"]]

    def test_parameters_made_in_inference_mode(self):
        """Parameters that count no changes of their own are watched by their values."""
        store, encoder = EmbeddingStore(), Encoder()
        with torch.inference_mode():
            module = torch.nn.Linear(4, 4)
        for _ in range(2):
            store.embed(module, "k", ["a"], encoder)
        assert len(encoder.batches) == 1
        with torch.inference_mode():
            module.weight.mul_(2)
        store.embed(module, "k", ["a"], encoder)
        assert len(encoder.batches) == 2

    def test_data_changed_beside_an_infinite_buffer(self):
        """A mask of -inf among the buffers, as in causal text encoders, hides no change of the weights."""
        store, module, encoder = EmbeddingStore(), linear(), Encoder()
        module.register_buffer("mask", torch.full((77, 77), -math.inf).triu(1))
        store.embed(module, "k", ["a"], encoder)
        module.weight.data.mul_(2)
        store.embed(module, "k", ["a"], encoder)
        assert len(encoder.batches) == 2

    def test_unchanged_beside_a_nan_buffer(self):
        """NaN among the buffers does not pass for a change at every call."""
        store, module, encoder = EmbeddingStore(), linear(), Encoder()
        module.register_buffer("unset", torch.full((3,), math.nan))
        for _ in range(2):
            store.embed(module, "k", ["a"], encoder)
        assert len(encoder.batches) == 1

    def test_data_of_layers_exchanged(self):
        """Values that change places, so that their sum stays, are a change."""
        store, encoder = EmbeddingStore(), Encoder()
        module = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(2, 2))
        store.embed(module, "k", ["a"], encoder)
        first, second = module[0].weight.data.clone(), module[1].weight.data.clone()
        module[0].weight.data.copy_(second)
        module[1].weight.data.copy_(first)
        store.embed(module, "k", ["a"], encoder)
        assert len(encoder.batches) == 2

    def test_offloaded_parameters(self):
        """Parameters on the meta device, which accelerate leaves where it has offloaded them, can be watched too."""
        store, encoder = EmbeddingStore(), Encoder()
        module = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(2, 2, device="meta"))
        for _ in range(2):
            store.embed(module, "k", ["a"], encoder)
        assert len(encoder.batches) == 1

    def test_state_that_encoding_sets_up(self):
        """What a model sets up while it encodes (a cache of positions, its device) is no change of its weights."""
        store, module, encoder = EmbeddingStore(), linear(), Encoder()

        def encode(texts):
            module.register_buffer("positions", torch.arange(8.0), persistent=False)
            return encoder(texts)

        for _ in range(2):
            store.embed(module, "k", ["a"], encode)
        assert encoder.batches == [["a"]]

    @pytest.mark.parametrize("cls", [Model, lambda: torch.nn.Linear(2, 2)], ids=["plain", "torch"])
    def test_collected_with_the_model(self, cls):
        """When a model is gone its embeddings are gone, and no others; a later model at its address finds none."""
        store, other, encoder = EmbeddingStore(), Model(), Encoder()
        store.embed(other, "k", ["a"], encoder)
        kept = store.nbytes
        for _ in range(4):  # likely to be given the same address again
            model, mine = cls(), Encoder()
            store.embed(model, "k", ["a"], mine)
            assert mine.batches == [["a"]]
            assert store.nbytes == 2 * kept
            del model
            gc.collect()
            assert store.nbytes == kept
        store.embed(other, "k", ["a"], encoder)
        assert encoder.batches == [["a"]]

    def test_model_without_weak_references(self):
        """A model that cannot be referenced weakly is not confused with a later one, and its texts are kept."""

        class Slotted:
            __slots__ = ()

        store = EmbeddingStore()
        for _ in range(20):
            model, encoder = Slotted(), Encoder()
            for _ in range(2):
                store.embed(model, "k", ["a"], encoder)
            assert encoder.batches == [["a"]]
            del model


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
