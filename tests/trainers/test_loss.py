"""HybridLoss on a tiny real model: sentence-transformers' loss where nothing is masked, parts, options, errors."""

from __future__ import annotations

import copy
import functools
import json
import logging

import pytest
import torch
from host_losses import CachedMultipleNegativesRankingLoss, MatryoshkaLoss, MultipleNegativesRankingLoss, host_options
from naive_contrast import naive_consistency, naive_losses
from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer
from sentence_transformers.util import cos_sim, dot_score
from tiny_models import sentence_transformer

from mteb_hybrid.errors import OptionError, TrainingDataError
from mteb_hybrid.trainers.labels import encode_label
from mteb_hybrid.trainers.losses.hybrid import HybridLoss

QUERIES = ["who", "where is it", "when", "what did she say", "why", "how far"]
PASSAGES = ["a man", "over the hill", "at noon", "nothing much", "because of rain", "ten miles and a half"]
NEGATIVES = ["a dog", "on a shelf", "at midnight", "she was silent", "for no reason", "by bus"]
PARALLEL_QUERIES = ["wer", "wo ist es", "wann", "was sagte sie", "warum", "wie weit"]
PARALLEL_PASSAGES = ["ein mann", "jenseits vom berg", "am mittag", "nicht viel", "wegen regen", "zehn meilen"]
FIVE = [QUERIES, PASSAGES, NEGATIVES, PARALLEL_QUERIES, PARALLEL_PASSAGES]
ITEMS, CROSS = [3, 1, 3, 4, 5, 3], [0, 1, 1, 0, 1, 0]
EVERY = ("query_to_doc", "query_to_query", "doc_to_query", "doc_to_doc")
MODES = [
    (("query_to_doc",), "joint"),
    (("query_to_doc", "doc_to_query"), "per_direction"),
    (("query_to_doc", "query_to_query"), "joint"),
    (EVERY, "joint"),
]


@pytest.fixture(scope="module")
def loaded(tmp_path_factory) -> SentenceTransformer:
    directory = sentence_transformer(tmp_path_factory.mktemp("model") / "tiny")
    return SentenceTransformer(str(directory), device="cpu")


@pytest.fixture
def model(loaded) -> SentenceTransformer:
    """In float64, and in evaluation mode: no dropout, so that two passes give the same embeddings."""
    return copy.deepcopy(loaded).double().eval()


def features(model: SentenceTransformer, columns) -> list[dict[str, torch.Tensor]]:
    return [model.tokenize(column) for column in columns]


def labels(items=ITEMS, cross=CROSS, *, parallel: bool = False) -> torch.Tensor:
    return encode_label(torch.tensor(items), torch.tensor(cross), parallel=parallel)


def total(loss: torch.Tensor | dict[str, torch.Tensor]) -> torch.Tensor:
    """What the trainer makes of a loss."""
    return torch.stack(list(loss.values())).sum() if isinstance(loss, dict) else loss


def value_and_gradient(loss, columns, given=None, weight: float = 1.0) -> list[torch.Tensor]:
    """The loss and the gradients of all weights; weighted as by a gradient scaler or accumulation."""
    loss.model.zero_grad()
    found = total(loss(features(loss.model, columns), given))
    (weight * found).backward()
    gradients = [weight.grad.clone() for weight in loss.model.parameters() if weight.grad is not None]
    assert gradients
    return [found.detach(), *gradients]


def embedded(model, columns) -> list[list[list[float]]]:
    with torch.no_grad():
        return [model(one)["sentence_embedding"].double().tolist() for one in features(model, columns)]


def assert_equal(found, expected, rtol: float = 1e-8, atol: float = 1e-11):
    torch.testing.assert_close(found, expected, rtol=rtol, atol=atol)


