"""HybridLoss on a tiny real model: sentence-transformers' numbers, and its options."""

from __future__ import annotations

import logging

import pytest
import torch
from host_losses import CachedMultipleNegativesRankingLoss, MultipleNegativesRankingLoss, host_options
from loss_batches import (
    CROSS,
    EVERY,
    FIVE,
    ITEMS,
    NEGATIVES,
    OPTIONS,
    PARALLEL_PASSAGES,
    PASSAGES,
    QUERIES,
    assert_equal,
    features,
    labels,
    value_and_gradient,
)
from naive_contrast import naive_consistency, naive_losses
from sentence_transformers.util import dot_score

from mteb_hybrid.trainers.losses.hybrid import HybridLoss

MODES = [
    (("query_to_doc",), "joint"),
    (("query_to_doc", "doc_to_query"), "per_direction"),
    (("query_to_doc", "query_to_query"), "joint"),
    (EVERY, "joint"),
]


def embedded(model, columns) -> list[list[list[float]]]:
    with torch.no_grad():
        return [model(one)["sentence_embedding"].double().tolist() for one in features(model, columns)]


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

    @pytest.mark.parametrize(("mini_batch_size", "rows"), [(None, 6), (4, 4), (9, 6)])
    def test_scores_of_a_mini_batch(self, model, mini_batch_size, rows):
        """Of a mini-batch's rows and no more scores are held at once: memory that grows with the batch only once."""
        held = []

        def similarity(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
            held.append(len(one))
            return dot_score(one, other)

        HybridLoss(model, 1.0, similarity, mini_batch_size=mini_batch_size)(features(model, FIVE[:2]), labels())
        assert max(held) == rows

    @pytest.mark.parametrize("mini_batch_size", [None, 4])
    def test_with_dropout(self, model, mini_batch_size):
        """In training mode losses and gradients repeat with the seed, also where the cache embeds a second time."""
        loss, found = HybridLoss(model.train(), mini_batch_size=mini_batch_size), []
        for _ in range(2):
            torch.manual_seed(3)
            found.append(value_and_gradient(loss, FIVE[:3], labels()))
        assert_equal(*found)

    @pytest.mark.parametrize("mini_batch_size", [None, 4])
    @pytest.mark.parametrize("columns", [FIVE, FIVE[:2] + FIVE[3:]], ids=["negatives", "no negatives"])
    def test_parts(self, model, columns, mini_batch_size):
        """Parts are sums over their rows, divided by all rows, as the double loop finds them; they add up."""
        options = {"directions": EVERY, "positives": "parallel", "consistency": 0.7}
        loss = HybridLoss(model, mini_batch_size=mini_batch_size, **options)
        parts = loss(features(model, columns), labels(parallel=True))
        queries, passages, *negatives, parallel_queries, parallel_passages = embedded(model, columns)
        positives = [passages, parallel_passages]
        rows = naive_losses(queries, positives, negatives, ITEMS, EVERY)
        divergences = naive_consistency(queries, parallel_queries, positives, negatives, ITEMS)
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
