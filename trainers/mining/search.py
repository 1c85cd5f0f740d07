"""Hard negatives of embedded queries among embedded passages, by sentence-transformers' own ``mine_hard_negatives``."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import random
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
import pyarrow as pa
import torch
from sentence_transformers.util import mine_hard_negatives

from mteb_hybrid.errors import OptionError, TrainingDataError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from mteb_hybrid.trainers.mining.search_pool import Search

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float32]

_ANCHORS = 2**14
"""Anchors of one search: bounds what sentence-transformers holds of candidates at a time."""
_SCORES = 2**28
"""Scores that are held at a time without FAISS: 1 GiB."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Which passages become negatives; all as in ``mine_hard_negatives``.

    Attributes:
        num_negatives: How many for each query.
        range_min: The first of the ranks that they are taken from.
        range_max: The rank after the last of them.
        absolute_margin: How far their score must be below the positive's.
        relative_margin: The same as a share of the positive's score.
        max_score: Their highest score.
        min_score: Their lowest score.
        sampling_strategy: ``top`` or ``random``.
        seed: For random ones.

    Raises:
        OptionError: A value that asks for nothing or makes no sense.
    """

    num_negatives: int
    range_min: int
    range_max: int
    absolute_margin: float | None
    relative_margin: float | None
    max_score: float | None
    min_score: float | None
    sampling_strategy: Literal["top", "random"]
    seed: int

    def __post_init__(self) -> None:
        if self.num_negatives < 1:
            raise OptionError(f"num_negatives must be at least 1, not {self.num_negatives}")
        if self.range_min < 0:
            raise OptionError(f"range_min must be at least 0, not {self.range_min}")
        if self.range_max - self.range_min < self.num_negatives:
            raise OptionError(
                f"between range_min={self.range_min} and range_max={self.range_max} there are no {self.num_negatives} "
                "ranks for as many negatives: raise range_max"
            )
        if self.sampling_strategy not in ("top", "random"):
            raise OptionError(f"sampling_strategy must be 'top' or 'random', not {self.sampling_strategy!r}")
        for name in ("absolute_margin", "relative_margin", "max_score", "min_score"):
            value = getattr(self, name)
            if value is not None and not np.isfinite(value):
                raise OptionError(f"{name} must be a finite number or None, not {value!r}")

    def describe(self) -> dict[str, Any]:
        """Every setting by its name; the seed only where something is drawn."""
        return {name: value for name, value in asdict(self).items() if name != "seed" or self.seed_matters}

    @property
    def seed_matters(self) -> bool:
        """Whether another seed gives other negatives."""
        return self.sampling_strategy == "random"


def check_faiss() -> None:
    """Raise an error that says how to get FAISS, if it is not there.

    Raises:
        TrainingDataError: It is not installed.
    """
    if importlib.util.find_spec("faiss") is None:
        raise TrainingDataError(
            'mining with use_faiss=True needs FAISS: pip install "mteb-hybrid[faiss]", or pass use_faiss=False, which '
            "is slower with many passages"
        )


def find_negatives(
    search: Search, queries: Floats, passages: Floats, choice: Choice, *, use_faiss: bool, verbose: bool
) -> Ints:
    """The hard negatives of every anchor, hardest first.

    Sentence-transformers takes the candidates of highest cosine that are no positives and keep the margins, and of them
    those in the range of ranks. Those of the anchor's family are then dropped; as many more are asked for as there can
    be.

    Args:
        search: Anchors and candidates.
        queries: Embeddings of the anchors, float32 of length 1, shape (anchors, dimension).
        passages: Embeddings of the candidates, likewise.
        choice: Which to take.
        use_faiss: Search with FAISS.
        verbose: Let sentence-transformers print its figures and progress.

    Returns:
        Candidates, int64, shape (anchors, negatives); -1 where there is none. None is of its anchor's family.
    """
    positives, start = search.positives
    right = np.diff(start)
    sizes = np.bincount(search.candidate_family, minlength=search.families)
    spare = sizes[search.anchor_family] - right  # candidates of the family that are no positives
    # how many more are asked for: none, or the next power of 4, so that few calls are made
    power = np.where(spare > 0, np.maximum(1, np.ceil(np.log2(np.maximum(spare, 1)) / 2)), 0).astype(np.int64)
    more = np.where(power > 0, 4**power, 0)
    found = np.full((len(right), choice.num_negatives), -1, dtype=np.int64)
    known = _Embedded(queries, passages)
    names = _names("p", np.arange(len(passages)))
    rng = np.random.default_rng([choice.seed, len(queries), len(passages)])
    step = _ANCHORS if use_faiss else max(1, min(_ANCHORS, _SCORES // len(passages)))
    # one call for anchors with equally many positives: with different numbers some versions of sentence-transformers
    # mix up the anchors' margins, and never more may be asked for than there are candidates
    for number, extra in np.unique(np.stack([right, more], axis=1)[right > 0], axis=0).tolist():
        last = min(choice.range_max, len(passages) - number)
        asked = min(choice.num_negatives + extra, last - choice.range_min)
        if asked < 1:
            continue
        members = np.flatnonzero((right == number) & (more == extra))
        for first in range(0, len(members), step):
            here = members[first : first + step]
            pairs = _Pairs(
                _names("q", np.repeat(here, number)),
                _names("p", positives[start[here][:, None] + np.arange(number)].ravel()),
            )
            with _quiet(verbose), _seeded(f"{choice.seed} {number} {extra} {first}"):
                mined = mine_hard_negatives(
                    cast("Any", pairs),
                    cast("Any", known),
                    anchor_column_name="query",
                    positive_column_name="passage",
                    corpus=names,
                    range_min=choice.range_min,
                    range_max=last,
                    max_score=choice.max_score,
                    min_score=choice.min_score,
                    absolute_margin=choice.absolute_margin,
                    relative_margin=choice.relative_margin,
                    num_negatives=asked,
                    sampling_strategy=choice.sampling_strategy,
                    output_format="labeled-list",
                    use_faiss=use_faiss,
                    verbose=verbose,
                )
            _keep(search, mined, found, choice, rng)
    assert not search.is_family(search.anchor_family[:, None], found).any()
    return found


def _keep(search: Search, mined: Any, found: Ints, choice: Choice, rng: np.random.Generator) -> None:
    """Put what was mined into ``found``, without what is of an anchor's family."""
    before = -1
    columns = mined[:]  # at once: row by row a data set is slow
    for name, listed in zip(columns["query"], columns["passage"], strict=True):
        anchor = int(name[1:])
        if anchor == before:  # an anchor is listed once for each of its positives
            continue
        before = anchor
        candidates = np.array([int(candidate[1:]) for candidate in listed[1:]], dtype=np.int64)
        candidates = candidates[search.candidate_family[candidates] != search.anchor_family[anchor]]
        if choice.sampling_strategy == "random" and len(candidates) > choice.num_negatives:
            candidates = candidates[np.sort(rng.permutation(len(candidates))[: choice.num_negatives])]
        candidates = candidates[: choice.num_negatives]
        found[anchor, : len(candidates)] = candidates


