"""From a batch's embeddings and labels to its loss, without a model: what labels say, and what is added up."""

from __future__ import annotations

import pytest
import torch
from naive_contrast import naive_losses
from sentence_transformers.util import cos_sim

from mteb_hybrid.trainers.labels import encode_label
from mteb_hybrid.trainers.losses.contrast import Contrast
from mteb_hybrid.trainers.losses.objective import BatchLabels, Objective


def columns(count: int, rows: int = 5) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(2)
    return [torch.randn(rows, 3, generator=generator, dtype=torch.float64) for _ in range(count)]


def read(items: list[int], **options: bool) -> BatchLabels:
    labels = encode_label(torch.tensor(items), torch.arange(len(items)) % 2)
    return BatchLabels.read(labels, **{"mask_same_item": True, "gather": False, **options})


@pytest.mark.parametrize(
    ("items", "one"), [([7, 7], True), ([7, 7, 7], True), ([7], False), ([7, 8], False), ([7, 8, 8], False)]
)
def test_batches_of_one_item(items, one):
    """Several rows of one item leave no passage as a negative; a row alone has none anyway."""
    assert read(items).one_item is one
    assert read(items).items.tolist() == items
    assert not read(items, mask_same_item=False).one_item


@pytest.mark.parametrize("parallel", [False, True])
def test_what_labels_say(parallel):
    """Items, which rows are cross-lingual, and whether there are parallel columns; items only if they are asked for."""
    labels = encode_label(torch.tensor([4, 0, 4]), torch.tensor([1, 0, 1]), parallel=parallel)
    found = BatchLabels.read(labels.int(), mask_same_item=True, gather=False)
    assert (found.items.tolist(), found.cross_lingual.tolist()) == ([4, 0, 4], [True, False, True])
    assert found.items.dtype == torch.int64
    assert found.parallel is parallel
    assert BatchLabels.read(labels, mask_same_item=False, gather=False).items is None


def test_without_options():
    """The mean of the losses of query and passage, and explicit negatives; all of it is monolingual without labels."""
    given, plain = columns(3), Objective(Contrast(cos_sim))
    loss, parts = plain(given, None)
    assert not plain.gather
    queries, passages, negatives = (column.tolist() for column in given)
    expected = sum(naive_losses(queries, [passages], [negatives])) / 5
    assert loss.item() == pytest.approx(expected)
    assert parts.tolist() == pytest.approx([expected, 0, 0])


@pytest.mark.parametrize("rows_at_once", [None, 1, 2, 5, 9])
@pytest.mark.parametrize("with_backward", [False, True])
def test_blocks_of_rows(rows_at_once, with_backward):
    """Scores of so many rows are held at once, and no more; loss, parts and gradients do not depend on it."""
    found, held = [], []

    def similarity(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        held.append(len(one))
        return cos_sim(one, other)

    for rows, backward in ((None, False), (rows_at_once, with_backward)):
        held.clear()
        given = [column.requires_grad_() for column in columns(4)]
        objective = Objective(Contrast(similarity), parallel_positives=True, consistency=0.5)
        loss, parts = objective(given, read([1, 2, 2, 3, 4]), rows_at_once=rows, with_backward=backward)
        if not backward:
            loss.backward()
        assert loss.requires_grad is not backward
        assert not parts.requires_grad
        assert max(held) == min(5, rows or 5)
        found.append([loss.detach(), parts, *(column.grad for column in given)])
    torch.testing.assert_close(found[0], found[1])