class TestAgainstSentenceTransformers:
    @pytest.mark.parametrize("mini_batch_size", [None, 4])
    @pytest.mark.parametrize("columns", [2, 4])
    @pytest.mark.parametrize("mode", MODES, ids=lambda mode: f"{'+'.join(mode[0])}-{mode[1]}")
    def test_nothing_to_mask(self, model, mode, columns, mini_batch_size):
        """No labels, or items that are all different: their loss and gradients, cached or not."""
        options = host_options(*mode)
        if mini_batch_size is None:
            theirs = MultipleNegativesRankingLoss(model, 15.0, **options)
        else:
            theirs = CachedMultipleNegativesRankingLoss(model, 15.0, mini_batch_size=mini_batch_size, **options)
        ours = HybridLoss(model, 15.0, mini_batch_size=mini_batch_size, directions=mode[0], partition_mode=mode[1])
        texts = [QUERIES, PASSAGES, NEGATIVES, PARALLEL_PASSAGES][:columns]
        expected = value_and_gradient(theirs, texts)
        assert_equal(value_and_gradient(ours, texts), expected)
        assert_equal(value_and_gradient(ours, texts, labels(items=[0, 1, 2, 3, 4, 5])), expected)

    def test_similarity_and_scale(self, model):
        """The similarity is the user's."""
        texts = [QUERIES, PASSAGES]
        expected = value_and_gradient(MultipleNegativesRankingLoss(model, 0.5, dot_score), texts)
        assert_equal(value_and_gradient(HybridLoss(model, 0.5, dot_score), texts), expected)


OPTIONS = {
    "items": {},
    "every direction": {"directions": EVERY},
    "positives": {"positives": "parallel"},
    "consistency": {"consistency": 0.5},
    "all": {"directions": EVERY, "positives": "parallel", "consistency": 2.0},
}


