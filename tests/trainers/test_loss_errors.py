"""What HybridLoss refuses."""

from __future__ import annotations

import pytest
import torch
from loss_batches import EVERY, FIVE, OPTIONS, QUERIES, features, labels, total

from mteb_hybrid.errors import OptionError, TrainingDataError
from mteb_hybrid.trainers.losses.hybrid import HybridLoss


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
