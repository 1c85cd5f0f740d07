"""A ``datasets.Dataset`` whose rows are computed when they are asked for."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np
from datasets import Dataset

from mteb_hybrid.parsing import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from numpy.typing import NDArray

    Ints = NDArray[np.int64]

_SAMPLE = 1_000


class LazyDataset(Dataset):  # type: ignore[misc]
    """What sentence-transformers' trainer needs of a ``Dataset``, for rows that are stored nowhere.

    Rows, lists of rows, slices, ``len``, column names and features are answered; the base class holds a sample of real
    rows, from which the model card is written. What would have to store all rows raises TypeError.

    Args:
        count: Number of rows, at least 1. Subclasses must be able to read rows before they call this.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._before: Callable[[dict[str, list[Any]]], dict[str, list[Any]]] | None = None
        sample = Dataset.from_dict(self._read(self._some_rows()))
        # without a fingerprint the base class would pickle all that we hold to compute one
        super().__init__(sample.data, sample.info, fingerprint=f"lazy-{sample._fingerprint}")  # noqa: SLF001

    @abstractmethod
    def _read(self, rows: Ints) -> dict[str, list[Any]]:
        """Columns of some rows, int64 of shape (n,), each in [0, count)."""

    def __len__(self) -> int:
        return self._count

    @property
    def num_rows(self) -> int:
        """Number of rows."""
        return len(self)

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of rows and of columns."""
        return len(self), len(self.column_names)

    def __getitem__(self, key: Any) -> Any:
        """A row as a dict, or for a slice or several numbers a dict of lists."""
        if isinstance(key, str):
            raise TypeError(f"a lazy view does not read a whole column; read rows: view[:100][{key!r}]")
        if isinstance(key, slice):
            return self._transformed(np.arange(*key.indices(len(self)), dtype=np.int64))
        several = isinstance(key, list | tuple | range) or getattr(key, "ndim", 0) > 0  # an array of none is a number
        found = self._transformed(self._checked(key if several else [key]))
        return found if several else {column: values[0] for column, values in found.items()}

    def __getitems__(self, keys: list[int]) -> list[dict[str, Any]]:
        """Rows as dicts: what a ``DataLoader`` asks for."""
        found = self[keys]
        return [dict(zip(found, row, strict=True)) for row in zip(*found.values(), strict=True)]

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for start in range(0, len(self), _SAMPLE):
            yield from self.__getitems__(list(range(start, min(start + _SAMPLE, len(self)))))

    def select(self, indices: Iterable[int], *_: Any, **__: Any) -> Dataset:
        """A real ``Dataset`` of some rows, in memory."""
        return Dataset.from_dict(self[list(indices)], features=self.features)

    def select_columns(self, column_names: str | list[str], *_: Any, **__: Any) -> Dataset:
        """Some columns of up to 1,000 rows, evenly spaced over all of them, as a real ``Dataset``.

        The trainer's model card shows examples from it.
        """
        sample = Dataset.from_dict(self._read(self._some_rows()), features=self.features)
        return sample.select_columns(column_names)

    def set_transform(
        self, transform: Callable[[dict[str, list[Any]]], dict[str, list[Any]]] | None, *_: Any, **__: Any
    ) -> None:
        """Apply a function to every dict of lists that is read."""
        self._before = transform
        self._format_type = None if transform is None else "custom"
        self._format_kwargs = {} if transform is None else {"transform": transform}

    def _checked(self, keys: Any) -> Ints:
        """Row numbers as users give them, as int64 of shape (n,), each in [0, count)."""
        given = np.asarray(keys)
        if given.ndim != 1 or (given.size and given.dtype.kind not in "iu"):
            raise TypeError(f"rows are whole numbers, a list of them or a slice; got {shown(keys)}")
        rows = given.astype(np.int64)
        outside = (rows < -len(self)) | (rows >= len(self))
        if outside.any():
            raise IndexError(f"row {rows[outside][0]} is not among {len(self):,} rows")
        return np.where(rows < 0, rows + len(self), rows)

    def _some_rows(self) -> Ints:
        """Rows evenly spaced over all, but not in step with any number of languages."""
        if len(self) <= _SAMPLE:
            return np.arange(len(self))
        step = len(self) // _SAMPLE
        return np.arange(_SAMPLE) * step + np.arange(_SAMPLE) % step

    def _transformed(self, rows: Ints) -> dict[str, list[Any]]:
        found = self._read(rows)
        return self._before(found) if self._before else found


_ALLOWED = {
    "builder_name", "cache_files", "citation", "cleanup_cache_files", "column_names", "data", "dataset_size",
    "description", "download_checksums", "download_size", "features", "format", "homepage", "info", "license",
    "num_columns", "size_in_bytes", "split", "supervised_keys", "version",
}  # fmt: skip
"""What ``Dataset`` answers for us: descriptions, which hold for the view as well; and ``data``, the sample, without
which it cannot be made."""


def _refuse(name: str) -> Callable[..., Any]:
    def refuse(*_: Any, **__: Any) -> Any:
        raise TypeError(
            f"{name}: the rows of a lazy view are not stored; select(rows) makes a Dataset of some of them, and "
            "split_items, select_items, restrict and join make other views"
        )

    refuse.__name__ = name
    return refuse


for _name in dir(Dataset):
    if not _name.startswith("_") and _name not in _ALLOWED and _name not in vars(LazyDataset):
        _refused = _refuse(_name)
        setattr(LazyDataset, _name, property(_refused) if isinstance(getattr(Dataset, _name), property) else _refused)
