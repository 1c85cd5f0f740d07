"""Exact arithmetic: what float64 comes to, the same to the last bit however many vectors are taken at a time."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch

from mteb_hybrid import exact
from mteb_hybrid.exact import ExactArithmetic, error_bound, full_precision, tree_sum

CPU = torch.device("cpu")


@pytest.mark.parametrize("dimension", [1, 2, 3, 13, 64])
def test_operations(dimension, monkeypatch):
    """Lengths, quotients and products of pairs are numpy's of float64 to the last digits, in parts as at once."""
    rng = np.random.default_rng(dimension)
    one, other = (rng.normal(size=(23, dimension)).astype(np.float32) for _ in range(2))
    first, second = rng.integers(23, size=(2, 50))
    vectors, others, divisors = torch.from_numpy(one), torch.from_numpy(other), torch.from_numpy(rng.random(23) + 1)
    expected = [
        np.linalg.norm(one.astype(np.float64), axis=1),
        one / divisors.numpy()[:, None],
        (one.astype(np.float64)[first] * other[second]).sum(axis=1),
        (one.astype(np.float64)[first[:23]] * other).sum(axis=1),
    ]
    found = []
    for numbers in (1, 4 * dimension, 1 << 18):
        monkeypatch.setattr(exact, "_NUMBERS", {"cpu": numbers})
        arithmetic = ExactArithmetic(dimension, CPU)
        assert arithmetic.vectors == max(1, numbers // dimension)
        query, passage = torch.from_numpy(first), torch.from_numpy(second)
        found.append(
            [
                arithmetic.lengths(vectors),
                arithmetic.divided(vectors, divisors, torch.float64),
                arithmetic.products(vectors.double(), query, others, passage),
                arithmetic.products(vectors.double(), query[:23], others, None),
            ]
        )
        assert arithmetic.divided(vectors, divisors, torch.float32).dtype == torch.float32
    for values, *again in zip(expected, *found, strict=True):
        np.testing.assert_allclose(again[0].numpy(), values, rtol=1e-12, atol=1e-14)
        assert all(torch.equal(again[0], one) for one in again[1:])


def test_all_of_it_is_done_on_one_device():
    """Where the vectors are, torch's device without memory for one, everything is."""
    meta = torch.device("meta")
    arithmetic, vectors = ExactArithmetic(4, meta), torch.empty((7, 4), device=meta)
    pairs, lengths = torch.zeros(9, dtype=torch.int64, device=meta), arithmetic.lengths(vectors)
    divided = arithmetic.divided(vectors, lengths, torch.float64)
    products = arithmetic.products(divided, pairs, vectors, pairs)
    assert {found.device for found in (lengths, divided, products)} == {meta}
    assert (lengths.shape, divided.shape, products.shape) == ((7,), (7, 4), (9,))


@pytest.mark.parametrize("width", [1, 2, 3, 4, 5, 8, 11])
def test_tree_sum(width):
    """Integers are summed exactly, over the last dimension of any shape."""
    numbers = torch.arange(6 * width, dtype=torch.float64).reshape(2, 3, width) ** 2
    expected = numbers.sum(dim=-1)
    assert torch.equal(tree_sum(numbers.clone()), expected)


@pytest.mark.parametrize(("dtype", "bits"), [(torch.float32, 24), (torch.float64, 53)])
@pytest.mark.parametrize("dimension", [1, 384, 4096, 1 << 16])
def test_the_bound_is_the_one_that_is_proven(dimension, dtype, bits):
    """Higham's d u / (1 - d u), 4 u for what is rounded, and what float64 scores are off; little more.

    A float64 score is off by a sum of d products, by two lengths, each the root of such a sum, and by two divisions.
    """
    unit, double = Fraction(1, 2**bits), Fraction(1, 2**53)
    proven = dimension * unit / (1 - dimension * unit) + 4 * unit + (2 * dimension + 4) * double
    assert proven < Fraction(error_bound(dimension, dtype)) < proven * Fraction(10002, 10000)
    assert error_bound(dimension) == error_bound(dimension, torch.float32)


def test_a_callers_autocast_is_off_within():
    """And on again afterwards."""
    with torch.autocast("cpu", dtype=torch.bfloat16):
        with full_precision("cpu"):
            assert not torch.is_autocast_enabled("cpu")
        assert torch.is_autocast_enabled("cpu")


def test_the_older_switch_where_there_is_no_other(monkeypatch):
    """Before 2.9 torch has one switch for all backends: it is set to all bits, and then back."""
    monkeypatch.setattr(torch.backends.cuda, "matmul", object())
    monkeypatch.setattr(torch.backends.mkldnn, "matmul", object(), raising=False)
    said = ["medium"]
    monkeypatch.setattr(torch, "get_float32_matmul_precision", lambda: said[-1])
    monkeypatch.setattr(torch, "set_float32_matmul_precision", said.append)
    with full_precision("cpu"):
        assert said[-1] == "highest"
    assert said == ["medium", "highest", "medium"]
