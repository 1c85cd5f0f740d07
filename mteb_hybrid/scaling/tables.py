"""A corpus's table as workers read it: from its files where they can see them, else from the node that has them."""

from __future__ import annotations

import contextlib
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mteb_hybrid.scaling.cluster import actor_here

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class Librarian:
    """Hands out rows of a table; an actor on the node of the driver, where the files are.

    Args:
        tables: Pickled tables by name; of memory-mapped ones that is where their files are.
    """

    def __init__(self, tables: dict[str, bytes]) -> None:
        self._tables = {name: pickle.loads(content) for name, content in tables.items()}  # noqa: S301 - the driver's

    def rows(self, name: str, start: int, stop: int) -> dict[str, list[Any]]:
        """The columns of some rows."""
        found: dict[str, list[Any]] = self._tables[name][start:stop]
        return found


@dataclass
class DistantTable:
    """What a `mteb_hybrid.streaming.corpus.Corpus` reads of a table, from a `Librarian`; reads a piece ahead.

    Attributes:
        librarian: Handle of the librarian.
        name: The table's name there.
        size: Number of rows.
        end: The row that nothing is read ahead from; None for the table's end.
    """

    librarian: Any
    name: str
    size: int
    end: int | None = None
    _ahead: tuple[int, int, Any] | None = None

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, rows: slice) -> dict[str, list[Any]]:
        import ray

        start, stop, _ = rows.indices(self.size)
        ahead, self._ahead = self._ahead, None
        wanted = ahead[2] if ahead is not None and ahead[:2] == (start, stop) else self._ask(start, stop)
        after = min(self.size if self.end is None else self.end, 2 * stop - start)
        if after > stop:
            self._ahead = (stop, after, self._ask(stop, after))
        found: dict[str, list[Any]] = ray.get(wanted)
        return found

    def select(self, rows: range) -> dict[str, list[Any]]:
        """The columns of a range of rows."""
        return self[rows.start : rows.stop]

    def _ask(self, start: int, stop: int) -> Any:
        return self.librarian.rows.remote(self.name, start, stop)


@dataclass(frozen=True, slots=True)
class SentTable:
    """A table on its way to the workers.

    Attributes:
        name: Its name with the librarian.
        size: Number of rows.
        files: The files that it is mapped from, with their sizes and times of change; none if it is in memory.
        mapped: The pickled table if it has files: it holds their paths, and no rows.
        librarian: Who has the rows.
    """

    name: str
    size: int
    files: tuple[tuple[str, int, int], ...]
    mapped: bytes
    librarian: Any

    @classmethod
    def of(cls, name: str, table: Any, content: bytes, librarian: Any) -> SentTable:
        """Describe a `datasets.Dataset` whose pickle is ``content``."""
        paths = [file["filename"] for file in getattr(table, "cache_files", [])]
        files = tuple(_described(path) for path in paths)
        return cls(name, len(table), files, content if files else b"", librarian)

    def open(self, end: int | None = None) -> Any:
        """The table: through the files if the very same are here too, else through the librarian.

        Args:
            end: The row after the last one that will be read.
        """
        try:
            visible = bool(self.files) and all(_described(file[0]) == file for file in self.files)
        except OSError:
            visible = False
        if visible:
            return pickle.loads(self.mapped)  # noqa: S301 - our own, from the driver
        return DistantTable(self.librarian, self.name, self.size, end)


@contextlib.contextmanager
def sent_tables(tables: Mapping[str, Any]) -> Iterator[dict[str, SentTable]]:
    """Tables as workers can open them, by name, as long as the block runs; a librarian on this node hands out rows.

    Args:
        tables: `datasets.Dataset` by name.
    """
    contents = {name: pickle.dumps(table) for name, table in tables.items()}
    with actor_here(Librarian, contents) as librarian:
        yield {name: SentTable.of(name, table, contents[name], librarian) for name, table in tables.items()}


def _described(path: str) -> tuple[str, int, int]:
    state = Path(path).stat()
    return path, state.st_size, state.st_mtime_ns