class TestOptions:
    @pytest.mark.parametrize("mini_batch_size", [1, 4])
    @pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
    def test_cached_is_uncached(self, model, options, mini_batch_size):
        """The gradient cache changes memory, not values, parts or gradients; the outer weight goes through it."""
        given = labels(parallel=True)
        plain, cached = HybridLoss(model, **options), HybridLoss(model, mini_batch_size=mini_batch_size, **options)
        expected = value_and_gradient(plain, FIVE, given, weight=3.0)
        # some versions of sentence-transformers multiply with the cached gradients in float32
        assert_equal(value_and_gradient(cached, FIVE, given, weight=3.0), expected, rtol=1e-4, atol=1e-5)
        parts = [loss(features(model, FIVE), given) for loss in (plain, cached)]
        assert_equal(*parts)

    @pytest.mark.parametrize("mini_batch_size", [None, 4])
    def test_with_dropout(self, model, mini_batch_size):
        """In training mode losses and gradients repeat with the seed, also where the cache embeds a second time."""
        loss, found = HybridLoss(model.train(), mini_batch_size=mini_batch_size), []
        for _ in range(2):
            torch.manual_seed(3)
            found.append(value_and_gradient(loss, FIVE[:3], labels()))
        assert_equal(*found)

    @pytest.mark.parametrize("mini_batch_size", [None, 4])
    def test_parts(self, model, mini_batch_size):
        """Parts are sums over their rows, divided by all rows, as the double loop finds them; they add up."""
        options = {"directions": EVERY, "positives": "parallel", "consistency": 0.7}
        loss = HybridLoss(model, mini_batch_size=mini_batch_size, **options)
        parts = loss(features(model, FIVE), labels(parallel=True))
        queries, passages, negatives, parallel_queries, parallel_passages = embedded(model, FIVE)
        positives = [passages, parallel_passages]
        rows = naive_losses(queries, positives, [negatives], ITEMS, EVERY)
        divergences = naive_consistency(queries, parallel_queries, positives, [negatives], ITEMS)
        expected = {
            "monolingual_loss": sum(row for row, cross in zip(rows, CROSS, strict=True) if not cross) / 6,
            "cross_lingual_loss": sum(row for row, cross in zip(rows, CROSS, strict=True) if cross) / 6,
            "consistency_loss": 0.7 * sum(divergences) / 6,
        }
        assert list(parts) == list(expected)
        assert {key: part.item() for key, part in parts.items()} == pytest.approx(expected, rel=1e-9)

    def test_both_parts_are_always_there(self, model):
        """A batch of one kind logs zero for the other, so that all processes log the same keys."""
        loss = HybridLoss(model)
        for cross, empty in ((0, "cross_lingual_loss"), (1, "monolingual_loss")):
            parts = loss(features(model, FIVE[:2]), labels(cross=[cross] * 6))
            assert list(parts) == ["monolingual_loss", "cross_lingual_loss"]
            assert parts[empty] == 0.0

    @pytest.mark.parametrize("mini_batch_size", [None, 4])
    def test_one_tensor(self, model, mini_batch_size):
        """Without log_parts, or without labels, the loss is one tensor, the sum of the parts."""
        given, texts = labels(), FIVE[:3]
        parts = HybridLoss(model, mini_batch_size=mini_batch_size)
        whole = HybridLoss(model, mini_batch_size=mini_batch_size, log_parts=False)
        assert isinstance(parts(features(model, texts)), torch.Tensor)
        assert isinstance(whole(features(model, texts), given), torch.Tensor)
        assert_equal(value_and_gradient(whole, texts, given), value_and_gradient(parts, texts, given))

    @pytest.mark.parametrize("mini_batch_size", [None, 4])
    def test_without_gradients(self, model, mini_batch_size):
        """In an evaluation the same parts, and nothing to go back through."""
        loss = HybridLoss(model, mini_batch_size=mini_batch_size, consistency=1.0)
        expected = loss(features(model, FIVE), labels(parallel=True))
        with torch.no_grad():
            found = loss(features(model, FIVE), labels(parallel=True))
        assert_equal(found, {key: part.detach() for key, part in expected.items()})

    def test_no_mask_on_request(self, model):
        """mask_same_item=False: sentence-transformers' loss whatever the items, still in parts."""
        expected = value_and_gradient(MultipleNegativesRankingLoss(model), FIVE[:3])
        loss = HybridLoss(model, mask_same_item=False)
        assert_equal(value_and_gradient(loss, FIVE[:3], labels()), expected)
        assert_equal(value_and_gradient(loss, FIVE[:3], labels(items=[0] * 6)), expected)
        assert set(loss(features(model, FIVE[:3]), labels())) == {"monolingual_loss", "cross_lingual_loss"}

    @pytest.mark.parametrize(
        ("options", "columns"),
        [({}, 3), ({"positives": "parallel"}, 4), ({"consistency": 1.0}, 4), (OPTIONS["all"], 5)],
    )
    @pytest.mark.parametrize("mini_batch_size", [None, 6])
    def test_embeds_what_it_needs(self, model, options, columns, mini_batch_size):
        """Parallel columns that no option trains on do not go through the model."""
        rows = []
        model.register_forward_pre_hook(lambda _, arguments: rows.append(len(arguments[0]["input_ids"])))
        loss = HybridLoss(model, mini_batch_size=mini_batch_size, **options)
        given = features(model, FIVE)
        with torch.no_grad():
            loss(given, labels(parallel=True))
        assert sum(rows) == 6 * columns

    def test_parallel_columns_for_nothing(self, model, caplog):
        """Parallel columns without an option are said to be useless, once, and change nothing."""
        loss = HybridLoss(model)
        with caplog.at_level(logging.WARNING, "mteb_hybrid.trainers.losses.hybrid"):
            found = [value_and_gradient(loss, FIVE, labels(parallel=True)) for _ in range(2)]
        assert [record.name for record in caplog.records].count("mteb_hybrid.trainers.losses.hybrid") == 1
        assert "set positives='parallel' or consistency=, or save their tokenization" in caplog.text
        assert_equal(found[0], value_and_gradient(loss, FIVE[:3], labels()))


