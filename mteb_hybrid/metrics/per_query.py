"""What a metric returns: one value per query, and how many queries it is not defined for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class PerQuery:
    """Values of one metric for the queries that it is defined for.

    Attributes:
        query: int64, shape (used,), ascending: the queries that have a value.
        value: float64, shape (used,): their values.
        left_out: Why a query has no value, and how many such queries there are; reasons that concern none are absent.
    """

    query: NDArray[np.int64]
    value: NDArray[np.float64]
    left_out: dict[str, int] = field(default_factory=dict)

    @classmethod
    def where(cls, defined: NDArray[np.bool_], value: NDArray[np.float64], reason: str) -> Self:
        """Keep the values of the queries that are ``defined``; the others are left out for one reason.

        Args:
            defined: bool, shape (queries,).
            value: float64, shape (queries,); what stands at the others is ignored.
            reason: Why the others are left out.
        """
        kept = np.flatnonzero(defined).astype(np.int64)
        return cls(kept, np.asarray(value, dtype=np.float64)[kept], reasons({reason: len(defined) - len(kept)}))

    def __len__(self) -> int:
        return len(self.value)

    def minus(self, expected: NDArray[np.float64]) -> PerQuery:
        """The excess over what is expected of each query, float64, shape (queries,)."""
        return PerQuery(self.query, self.value - expected[self.query], self.left_out)

    def mean(self) -> float | None:
        """Mean over the queries that have a value; None if there are none."""
        return float(self.value.mean()) if len(self.value) else None

    def median(self) -> float | None:
        """Median over the queries that have a value; None if there are none."""
        return float(np.median(self.value)) if len(self.value) else None


def reasons(counts: Mapping[str, int | np.integer]) -> dict[str, int]:
    """What `PerQuery.left_out` holds: reasons and how many queries each concerns, without those that concern none."""
    return {reason: int(count) for reason, count in counts.items() if count}
