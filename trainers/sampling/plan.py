"""Which language pair each place of a batch gets: the definition of X-X, X-Y and hybrid batches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np

from mteb_hybrid.errors import TrainingDataError
from mteb_hybrid.trainers.data.language_pairs import split_pair

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    Ints = NDArray[np.int64]

_Name = TypeVar("_Name", str, tuple[str, str])

Monolingual = Literal["one-language", "mixed"]


class Choice:
    """A draw among language pairs with given probabilities.

    Attributes:
        pairs: (query language, passage language) codes, int64, shape (n, 2).
        probabilities: float64, shape (n,), adding up to 1.
    """

    def __init__(self, pairs: Sequence[tuple[int, int]], weights: Sequence[float]) -> None:
        self.pairs = np.array(pairs, dtype=np.int64).reshape(-1, 2)
        total = float(sum(weights))
        self.probabilities = np.array(weights, dtype=np.float64) / (total or 1.0)
        self._uniform = len(set(weights)) <= 1
        self._upper = np.cumsum(self.probabilities)
        self._upper[-1:] = 1.0

    def __len__(self) -> int:
        return len(self.pairs)

    def draw(self, rng: np.random.Generator, size: tuple[int, ...]) -> Ints:
        """Positions in ``pairs``, int64 of shape ``size``."""
        if self._uniform:
            return rng.integers(len(self.pairs), size=size)
        return np.searchsorted(self._upper, rng.random(size), side="right")


class Plan:
    """How batches are composed (arXiv 2408.10536, section 2, and for mixed X-X batches arXiv 2004.05484).

    Args:
        alpha: Probability that a step is monolingual (X-X); else it is cross-lingual (X-Y).
        same: The languages of X-X steps, as pairs of a language with itself.
        different: The pairs of X-Y steps, of different languages.
        mixed: Whether X-X steps draw a language for each place instead of one for the whole step.
        alternate: Whether X-X and X-Y steps take turns instead of being drawn, where alpha is neither 0 nor 1.

    Attributes:
        pairs: The pairs of both kinds of steps, codes of query and passage languages, int64, shape (n, 2). A place's
            pair is a position in this.
        shares: The expected share of each pair among all places, float64, shape (n,), adding up to 1.
    """

    def __init__(self, alpha: float, same: Choice, different: Choice, *, mixed: bool, alternate: bool) -> None:
        self.alpha = alpha
        self.same = same
        self.different = different
        self.mixed = mixed
        self.alternate = alternate and 0.0 < alpha < 1.0
        self.pairs = np.concatenate([same.pairs, different.pairs])
        self.shares = np.concatenate([alpha * same.probabilities, (1.0 - alpha) * different.probabilities])
        self._code = np.min_scalar_type(len(self.pairs))

    def draw(
        self, rng: np.random.Generator, first: int, steps: int, places: int
    ) -> tuple[NDArray[np.bool_], NDArray[np.integer[Any]]]:
        """Draw the language pairs of some steps, the first of them number ``first`` of the epoch.

        Returns:
            Whether each step is cross-lingual, bool of shape (steps,), and the pair of each place, small integers of
            shape (steps, places).
        """
        cross = np.arange(first, first + steps) % 2 == 1 if self.alternate else rng.random(steps) >= self.alpha
        codes = np.empty((steps, places), dtype=self._code)
        count = int(cross.sum())
        if count < steps:
            codes[~cross] = self.same.draw(rng, (steps - count, places if self.mixed else 1))
        if count:
            codes[cross] = self.different.draw(rng, (count, places)) + len(self.same)
        return cross, codes

    def others(self, rng: np.random.Generator, cross: bool) -> list[int]:
        """The pairs that a place of a step may change to, in an order drawn by their weights.

        In an X-X step of one language there are none.
        """
        choice, start = (self.different, len(self.same)) if cross else (self.same, 0)
        if not cross and not self.mixed:
            return []
        # what is waited for at given rates comes in the order of a draw without replacement
        waits = rng.exponential(size=len(choice)) / choice.probabilities
        order: list[int] = (start + np.argsort(waits)).tolist()
        return order


def make_plan(
    languages: Sequence[str],
    available: set[tuple[int, int]],
    *,
    alpha: float,
    monolingual: Monolingual,
    language_weights: Mapping[str, float] | None,
    pair_weights: Mapping[tuple[str, str] | str, float] | None,
    alternate: bool = False,
) -> Plan:
    """Turn what a user asks for into probabilities over the language pairs that the data has.

    Args:
        languages: The data's languages; codes are positions in this.
        available: The language pairs that may be drawn.
        alpha: Probability of an X-X step, in [0, 1].
        monolingual: Whether an X-X step is of one language or mixes languages.
        language_weights: Weights of the languages of X-X steps; missing ones count 0. Default: equal.
        pair_weights: Weights of ordered pairs of X-Y steps, keyed ``("en", "de")`` or ``"en-de"``; missing ones count
            0. Default: equal.
        alternate: Whether X-X and X-Y steps take turns.

    Raises:
        TrainingDataError: ``alpha`` or a weight is out of range, a weight is for what the data does not have, or the
            data has nothing for a kind of step that ``alpha`` asks for.
    """
    if not 0.0 <= alpha <= 1.0:
        raise TrainingDataError(f"alpha, the share of monolingual batches, must be in [0, 1]; got {alpha!r}")
    if monolingual not in ("one-language", "mixed"):
        raise TrainingDataError(f"monolingual must be 'one-language' or 'mixed', got {monolingual!r}")
    number = {language: code for code, language in enumerate(languages)}
    same = {languages[query]: (query, query) for query, passage in sorted(available) if query == passage}
    different = {
        (languages[query], languages[passage]): (query, passage)
        for query, passage in sorted(available)
        if query != passage
    }
    plan = Plan(
        alpha,
        _choice(same, language_weights, "language_weights"),
        _choice(different, _split(pair_weights, number), "pair_weights"),
        mixed=monolingual == "mixed",
        alternate=alternate,
    )
    if alpha > 0 and not len(plan.same):
        raise TrainingDataError(
            f"alpha={alpha} asks for X-X batches, but no language has queries with passages; take alpha=0"
        )
    if alpha < 1 and not len(plan.different):
        raise TrainingDataError(
            f"alpha={alpha} asks for X-Y batches, but nothing in the data has query and passage in different "
            "languages; take alpha=1"
        )
    return plan


def _split(
    weights: Mapping[tuple[str, str] | str, float] | None, number: Mapping[str, int]
) -> dict[tuple[str, str], float] | None:
    if weights is None:
        return None
    split: dict[tuple[str, str], float] = {}
    for pair, weight in weights.items():
        query, passage = split_pair(pair)
        if query == passage or not {query, passage} <= set(number):
            raise TrainingDataError(
                f"pair_weights: {pair!r} must be a pair of different languages among {', '.join(number)}"
            )
        split[query, passage] = weight
    return split


def _choice(pairs: Mapping[_Name, tuple[int, int]], weights: Mapping[_Name, float] | None, option: str) -> Choice:
    if weights is None:
        return Choice(list(pairs.values()), [1.0] * len(pairs))
    for name, weight in weights.items():
        if name not in pairs:
            there = ", ".join(one if isinstance(one, str) else "-".join(one) for one in pairs)
            raise TrainingDataError(f"{option}: the data has nothing for {name!r}; it has {there or 'nothing'}")
        if not np.isfinite(weight) or weight < 0:
            raise TrainingDataError(f"{option}: the weight of {name!r} must be a number of at least 0, not {weight!r}")
    kept = {name: float(weight) for name, weight in weights.items() if weight > 0}
    if not kept:
        raise TrainingDataError(f"{option}: no weight is above 0; leave them out for equal ones")
    ordered = [name for name in pairs if name in kept]
    return Choice([pairs[name] for name in ordered], [kept[name] for name in ordered])
