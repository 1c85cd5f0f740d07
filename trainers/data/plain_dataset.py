"""A plain ``Dataset`` of pairs as training data: its language columns are read once and hidden from the collator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import xxhash
from datasets import Dataset

from mteb_hybrid.errors import TrainingDataError
from mteb_hybrid.trainers.data.groups import TextGroups, checked_texts
from mteb_hybrid.trainers.data.rows import TrainingRows
from mteb_hybrid.trainers.data.texts import narrow
from mteb_hybrid.trainers.data.triples import Shape, Triples
from mteb_hybrid.trainers.labels import encode_label

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

_LANGUAGE_COLUMNS = (("anchor_language", "positive_language"), ("query_language", "passage_language"))
_ITEM = "item"
_LABELS = {"label", "labels", "score", "scores"}


def training_rows(dataset: Dataset) -> TrainingRows:
    """The rows of a training set: a `ParallelDataset`'s own, or those of a plain ``Dataset`` of pairs.

    A plain data set gets a transform that hides the language columns and ``item`` and adds ``label``, in place, because
    the trainer reads the very object that it hands to the sampler.

    Raises:
        TrainingDataError: The data has no language columns, or something is missing in them.
    """
    own = getattr(dataset, "training_rows", None)
    if isinstance(own, TrainingRows):
        return own
    if not isinstance(dataset, Dataset):
        raise TrainingDataError(f"HybridBatchSampler needs a datasets.Dataset, got {type(dataset).__name__}")
    plain = dataset.with_format(None)
    languages = next((pair for pair in _LANGUAGE_COLUMNS if set(pair) <= set(plain.column_names)), None)
    if languages is None:
        raise TrainingDataError(
            "HybridBatchSampler needs a ParallelDataset, or a Dataset of pairs with columns 'anchor_language' and "
            f"'positive_language'; this one has {', '.join(plain.column_names)}"
        )
    hidden = {*languages, _ITEM}
    texts = [column for column in plain.column_names if column not in hidden | _LABELS | {"dataset_name"}]
    if len(texts) < 2:
        raise TrainingDataError(f"a Dataset of pairs needs two columns of texts, this one has {texts}")
    rows = _read(plain, languages, texts[:2])
    _hide(dataset, languages, texts[1])
    return rows


def _read(plain: Dataset, languages: tuple[str, str], texts: list[str]) -> TrainingRows:
    if not len(plain):
        raise TrainingDataError("the Dataset of pairs is empty; give it a row")
    codes = []
    for column in languages:
        values = np.array(plain.select_columns([column])[:][column])
        missing = [row for row, value in enumerate(values.tolist()) if not isinstance(value, str) or not value]
        if missing:
            raise TrainingDataError(
                f"column {column!r} has no language in row {missing[0]} ({len(missing)} such rows); each row needs one"
            )
        found, code = np.unique(values, return_inverse=True)
        codes.append((found, code))
    names = sorted({str(name) for found, _ in codes for name in found})
    query, passage = (np.searchsorted(names, found)[code] for found, code in codes)
    order = np.lexsort((np.arange(len(plain)), passage, query))
    pair = (query * len(names) + passage)[order]
    starts = np.flatnonzero(np.append(True, pair[1:] != pair[:-1]))
    counts = np.diff(np.append(starts, len(pair)))
    shapes = [
        Shape(int(count), (names[int(pair[start]) // len(names)],), (names[int(pair[start]) % len(names)],))
        for start, count in zip(starts, counts, strict=True)
    ]
    groups = TextGroups(len(plain), len(plain) * len(texts))
    place = np.empty(len(plain), dtype=np.int64)  # of a row of the data set among the items
    place[order] = np.arange(len(plain))
    for column in texts:
        only = plain.select_columns([column])
        chunks = (only[start : start + 10_000][column] for start in range(0, len(only), 10_000))
        groups.add(0, checked_texts(chunks, f"column {column!r}", int))
    linked = _same_items(plain)
    found_groups = groups.groups([linked] if linked is not None else [])
    if found_groups is not None:  # by row of the data set; wanted is by item, with items as names of groups
        _, first = np.unique(found_groups[order], return_index=True)
        smallest = np.zeros(len(plain), dtype=np.int64)
        smallest[found_groups[order][first]] = first
        found_groups = smallest[found_groups[order]]
    return TrainingRows(Triples(shapes), found_groups, narrow(order))


def _same_items(plain: Dataset) -> tuple[NDArray[np.int64], NDArray[np.int64]] | None:
    """Pairs of rows with the same value in column ``item``."""
    if _ITEM not in plain.column_names:
        return None
    items = plain.select_columns([_ITEM])[:][_ITEM]
    if None in items:
        raise TrainingDataError(f"column {_ITEM!r} is null in row {items.index(None)}; each row needs one")
    _, code = np.unique(np.array(items), return_inverse=True)
    order = np.argsort(code, kind="stable")
    same = code[order][1:] == code[order][:-1]
    return order[:-1][same], order[1:][same]


def _hide(dataset: Dataset, languages: tuple[str, str], passage: str) -> None:
    """Set the transform that hides the language columns, before the one that is there; once."""
    before = dataset.format["format_kwargs"].get("transform") if dataset.format["type"] == "custom" else None
    if not isinstance(before, _HideLanguages):
        dataset.set_transform(_HideLanguages(languages, passage, before))


@dataclass(frozen=True)
class _HideLanguages:
    """Takes the language columns and ``item`` out of rows, and puts ``label`` in if there is no label yet.

    The label's item is the value of ``item``, or the passage's text where there is no such column, as a number. A
    transform that was there before sees all columns, as it always did.
    """

    languages: tuple[str, str]
    passage: str
    before: Callable[[dict[str, list[Any]]], dict[str, list[Any]]] | None

    def __call__(self, batch: dict[str, list[Any]]) -> dict[str, list[Any]]:
        items = batch.get(_ITEM, batch[self.passage])
        query, passage = (batch[column] for column in self.languages)
        labels = [
            encode_label(_number(item), first != second)
            for item, first, second in zip(items, query, passage, strict=True)
        ]
        seen = self.before(batch) if self.before else batch
        rest = {name: values for name, values in seen.items() if name not in {*self.languages, _ITEM}}
        return rest if _LABELS & set(rest) else {**rest, "label": labels}


def _number(item: Any) -> int:
    """An item as a number in [0, 2**61)."""
    return xxhash.xxh3_64_intdigest(str(item).strip().encode("utf-8", "surrogatepass")) >> 3
