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
RATES = {"e5": (1e-5, 3e-5, 1e-4), "layers4": (1e-4, 3e-4, 1e-3)}
"""Learning rates that study/choose.py tries on held-out items, with the steps below."""
CHOSEN = {"e5": (3e-5, 60), "layers4": (3e-4, 60), "layers4-ntrex": (3e-4, 60)}
"""Learning rate and steps by initialiser, the same for all arms. The steps are what two CPU cores have time for."""
FULL_STEPS = 400
FULL = ("training.batch_size=100", f"training.steps={FULL_STEPS}", 'training.precision="bf16"')
"""What a GPU trains instead of recipe.toml's batches of 24 and the steps above; whole collections are its test."""
DIVERSITY = ("en zh", "en zh ar", "en zh ar es hi", "en zh ar es hi de vi")
"""Languages of question 4, each set a part of the next."""
SAMPLERS = {
    "batch-sampler": "`BATCH_SAMPLER`, plain loss", "no-duplicates": "`NO_DUPLICATES`, plain loss",
    "batch-sampler-masked": "`BATCH_SAMPLER`, `HybridLoss`",
}  # fmt: skip
"""Question 10: sentence-transformers' own samplers, by the name that study/plain.py knows."""


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
    def sampler(self) -> str | None:
        """Sampler of sentence-transformers that its batches come from, as study/plain.py calls it; None for ours."""
        name = self.name.removeprefix("data10-")
        return name if name in SAMPLERS else None

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
    first = [*_modes("mlqa-r", "layers4", (1, 2, 3, 5, 6, 7, 8, 9, 10)), *_modes("mlqa-r", "e5")]
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


def _small(name: str, settings: Iterable[str], *questions: int, data: str = "mlqa-r") -> list[Arm]:
    """An arm with every seed, of the small initialiser."""
    return [Arm(name, data, "layers4", seed, tuple(settings), questions) for seed in SEEDS]


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
        settings = ["sampler.alpha=0.5", f"sampler.languages=[{listed}]"]
        yield from _small(f"languages{len(names)}", settings, 4, data="xquad-r")


def _share(percent: int) -> list[str]:
    """Settings of hybrid training on a part of MLQA-R's items."""
    return ["sampler.alpha=0.5", f'data=[{{kind="collection",name="mlqa-r",fraction={percent / 100}}}]']


def _fractions() -> Iterator[Arm]:
    """Question 5; the whole data is an arm of question 1."""
    for percent in (10, 25, 50):
        yield from _small(f"data{percent}", _share(percent), *((5, 10) if percent == 10 else (5,)))


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
    """Question 10, and LAReQA's X-X batches of mixed languages.

    In a batch of 24 of a thousand items hardly any item comes twice, so that masking has nothing to do; with a tenth of
    the items it has.
    """
    yield from _small("X-X-mixed", ["sampler.alpha=1.0", 'sampler.monolingual="mixed"'], 10)
    for name in ("batch-sampler", "no-duplicates"):
        yield from _small(name, ["sampler.alpha=0.5"], 10)
    for name in ("batch-sampler", "batch-sampler-masked"):
        yield from _small(f"data10-{name}", _share(10), 10)