def _names(role: str, numbers: Ints) -> list[str]:
    """What stands for texts: names that `_Embedded` knows the embeddings of."""
    return [f"{role}{number}" for number in numbers.tolist()]


@dataclass(frozen=True, slots=True)
class _Pairs:
    """Queries with a positive each: what ``mine_hard_negatives`` asks of a data set.

    A ``datasets.Dataset`` would do as well, but for sentence-transformers 5.0 with versions of ``datasets`` whose
    columns are no lists.
    """

    query: list[str]
    passage: list[str]

    @property
    def column_names(self) -> list[str]:
        return ["query", "passage"]

    def __len__(self) -> int:
        return len(self.query)

    def __getitem__(self, column: str) -> list[str]:
        return self.query if column == "query" else self.passage

    def to_pandas(self) -> Any:
        return pa.table({column: self[column] for column in self.column_names}).to_pandas()


class _Embedded:
    """A model that has embedded everything already: what ``mine_hard_negatives`` asks of a SentenceTransformer.

    So the passages of all languages are embedded once and not for each language of queries, what is embedded can be
    kept on disk, prompts are put in front in the same way by all versions, and texts are told apart by their numbers.
    """

    device = torch.device("cpu")

    def __init__(self, queries: Floats, passages: Floats) -> None:
        self._embeddings = {"q": queries, "p": passages}

    def encode(self, names: Sequence[str], **_: Any) -> Floats:
        matrix = self._embeddings[names[0][0]]
        rows = np.array([int(name[1:]) for name in names])
        if len(rows) == len(matrix) and np.array_equal(rows, np.arange(len(matrix))):
            return matrix  # not copied
        found: Floats = matrix[rows]
        return found

    encode_query = encode_document = encode

    def get_embedding_dimension(self) -> int:
        return int(self._embeddings["p"].shape[1])

    get_sentence_embedding_dimension = get_embedding_dimension

    def similarity(self, queries: Any, passages: Any) -> torch.Tensor:
        return torch.as_tensor(queries) @ torch.as_tensor(passages).T

    def similarity_pairwise(self, queries: Any, passages: Any) -> torch.Tensor:
        return (torch.as_tensor(queries) * torch.as_tensor(passages)).sum(dim=1)


@contextlib.contextmanager
def _quiet(verbose: bool) -> Iterator[None]:
    """Hide what sentence-transformers prints and draws even if told to be quiet; errors come through."""
    if verbose:
        yield
        return
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        yield


@contextlib.contextmanager
def _seeded(seed: str) -> Iterator[None]:
    """Seed Python's global generator, from which sentence-transformers draws, and put it back."""
    state = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(state)