class TestErrors:
    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"scale": 0.0}, "scale must be a positive number"),
            ({"directions": ("doc_to_query",)}, "directions must have 'query_to_doc'"),
            ({"directions": ("query_to_doc", "other")}, "directions must be some of"),
            ({"directions": EVERY, "partition_mode": "per_direction"}, "use partition_mode='joint'"),
            ({"partition_mode": "other"}, "partition_mode must be"),
            ({"mini_batch_size": 0}, "mini_batch_size must be at least 1, or None, not 0"),
            ({"positives": "all"}, "positives must be 'own' or 'parallel', not 'all'"),
            ({"consistency": -0.1}, "consistency must be a weight of at least 0, not -0.1"),
            ({"consistency": float("nan")}, "consistency must be"),
        ],
    )
    def test_options(self, model, options, message):
        """Options that make no sense are refused when the loss is made."""
        with pytest.raises(OptionError, match=message):
            HybridLoss(model, **options)

    @pytest.mark.parametrize(
        ("given", "message"),
        [
            (torch.ones(6), "labels are torch.float32"),
            (torch.ones(6, dtype=torch.bool), "labels are torch.bool"),
            (torch.ones(6, 1, dtype=torch.int64), r"of shape \(6, 1\)"),
            (torch.tensor([4, 8, -1, 12, 16, 20]), "labels are negative"),
            (torch.arange(6), "only some rows of a batch have parallel columns"),
            (labels(parallel=True), "3 text columns, but the labels announce query_parallel and passage_parallel"),
            (torch.ones(6, dtype=torch.int64), "all rows of a batch are of one item.*mask_same_item=False"),
            (labels(items=[7] * 6), "all rows of a batch are of one item"),
        ],
    )
    def test_labels(self, model, given, message):
        """Labels that are not ours, or leave no negatives, are refused; the message says what a label is."""
        with pytest.raises(TrainingDataError, match=message) as caught:
            HybridLoss(model)(features(model, FIVE[:3]), given)
        assert "encode_label" in str(caught.value)
        assert "remove_columns('label')" in str(caught.value)

    def test_a_batch_of_one_item_after_others(self, model, caplog):
        """It ends no training: it has no loss and no gradient, and is noted once."""
        loss = HybridLoss(model)
        for given in (labels(), labels(items=[7] * 6), labels(items=[8] * 6)):
            found = total(loss(features(model, FIVE[:2]), given))
        assert found.item() == pytest.approx(0.0, abs=1e-6)
        assert caplog.text.count("all rows of a batch are of one item") == 1

    def test_one_row(self, model):
        """A last batch of one row is of one item, as it must be."""
        parts = HybridLoss(model)(features(model, [["who"], ["a man"]]), labels([3], [0]))
        assert total(parts).item() == pytest.approx(0.0, abs=1e-6)

    @pytest.mark.parametrize("given", [None, labels()])
    @pytest.mark.parametrize(
        ("options", "named"),
        [
            ({"positives": "parallel"}, "positives='parallel' cannot"),
            ({"consistency": 1.0}, "consistency cannot"),
            (OPTIONS["all"], "positives='parallel' and consistency cannot"),
        ],
    )
    def test_options_without_their_columns(self, model, options, named, given):
        """An option that needs parallel columns says how to get them; they are never taken for negatives."""
        with pytest.raises(TrainingDataError, match=rf"{named}.*ParallelDataset\(\.\.\., parallel=True\)"):
            HybridLoss(model, **options)(features(model, FIVE), given)

    def test_one_column(self, model):
        """A query alone has no loss."""
        with pytest.raises(TrainingDataError, match="columns query and passage, not 1"):
            HybridLoss(model)(features(model, [QUERIES]))


