"""A random order of n things that is computed where it is looked at, so that it takes no memory."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_ROUNDS = 8
_TABLE = 2**16
"""Up to this size a table is faster, small enough, and of all orders every one is equally likely."""


class Permutation:
    """A permutation of [0, size) that depends on a key: NumPy's own where a table is small, else a computed one.

    The computed one is a Feistel network on pairs (left, right) with left < a and right < b, where a and b are nearly
    equal and a b is at least ``size``; a value outside of [0, size) is sent through again until it falls inside (cycle
    walking: Black and Rogaway, "Ciphers with Arbitrary Finite Domains", 2002). The round function is a 64-bit mix, so
    this is a shuffle, not a cipher.

    Args:
        size: Number of things, in [1, 2**62).
        key: Integers at least 0; different keys give unrelated orders.
    """

    def __init__(self, size: int, key: Sequence[int]) -> None:
        self.size = size
        seed = np.random.SeedSequence([len(key), *key])
        self._table = np.random.default_rng(seed).permutation(size) if size <= _TABLE else None
        self._a = max(1, math.isqrt(size))
        self._b = -(-size // self._a)
        self._keys = seed.generate_state(_ROUNDS, np.uint64)

    def __call__(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """What stands at these places, int64 in [0, size), of the shape of ``places``."""
        if self._table is not None:
            return self._table[places]
        values = self._once(places.astype(np.uint64))
        outside = np.flatnonzero(values >= self.size)
        while len(outside):
            values[outside] = self._once(values[outside])
            outside = outside[values[outside] >= self.size]
        return values.astype(np.int64)

    def _once(self, values: NDArray[np.uint64]) -> NDArray[np.uint64]:
        left, right = np.divmod(values, np.uint64(self._b))
        for number, key in enumerate(self._keys):
            if number % 2:
                right = _add(right, _below(_mix(left ^ key), self._b), self._b)
            else:
                left = _add(left, _below(_mix(right ^ key), self._a), self._a)
        return left * np.uint64(self._b) + right


def _mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Spread the bits of 64-bit integers, in place: multiply and fold, twice."""
    values *= np.uint64(0x9E3779B97F4A7C15)
    values ^= values >> np.uint64(29)
    values *= np.uint64(0xD6E8FEB86659FD93)
    return values


def _below(values: NDArray[np.uint64], bound: int) -> NDArray[np.uint64]:
    """Map 64-bit integers onto [0, bound), bound at most 2**32, by their upper half; in place."""
    values >>= np.uint64(32)
    values *= np.uint64(bound)
    values >>= np.uint64(32)
    return values


def _add(values: NDArray[np.uint64], terms: NDArray[np.uint64], bound: int) -> NDArray[np.uint64]:
    """The sum modulo ``bound`` of numbers below it."""
    total = values + terms
    total -= np.uint64(bound) * (total >= bound)
    return total
