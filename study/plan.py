"""What the study trains: arms, by the question that they answer."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

SEEDS = (0, 1, 2)
ALPHA = {"X-X-mono": 1.0, "X-Y": 0.0, "hybrid": 0.5}
TEST_OF = {"mlqa-r": "XQuADRFifth", "xquad-r": "MLQARFifth"}
"""Training data to the collection that its models are tested on: never the same questions."""


@dataclass(frozen=True)
class Arm:
    """One training, or none.

    Attributes:
        name: What differs, such as ``hybrid``; ``start`` for the initialiser itself.
        data: Collection that is trained on.
        start: Initialiser.
        seed: Of the training.
        settings: What the recipe says otherwise than recipe.toml, as ``mteb-hybrid train --set`` takes it.
        questions: Numbers of the study's questions that it helps to answer.
    """

    name: str
    data: str
    start: str = "e5"
    seed: int = 0
    settings: tuple[str, ...] = ()
    questions: tuple[int, ...] = field(default=(), compare=False)

    @property
    def id(self) -> str:
        """Name of its folders; also of its model in MTEB, which is filed under ``local/``."""
        parts = [self.data, self.start, self.name]
        return "_".join(parts if self.name == "start" else [*parts, f"seed{self.seed}"])

    @property
    def test(self) -> str:
        """Task family that it is tested on."""
        return TEST_OF[self.data]


def arms() -> list[Arm]:
    """All arms, the most important ones first; the driver goes through them in this order."""
    found = [*_three_arms("mlqa-r"), *_three_arms("xquad-r"), *_alphas()]
    return list(dict.fromkeys(found))


def _three_arms(data: str) -> Iterator[Arm]:
    """Question 1, and 3 and 7, which read the same models."""
    yield Arm("start", data, questions=(1, 3, 7))
    for seed, (name, alpha) in itertools.product(SEEDS, ALPHA.items()):
        yield Arm(name, data, seed=seed, settings=(f"sampler.alpha={alpha}",), questions=(1, 3, 7))


def _alphas() -> Iterator[Arm]:
    """Question 2; 0, 0.5 and 1 are arms of question 1."""
    for tenths in (1, 2, 3, 4, 6, 7, 8, 9):
        yield Arm(f"alpha{tenths}", "mlqa-r", settings=(f"sampler.alpha={tenths / 10}",), questions=(2,))
