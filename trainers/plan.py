"""Which language pair each place of a batch gets: the definition of X-X, X-Y and hybrid batches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeVar

import numpy as np

from mteb_hybrid.errors import TrainingDataError

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


@dataclass(frozen=True, slots=True)
class Plan:
    """How batches are composed (arXiv 2408.10536, section 2, and for mixed X-X batches arXiv 2004.05484).

    Attributes:
        alpha: Probability that a step is monolingual (X-X); else it is cross-lingual (X-Y).
        same: The languages of X-X steps, as pairs of a language with itself.
        different: The pairs of X-Y steps, of different languages.
        mixed: Whether X-X steps draw a language for each place instead of one for the whole step.
    """

    alpha: float
    same: Choice
    different: Choice
    mixed: bool

    def draw(self, rng: np.random.Generator, steps: int, places: int) -> tuple[NDArray[np.bool_], Ints, Ints]:
        """Draw the language pairs of some steps.

        Returns:
            Whether each step is cross-lingual, bool of shape (steps,); then query and passage languages, int64 of
            shape (steps, places).
        """
        cross = rng.random(steps) >= self.alpha
        pair = np.empty((steps, places, 2), dtype=np.int64)
        if not cross.all():
            one = (steps - int(cross.sum()), places if self.mixed else 1)
            pair[~cross] = self.same.pairs[self.same.draw(rng, one)]
        if cross.any():
            pair[cross] = self.different.pairs[self.different.draw(rng, (int(cross.sum()), places))]
        return cross, pair[..., 0], pair[..., 1]

    def choice(self, cross: bool) -> Choice:
        """What the places of a step of one kind draw from."""
        return self.different if cross else self.same

    def shares(self) -> dict[tuple[int, int], float]:
        """The expected share of each language pair among all places; the shares add up to 1."""
        parts = ((self.alpha, self.same), (1.0 - self.alpha, self.different))
        return {
            (int(query), int(passage)): share * float(probability)
            for share, choice in parts
            if share > 0
            for (query, passage), probability in zip(choice.pairs, choice.probabilities, strict=True)
        }


def make_plan(
    languages: Sequence[str],
    available: set[tuple[int, int]],
    *,
    alpha: float,
    monolingual: Monolingual,
    language_weights: Mapping[str, float] | None,
    pair_weights: Mapping[tuple[str, str] | str, float] | None,
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

    Raises:
        TrainingDataError: ``alpha`` or a weight is out of range, a weight is for what the data does not have, or the
            data has nothing for a kind of step that ``alpha`` asks for.
    """
    if not 0.0 <= alpha <= 1.0:
        raise TrainingDataError(f"alpha is the share of monolingual batches, in [0, 1]; got {alpha!r}")
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
        monolingual == "mixed",
    )
    if alpha > 0 and not len(plan.same):
        raise TrainingDataError(f"alpha={alpha} asks for X-X batches, but no language has queries with passages")
    if alpha < 1 and not len(plan.different):
        raise TrainingDataError(
            f"alpha={alpha} asks for X-Y batches, but nothing in the data has query and passage in different languages"
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
                f"pair_weights: {pair!r} is no pair of different languages among {', '.join(number)}"
            )
        split[query, passage] = weight
    return split


def split_pair(pair: tuple[str, str] | str) -> tuple[str, str]:
    """Query and passage language of a pair given as ``("en", "de")`` or ``"en-de"``.

    Raises:
        TrainingDataError: It is neither.
    """
    parts = tuple(pair.split("-")) if isinstance(pair, str) else tuple(pair)
    if len(parts) != 2 or not all(isinstance(part, str) and part for part in parts):
        raise TrainingDataError(
            f"a language pair is written ('en', 'de') or 'en-de', query language first; got {pair!r}"
        )
    return parts[0], parts[1]


def _choice(pairs: Mapping[_Name, tuple[int, int]], weights: Mapping[_Name, float] | None, option: str) -> Choice:
    if weights is None:
        return Choice(list(pairs.values()), [1.0] * len(pairs))
    for name, weight in weights.items():
        if name not in pairs:
            raise TrainingDataError(f"{option}: the data has nothing for {name!r}")
        if not np.isfinite(weight) or weight < 0:
            raise TrainingDataError(f"{option}: the weight of {name!r} is {weight!r}, not a number of at least 0")
    kept = {name: float(weight) for name, weight in weights.items() if weight > 0}
    if not kept:
        raise TrainingDataError(f"{option}: no weight is above 0")
    ordered = [name for name in pairs if name in kept]
    return Choice([pairs[name] for name in ordered], [kept[name] for name in ordered])
