"""The batch sampler of hybrid training."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import torch
from sentence_transformers import DefaultBatchSampler

from mteb_hybrid.errors import TrainingDataError
from mteb_hybrid.trainers.data.plain_dataset import training_rows
from mteb_hybrid.trainers.sampling.filling import StepFiller
from mteb_hybrid.trainers.sampling.plan import make_plan

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from datasets import Dataset

    from mteb_hybrid.trainers.sampling.plan import Monolingual, Plan

logger = logging.getLogger(__name__)


class HybridBatchSampler(DefaultBatchSampler):
    """Batches for hybrid training: monolingual (X-X) with probability alpha, else cross-lingual (X-Y).

    An X-X batch has queries and passages of one language, drawn uniformly over the languages. In an X-Y batch every
    row has its query in one language and its passage in another, drawn uniformly over the ordered pairs, row by row
    (arXiv 2408.10536, section 2). No item comes twice in a step, in whatever languages: a translation of the right
    passage must not serve as a wrong one. Items that share a text count as one.

    An epoch has as many rows as the data has items that can be drawn (rows, for a plain ``Dataset`` of pairs), rounded
    down to full steps, which are always full. Where all items have all languages, share no texts and are drawn without
    temperature, none is drawn twice in an epoch, and those that are left over, too few for a step, are others in every
    epoch. Else the items of a language pair are drawn equally often over epochs, and those that exist in more languages
    more often than others.

    What is drawn depends on seed and epoch alone. With several processes the batches of a global step, one for each
    process, share their kind and, if they are X-X, their language, and no item is in two of them.

    An evaluation set (`ParallelDataset.for_evaluation`) gets the same batches at every evaluation and whatever alpha
    is: X-X if it has one language, else X-X and X-Y in turns. If it is too small for a batch, batches are smaller.

    Args:
        dataset: A `ParallelDataset`, or a ``Dataset`` of pairs with columns ``anchor_language`` and
            ``positive_language`` (or ``query_language`` and ``passage_language``) and optionally ``item``, which are
            hidden from the collator from now on; a column ``label`` with what `HybridLoss` needs takes their place.
        batch_size: Rows of a batch, for one process.
        drop_last: Ignored: batches are always full.
        valid_label_columns: Ignored; the trainer passes it.
        generator: Where ``seed`` is 0, the seed that this was given counts, and nothing is drawn from it:
            sentence-transformers 5.0 hands the trainer's seed on in this way alone.
        seed: The trainer's seed.
        alpha: Probability of an X-X batch, in [0, 1]: 1 is X-X-mono, 0 is X-Y, between them lies hybrid training.
        languages: Languages to train on. Default: all of the data.
        monolingual: ``"one-language"``, or ``"mixed"`` for LAReQA's X-X batches (arXiv 2004.05484): rows of several
            languages, each with query and passage in the same one.
        language_weights: Weights of the languages of X-X batches. Default: equal.
        pair_weights: Weights of ordered pairs (query language, passage language) of X-Y batches, keyed
            ``("en", "de")`` or ``"en-de"``. Default: equal.
        steps_per_epoch: Number of global steps of an epoch, instead of what the number of items says.
        processes: Number of processes that share the batches. Default: that of ``torch.distributed``.

    Raises:
        TrainingDataError: The data cannot give such batches; the message says what is missing.

    Example:
        ::

            args = SentenceTransformerTrainingArguments(
                "out", batch_sampler=functools.partial(HybridBatchSampler, alpha=0.4)
            )
    """

    def __init__(
        self,
        dataset: Dataset,
        batch_size: int,
        drop_last: bool = False,
        valid_label_columns: list[str] | None = None,
        generator: torch.Generator | None = None,
        seed: int = 0,
        *,
        alpha: float = 0.5,
        languages: Iterable[str] | None = None,
        monolingual: Monolingual = "one-language",
        language_weights: Mapping[str, float] | None = None,
        pair_weights: Mapping[tuple[str, str] | str, float] | None = None,
        steps_per_epoch: int | None = None,
        processes: int | None = None,
    ) -> None:
        super().__init__(
            dataset,
            batch_size=batch_size,
            drop_last=drop_last,
            valid_label_columns=valid_label_columns,
            generator=generator,
            seed=seed or _seed_of(generator),
        )
        if steps_per_epoch is not None and steps_per_epoch < 1:
            raise TrainingDataError(f"steps_per_epoch must be at least 1, got {steps_per_epoch}")
        self.processes = _world_size() if processes is None else processes
        if self.processes < 1:
            raise TrainingDataError(f"processes must be at least 1, got {self.processes}")
        self._rows = training_rows(dataset)
        options: dict[str, Any] = {
            "alpha": alpha,
            "monolingual": monolingual,
            "language_weights": language_weights,
            "pair_weights": pair_weights,
        }
        if self._rows.evaluation:
            languages = steps_per_epoch = None
            options = {
                "alpha": 0.5,
                "monolingual": "one-language",
                "language_weights": None,
                "pair_weights": None,
                "alternate": True,
            }
        available = self._rows.available(languages)
        if all(query == passage for query, passage in available) and len(available) == 1:
            if not self._rows.evaluation and alpha < 1:
                logger.warning(
                    "The data has one language: every batch is X-X, and alpha=%s means nothing; alpha=1 says it", alpha
                )
            options["alpha"] = 1.0
        elif self._rows.evaluation and not any(query == passage for query, passage in available):
            options["alpha"] = 0.0
        elif self._rows.evaluation and not any(query != passage for query, passage in available):
            options["alpha"] = 1.0
        self.plan: Plan = make_plan(self._rows.triples.languages, available, **options)
        self._check_size()
        drawn = self._rows.count_items(self.plan.pairs[self.plan.shares > 0].tolist())
        steps = max(1, drawn // (self.batch_size * self.processes))
        if self.plan.alternate:
            steps += steps % 2  # as many X-X as X-Y steps
        self.steps_per_epoch = steps_per_epoch or steps
        # where several processes share the batches, accelerate hands a new epoch to `batch_sampler.sampler`, and where
        # in addition a resumed run skips batches, to `dataset.set_epoch` alone
        self.sampler = _Epochs(self)  # type: ignore[assignment]
        dataset.set_epoch = _DatasetEpochs(self)

    def __iter__(self) -> Iterator[list[int]]:
        """Batches of row numbers, ``batch_size`` each; the batches of one global step follow each other."""
        fixed = self._rows.evaluation
        filler = StepFiller(
            self._rows,
            self.plan,
            places=self.batch_size * self.processes,
            steps=self.steps_per_epoch,
            seed=0 if fixed else self.seed % 2**63,
            epoch=0 if fixed else self.epoch,
        )
        for step in filler:
            if self.processes == 1:
                yield step
            else:
                for first in range(0, len(step), self.batch_size):
                    yield step[first : first + self.batch_size]

    def __len__(self) -> int:
        """Number of batches of an epoch, of all processes together; exact."""
        return self.steps_per_epoch * self.processes

    def _check_size(self) -> None:
        """Make sure that every kind of step can be filled, with smaller batches if this is an evaluation set."""
        places = self.batch_size * self.processes
        names = self._rows.triples.languages
        kinds: list[tuple[str, list[tuple[int, int]]]] = []
        if self.plan.alpha > 0:
            same = [(int(code), int(code)) for code, _ in self.plan.same.pairs]
            if self.plan.mixed:
                kinds.append(("all languages together", same))
            else:
                kinds += [(f"language {names[query]!r}", [(query, query)]) for query, _ in same]
        if self.plan.alpha < 1:
            different = [(int(query), int(passage)) for query, passage in self.plan.different.pairs]
            kinds.append(("all pairs of different languages together", different))
        for what, pairs in kinds:
            found = self._rows.count_distinct(pairs, places)
            if found >= places:
                continue
            if self._rows.evaluation and found >= self.processes:
                places = found // self.processes * self.processes
                self.batch_size = places // self.processes
                continue
            raise TrainingDataError(
                f"{what}: {found} items without a text in common, but a step needs {places} (batch size "
                f"{self.batch_size}, {self.processes} process{'es' * (self.processes > 1)}); lower the batch size, "
                "leave the language out with languages=[...], or mark an evaluation set with for_evaluation()"
            )


class _Epochs:
    """Passes a new epoch on to a batch sampler, for who takes it for its sampler."""

    def __init__(self, batch_sampler: HybridBatchSampler) -> None:
        self._batch_sampler = batch_sampler

    def set_epoch(self, epoch: int) -> None:
        self._batch_sampler.set_epoch(epoch)


class _DatasetEpochs:
    """Passes a new epoch on to the batch sampler of a data set, called as the data set's ``set_epoch``.

    Not a 0 that comes after another epoch: before accelerate 1.15 a loader that skips batches counts from 0 and says so
    here, when the trainer has set the epoch of the run that it resumes.
    """

    def __init__(self, batch_sampler: HybridBatchSampler | None) -> None:
        self._batch_sampler = batch_sampler

    def __call__(self, epoch: int) -> None:
        if self._batch_sampler is not None and epoch > 0:
            self._batch_sampler.set_epoch(epoch)

    def __reduce__(self) -> tuple[type[_DatasetEpochs], tuple[None]]:
        return _DatasetEpochs, (None,)  # copies of a data set, such as those of a DataLoader's workers, need no sampler


def _seed_of(generator: torch.Generator | None) -> int:
    """The seed that a generator was given, 0 if it was given none."""
    if generator is None:
        return 0
    seed = int(generator.initial_seed())
    return 0 if seed == torch.Generator().initial_seed() else seed


def _world_size() -> int:
    distributed = torch.distributed.is_available() and torch.distributed.is_initialized()
    return torch.distributed.get_world_size() if distributed else 1