class TestInSentenceTransformers:
    def test_description(self, model):
        """What the model card shows: options that JSON holds, the paper, the temperature."""
        loss = HybridLoss(model, 50.0, functools.partial(dot_score), directions=EVERY, mini_batch_size=2)
        assert json.loads(json.dumps(loss.get_config_dict())) == {
            "scale": 50.0,
            "similarity_fct": "dot_score",
            "mini_batch_size": 2,
            "gather_across_devices": False,
            "directions": list(EVERY),
            "partition_mode": "joint",
            "mask_same_item": True,
            "positives": "own",
            "consistency": 0.0,
            "log_parts": True,
        }
        assert HybridLoss(model, positives="parallel").get_config_dict()["positives"] == "parallel"
        assert HybridLoss(model).get_config_dict()["similarity_fct"] == cos_sim.__name__
        assert loss.temperature == 0.02
        assert "arXiv:2408.10536" in loss.citation

    @pytest.mark.parametrize("mini_batch_size", [None, 4])
    def test_the_trainer_can_replace_the_model(self, model, mini_batch_size):
        """After the trainer has put another model in (DDP, compile), that one is embedded with, and it alone."""
        loss = HybridLoss(model, mini_batch_size=mini_batch_size)
        other = copy.deepcopy(model)
        SentenceTransformerTrainer.__new__(SentenceTransformerTrainer).override_model_in_loss(loss, other)
        assert loss.model is other
        model.register_forward_pre_hook(lambda *_: pytest.fail("the old model is used"))
        assert len(value_and_gradient(loss, FIVE[:3], labels())) > 1
        assert all(weight.grad is None for weight in model.parameters())

    @pytest.mark.parametrize("mini_batch_size", [None, 4])
    def test_matryoshka(self, loaded, mini_batch_size):
        """MatryoshkaLoss around it is MatryoshkaLoss around theirs; cached where theirs asks for it."""
        found = []
        for ours in (False, True):
            model = copy.deepcopy(loaded).double().eval()
            if mini_batch_size is None:
                inner = HybridLoss(model, log_parts=False) if ours else MultipleNegativesRankingLoss(model)
            elif ours:
                inner = HybridLoss(model, log_parts=False, mini_batch_size=mini_batch_size)
            else:
                inner = CachedMultipleNegativesRankingLoss(model, mini_batch_size=mini_batch_size)
            if mini_batch_size and not getattr(inner, "uses_gradient_cache", False):
                pytest.skip("this sentence-transformers knows its own cached losses only")
            loss = MatryoshkaLoss(model, inner, [8, 4, 2], [1.0, 0.5, 0.25])
            found.append(value_and_gradient(loss, FIVE[:3], labels(items=range(6)) if ours else None))
        assert_equal(*found)

    @pytest.mark.parametrize("mini_batch_size", [None, 2])
    def test_training(self, loaded, tmp_path, mini_batch_size):
        """Four steps of the trainer on a plain data set with labels: both parts are logged and add up to the loss."""
        pytest.importorskip("accelerate")
        from datasets import Dataset
        from sentence_transformers import SentenceTransformerTrainingArguments

        model, rows = copy.deepcopy(loaded), 8
        dataset = Dataset.from_dict(
            {
                "anchor": [f"{QUERIES[row % 6]} {row}" for row in range(rows)],
                "positive": [f"{PASSAGES[row % 6]} {row}" for row in range(rows)],
                "label": [encode_label(row // 2, row % 2) for row in range(rows)],
            }
        )
        arguments = SentenceTransformerTrainingArguments(
            str(tmp_path),
            per_device_train_batch_size=4,
            per_device_eval_batch_size=4,
            max_steps=4,
            logging_steps=1,
            learning_rate=1e-3,
            report_to=[],
            save_strategy="no",
            disable_tqdm=True,
            use_cpu=True,
        )
        loss = HybridLoss(model, mini_batch_size=mini_batch_size)
        trainer = SentenceTransformerTrainer(model, arguments, train_dataset=dataset, eval_dataset=dataset, loss=loss)
        before = [weight.detach().clone() for weight in model.parameters()]
        trainer.train()
        evaluated = trainer.evaluate()
        steps = [entry for entry in trainer.state.log_history if "loss" in entry]
        assert len(steps) == 4
        for entry in steps:
            assert entry["monolingual_loss"] + entry["cross_lingual_loss"] == pytest.approx(entry["loss"], abs=2e-4)
            assert min(entry["monolingual_loss"], entry["cross_lingual_loss"]) > 0
        last = trainer.state.log_history[-1]
        assert last["eval_loss"] == evaluated["eval_loss"]
        parts = last["eval_monolingual_loss"] + last["eval_cross_lingual_loss"]
        assert parts == pytest.approx(evaluated["eval_loss"], abs=2e-4)
        assert any((old != new).any() for old, new in zip(before, model.parameters(), strict=True))
        assert "2408.10536" in model.model_card_data.citations["HybridLoss"]
