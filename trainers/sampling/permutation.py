"""A random order of n things that is computed where it is looked at, so that it takes no memory."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Words = NDArray[np.unsignedinteger[Any]]

_ROUNDS = 8
_TABLE = 2**16
"""Up to this size a table is faster, small enough, and of all orders every one is equally likely."""


class Permutation:
    """A permutation of [0, size) that depends on a key: NumPy's own where a table is small, else a computed one.

    The computed one is a Feistel network on pairs (left, right) with left < a and right < b, where a and b are nearly
    equal and a b is at least ``size``; a value outside of [0, size) is sent through again until it falls inside (cycle
    walking: Black and Rogaway, "Ciphers with Arbitrary Finite Domains", 2002). The round function is a mix of bits, so
    this is a shuffle, not a cipher. Words have 32 bits if both halves fit in 16, which is twice as fast, else 64.

    Args:
        size: Number of things, in [1, 2**62).
        key: Integers at least 0; different keys give unrelated orders.
    """

    def __init__(self, size: int, key: Sequence[int]) -> None:
        self.size = size
        seed = np.random.SeedSequence([len(key), *key])
        self._table: NDArray[np.uint16] | None = None
        if size <= _TABLE:
            self._table = np.random.default_rng(seed).permutation(size).astype(np.uint16)
        self._a = max(1, math.isqrt(size))
        self._b = -(-size // self._a)
        word = np.uint32 if self._b < 2**16 else np.uint64
        self._word = np.dtype(word)
        self._keys = [word(key) for key in seed.generate_state(_ROUNDS, word)]

    def __call__(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """What stands at these places, int64 in [0, size), of the shape of ``places``."""
        if self._table is not None:
            return self._table[places].astype(np.int64)
        values = self._once(places.astype(self._word))
        outside = np.flatnonzero(values >= self.size)
        while len(outside):
            again = self._once(values[outside])
            values[outside] = again
            outside = outside[again >= self.size]
        return values.astype(np.int64)

    def _once(self, values: Words) -> Words:
        left, right = np.divmod(values, self._word.type(self._b))
        for number, key in enumerate(self._keys):
            if number % 2:
                _add(right, _below(_mix(left ^ key), self._b), self._b)
            else:
                _add(left, _below(_mix(right ^ key), self._a), self._a)
        left *= self._word.type(self._b)
        left += right
        return left


_FACTORS = {4: (0x9E3779B1, 0x85EBCA77), 8: (0x9E3779B97F4A7C15, 0xD6E8FEB86659FD93)}
"""Odd numbers with bits set all over, by the bytes of a word."""


def _mix(values: Words) -> Words:
    """Spread the bits of words, in place: multiply, fold, multiply."""
    word = values.dtype.type
    first, second = _FACTORS[values.itemsize]
    values *= word(first)
    values ^= values >> word(4 * values.itemsize - 3)
    values *= word(second)
    return values


def _below(values: Words, bound: int) -> Words:
    """Map words onto [0, bound) by their upper half, in place; the bound fits in half a word."""
    word = values.dtype.type
    half = word(4 * values.itemsize)
    values >>= half
    values *= word(bound)
    values >>= half
    return values


def _add(values: Words, terms: Words, bound: int) -> None:
    """Add modulo ``bound`` numbers below it, in place."""
    values += terms
    np.subtract(values, values.dtype.type(bound), out=terms)  # wraps around to something large where nothing is over
    np.minimum(values, terms, out=values)
