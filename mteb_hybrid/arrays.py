"""The operations on blocks of scores that the kernel is made of: numpy on a CPU, torch anywhere else.

Both have the same operators, so what is written with these functions runs on either. On a CPU it is numpy because its
comparisons, searches and gathers take a half to a fifth of torch's time on arrays that fit the cache. An array on a CPU
shares its memory with the tensor that it was made from.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

Array = Any  # numpy.ndarray on a CPU, torch.Tensor elsewhere

# rows of a block are padded to a multiple of this many scores: matrix products into rows that begin on a cache line are
# up to a tenth faster, and masks of them are whole words
WORD = 16
# the padding is -inf; this is more than that and less than any fast score, which is about 1 at most
LOWEST = -1e30


def padded(columns: int) -> int:
    """Columns of a block that has room for some."""
    return -(-columns // WORD) * WORD


def as_array(tensor: torch.Tensor) -> Array:
    """The array of a tensor."""
    return tensor.numpy() if tensor.device.type == "cpu" else tensor


def as_tensor(array: Array) -> torch.Tensor:
    """The tensor of an array."""
    return torch.from_numpy(array) if isinstance(array, np.ndarray) else array


def arange(length: int, like: Array) -> Array:
    """0 to length - 1, int64."""
    return np.arange(length) if isinstance(like, np.ndarray) else torch.arange(length, device=like.device)


def zeros(shape: tuple[int, ...], like: Array) -> Array:
    """Zeros, int64."""
    if isinstance(like, np.ndarray):
        return np.zeros(shape, dtype=np.int64)
    return torch.zeros(shape, dtype=torch.int64, device=like.device)


def full(shape: tuple[int, ...], value: float, like: Array) -> Array:
    """One value everywhere, in the type of ``like``."""
    if isinstance(like, np.ndarray):
        return np.full(shape, value, dtype=like.dtype)
    return torch.full(shape, value, dtype=like.dtype, device=like.device)


def concatenate(arrays: Sequence[Array], axis: int = 0) -> Array:
    """Arrays put together along an axis."""
    return np.concatenate(arrays, axis=axis) if isinstance(arrays[0], np.ndarray) else torch.cat(list(arrays), dim=axis)


def take(values: Array, index: Array) -> Array:
    """``values``, read as one row, at some positions."""
    return values.take(index)


def flatnonzero(condition: Array) -> Array:
    """Where a condition of one dimension holds, int64."""
    return condition.nonzero()[0] if isinstance(condition, np.ndarray) else condition.nonzero().squeeze(1)


def bincount(index: Array, length: int) -> Array:
    """How often each of 0 to length - 1 occurs, int64."""
    module = np if isinstance(index, np.ndarray) else torch
    return module.bincount(index, minlength=length)


def positions_within(row: Array, counts: Array) -> Array:
    """Number the entries of each row from 0, where ``row`` is ascending and row i occurs ``counts[i]`` times."""
    first = counts.cumsum(0) - counts
    return arange(len(row), row) - take(first, row)


def maximum(one: Array, other: Array) -> Array:
    """The larger of two numbers at each place."""
    return (np if isinstance(one, np.ndarray) else torch).maximum(one, other)


def kth_largest(scores: Array, k: int) -> Array:
    """The k-th largest number of each row, of at least k, shape (rows,)."""
    if isinstance(scores, np.ndarray):
        return np.sort(scores, axis=1)[:, -k]  # np.partition takes ten times as long where much is -inf
    return scores.topk(k).values[:, -1]


def take_along_rows(values: Array, columns: Array) -> Array:
    """Numbers of each row at some of its columns."""
    return np.take_along_axis(values, columns, 1) if isinstance(values, np.ndarray) else values.gather(1, columns)


class Mask:
    """A boolean array over a block of scores, always in the same memory.

    Rows of a block are whole words of eight bytes, which is how a mask is counted and searched on a CPU.

    Attributes:
        rows: The mask, bool, shape (rows, columns), columns a multiple of `WORD`.
    """

    def __init__(self) -> None:
        self.rows: Array = None
        self._memory = np.empty(0, dtype=np.int64)

    def at_least(self, scores: Array, threshold: Array) -> Mask:
        """Where scores, shape (rows, columns), reach the threshold of their row, shape (rows, 1)."""
        if isinstance(scores, np.ndarray):
            np.greater_equal(scores, threshold, out=self._room(scores.shape))
        else:
            self.rows = scores >= threshold
        return self

    def more_than(self, scores: Array, threshold: Array) -> Mask:
        """Where scores, shape (rows, columns), exceed the threshold of their row, shape (rows, 1)."""
        if isinstance(scores, np.ndarray):
            np.greater(scores, threshold, out=self._room(scores.shape))
        else:
            self.rows = scores > threshold
        return self

    def without(self, part: Mask) -> Mask:
        """Take away what another mask of the same shape, a part of this one, has."""
        if isinstance(self.rows, np.ndarray):
            self.rows.view(np.int64)[...] ^= part.rows.view(np.int64)
        else:
            self.rows ^= part.rows
        return self

    def count(self) -> int:
        """How many there are."""
        module = np if isinstance(self.rows, np.ndarray) else torch
        return int(module.count_nonzero(self.rows))

    def count_rows(self) -> Array:
        """How many there are in each row, int64, shape (rows,)."""
        if not isinstance(self.rows, np.ndarray):
            return torch.count_nonzero(self.rows, dim=1)
        words = self.rows.view(np.int64)
        counts = np.zeros(len(words), dtype=np.int64)
        for first in range(0, words.shape[1], 255):  # eight sums in the bytes of one word, none above 255
            sums = np.einsum("ij->i", words[:, first : first + 255])
            counts += sums.view(np.uint8).reshape(-1, 8).sum(axis=1, dtype=np.int64)
        return counts

    def positions(self) -> Array:
        """Where they are, ascending, in the mask read as one row."""
        if not isinstance(self.rows, np.ndarray):
            return self.rows.reshape(-1).nonzero().squeeze(1)
        words = self.rows.view(np.int64).reshape(-1)
        some = (words != 0).nonzero()[0]  # most words are empty
        inside = words.take(some).view(np.bool_).nonzero()[0]
        return (some.take(inside >> 3) << 3) | (inside & 7)

    def _room(self, shape: tuple[int, ...]) -> Array:
        words = shape[0] * shape[1] // 8
        if len(self._memory) < words:
            self._memory = np.empty(words, dtype=np.int64)
        self.rows = self._memory[:words].view(np.bool_).reshape(shape)
        return self.rows
