"""What the study trains: initialisers, and arms by the question that they answer."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SEEDS = (0, 1, 2)
MODES = {"X-X-mono": 1.0, "X-Y": 0.0, "hybrid": 0.5}
"""Values of alpha of the three ways that the paper compares."""
TEST_OF = {"mlqa-r": "XQuADRFifth", "xquad-r": "MLQARFifth"}
"""Training data to the collection that its models are tested on: never the same questions."""
RATES = {"e5": (1e-5, 3e-5, 1e-4), "layers4": (3e-5, 1e-4, 3e-4)}
STEPS = {"e5": (60,), "layers4": (60, 80)}
"""Learning rates and steps that study/choose.py tries on held-out items."""
CHOSEN = {"e5": (3e-5, 60), "layers4": (3e-4, 60), "layers4-ntrex": (3e-4, 60)}
"""Learning rate and steps by initialiser, as study/choose.py found them; the same for all arms."""
FULL_STEPS = 400
FULL = ("training.batch_size=100", f"training.steps={FULL_STEPS}", 'training.precision="bf16"')
"""What a GPU trains instead of recipe.toml's batches of 24 and the steps above; whole collections are its test."""
DIVERSITY = ("en zh", "en zh ar", "en zh ar es hi", "en zh ar es hi de vi")
"""Languages of question 4, each set a part of the next."""
BASELINES = ("batch-sampler", "no-duplicates", "batch-sampler-masked")
"""Question 10: sentence-transformers' samplers, plain in-batch loss; ``masked``: the first with `HybridLoss`."""


@dataclass(frozen=True)
class Arm:
    """One training, or none.

    Attributes:
        name: What differs, such as ``hybrid``; ``start`` for the initialiser itself.
        data: Collection that is trained on.
        start: Initialiser.
        seed: Of the training.
        settings: What the recipe says otherwise than recipe.toml, as ``mteb-hybrid train --set`` takes it; ``PREPARED``
            stands for the folder of study/prepare.py.
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

    @property
    def recipe(self) -> tuple[str, ...]:
        """All that its recipe says otherwise than recipe.toml, but for the initialiser's directory."""
        rate, steps = CHOSEN[self.start]
        return (
            f'data=[{{kind="collection",name="{self.data}"}}]', f"training.seed={self.seed}",
            f"training.learning_rate={rate}", f"training.steps={steps}", *self.settings,
        )  # fmt: skip


def arms() -> list[Arm]:
    """All arms in the order in which the driver goes through them: question 1, then the others, seed by seed."""
    first = [*_modes("mlqa-r", "layers4"), *_modes("mlqa-r", "e5")]
    others = sorted(
        [*_baselines(), *_alphas(), *_starting_points(), *_losses(), *_fractions(), *_diversity()],
        key=lambda arm: arm.seed,
    )
    return list(dict.fromkeys([*first, *others, *_modes("xquad-r", "e5")]))


def _modes(data: str, start: str, questions: tuple[int, ...] = (1, 3, 6, 7)) -> Iterator[Arm]:
    """Question 1, and 3, 6 and 7, which read the same models."""
    yield Arm("start", data, start, questions=questions)
    for seed, (name, alpha) in itertools.product(SEEDS, MODES.items()):
        yield Arm(name, data, start, seed, (f"sampler.alpha={alpha}",), questions)


def _small(
    name: str, settings: Iterable[str], question: int, data: str = "mlqa-r", start: str = "layers4"
) -> list[Arm]:
    """An arm with every seed, of the small initialiser."""
    return [Arm(name, data, start, seed, tuple(settings), (question,)) for seed in SEEDS]


def _alphas() -> Iterator[Arm]:
    """Question 2; 0, 0.5 and 1 are arms of question 1."""
    for tenths in (1, 2, 3, 4, 6, 7, 8, 9):
        yield from _small(f"alpha{tenths}", [f"sampler.alpha={tenths / 10}"], 2)


def _diversity() -> Iterator[Arm]:
    """Question 4; XQuAD-R has every item in every language, so that fewer languages do not mean fewer items."""
    yield Arm("start", "xquad-r", "layers4", questions=(4,))
    yield from _small("hybrid", ["sampler.alpha=0.5"], 4, data="xquad-r")
    for languages in DIVERSITY:
        names = languages.split()
        listed = ",".join(f'"{name}"' for name in names)
        yield from _small(
            f"languages{len(names)}", ["sampler.alpha=0.5", f"sampler.languages=[{listed}]"], 4, "xquad-r"
        )


def _fractions() -> Iterator[Arm]:
    """Question 5; the whole data is an arm of question 1."""
    for percent in (10, 25, 50):
        data = f'data=[{{kind="collection",name="mlqa-r",fraction={percent / 100}}}]'
        yield from _small(f"data{percent}", ["sampler.alpha=0.5", data], 5)


def _losses() -> Iterator[Arm]:
    """Question 8, on hybrid batches; what masking adds is seen in question 10."""
    yield from _small("parallel", ["sampler.alpha=0.5", 'loss.positives="parallel"'], 8)
    yield from _small("consistency", ["sampler.alpha=0.5", "loss.consistency=0.1"], 8)
    negatives = 'data=[{kind="long",path="PREPARED/negatives.parquet",name="mlqa-r-negatives"}]'
    yield from _small("negatives", ["sampler.alpha=0.5", negatives], 8)


def _starting_points() -> Iterator[Arm]:
    """Question 9."""
    yield from _small("english", ["sampler.alpha=1.0", 'sampler.languages=["en"]'], 9)
    yield from _modes("mlqa-r", "layers4-ntrex", (9,))


def _baselines() -> Iterator[Arm]:
    """Question 10, and LAReQA's X-X batches of mixed languages."""
    yield from _small("X-X-mixed", ["sampler.alpha=1.0", 'sampler.monolingual="mixed"'], 10)
    for name in BASELINES:
        yield from _small(name, ["sampler.alpha=0.5"], 10)
