"""Texts from large files of lines, found by their ids and kept as Arrow tables that are mapped into memory."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.json
from datasets import Dataset
from tqdm.auto import tqdm

from mteb_hybrid.atomic import atomic_path
from mteb_hybrid.collections.remote import CACHE_VARIABLE, cache_folder
from mteb_hybrid.errors import TrainingDataError
from mteb_hybrid.parsing import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    Parse = Callable[[bytes], pa.Table]

_BLOCK = 2**25
"""Bytes of a file that are parsed at once."""

_LAYOUT = 1  # of the files in the cache; another number and those of before are never read


def parse_tsv(types: Mapping[str, pa.DataType]) -> Parse:
    """A parser of lines with one field for each of the columns, with tabs between them and no quoting."""

    def parse(block: bytes) -> pa.Table:
        return pa.csv.read_csv(
            pa.BufferReader(block),
            pa.csv.ReadOptions(column_names=list(types), block_size=len(block) + 1),
            pa.csv.ParseOptions(delimiter="\t", quote_char=False, double_quote=False),
            pa.csv.ConvertOptions(column_types=dict(types), null_values=[]),
        )

    return parse


def parse_jsonl(needed: tuple[str, ...], optional: tuple[str, ...] = ()) -> Parse:
    """A parser of lines that are JSON objects; of their fields these are read, all of them texts."""
    schema = pa.schema([(name, pa.string()) for name in (*needed, *optional)])

    def parse(block: bytes) -> pa.Table:
        table = pa.json.read_json(
            pa.BufferReader(block),
            pa.json.ReadOptions(block_size=len(block) + 1),
            pa.json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore"),
        )
        if any(table.column(name).null_count for name in needed):
            raise pa.ArrowInvalid("a field is missing")
        return table

    return parse


def tables(path: Path, parse: Parse, form: str, *, header: int = 0) -> Iterator[pa.Table]:
    """The lines of a file as tables, some 32 MiB at a time.

    Args:
        path: The file, in UTF-8.
        parse: Makes a table of whole lines.
        form: What a line must be, for messages.
        header: Lines to leave out at the beginning.

    Raises:
        TrainingDataError: The file cannot be read, or a line is malformed; the message names both.
    """
    try:
        size = path.stat().st_size
        with (
            path.open("rb") as file,
            tqdm(total=size, desc=f"Reading {path.name}", unit="B", unit_scale=True, delay=5, leave=False) as bar,
        ):
            for _ in range(header):
                file.readline()
            line = 1 + header
            while block := file.read(_BLOCK):
                block += file.readline()
                if not block.isspace():
                    yield _table(path, line, block, parse, form)
                line += block.count(b"\n")
                bar.update(len(block))
    except OSError as error:
        raise TrainingDataError(f"{path} cannot be read: {error}; put it back, or name another one") from error


def texts_by_id(path: Path, batches: Callable[[], Iterator[pa.Table]], wanted: pa.Array) -> Dataset:
    """The texts of a file whose ids are wanted, each id once, in the order of the file.

    They are written into an Arrow file in the cache folder (``MTEB_HYBRID_CACHE``), once for each state of the file
    and each set of ids, and mapped into memory.

    Args:
        path: The file, for messages and for telling it from others by its size and time.
        batches: Reads it, as tables with columns ``id`` and ``text``.
        wanted: The ids, each once.

    Returns:
        A data set with columns ``id`` and ``text``.

    Raises:
        TrainingDataError: The file cannot be read, a wanted id comes twice in it, or its text is blank; or the cache
            cannot be written.
    """
    target = cache_folder() / "training" / f"{_digest(path, wanted)}.arrow"
    if not target.is_file():
        schema = pa.schema([("id", wanted.type), ("text", pa.string())])
        try:
            with atomic_path(target) as temporary, pa.ipc.new_stream(str(temporary), schema) as writer:
                for table in batches():
                    found = table.filter(pc.is_in(table.column("id"), value_set=wanted)).select(["id", "text"])
                    _check_blank(path, found)
                    writer.write_table(found.cast(schema))
        except OSError as error:
            raise TrainingDataError(
                f"{target} cannot be written ({error}): {CACHE_VARIABLE} can name another folder"
            ) from error
    dataset = Dataset.from_file(str(target))
    ids = dataset.data.column("id")
    if len(ids.unique()) < len(ids):
        counts = ids.value_counts()
        twice = counts.field("values")[int(np.argmax(counts.field("counts").to_numpy()))]
        target.unlink()
        raise TrainingDataError(f"{path} has id {shown(twice.as_py())} more than once; leave all but one out")
    return dataset


def rows_of(dataset: Dataset, ids: pa.Array, path: Path, named_by: Path) -> NDArray[np.int32]:
    """Rows of the texts of some ids, int32 of shape (ids,).

    Args:
        dataset: From `texts_by_id`.
        ids: The ids, of any number and order.
        path: The file that the texts are from, for messages.
        named_by: The file that the ids are from, likewise.

    Raises:
        TrainingDataError: An id is not there.
    """
    found = pc.index_in(ids, value_set=dataset.data.column("id").combine_chunks())
    if found.null_count:
        lacking = ids.filter(pc.is_null(found)).unique()
        raise TrainingDataError(
            f"{named_by} names id {shown(lacking[0].as_py())}, which {path} does not have ({len(lacking):,} such "
            "ids): add it there, or leave it out here"
        )
    rows: NDArray[np.int32] = found.to_numpy(zero_copy_only=False).astype(np.int32)
    return rows


def existing(path: Path, layout: str) -> Path:
    """The path of a file that must be there.

    Raises:
        TrainingDataError: It is not.
    """
    if not path.is_file():
        raise TrainingDataError(f"{path} is missing: put it there; {layout}")
    return path


def _table(path: Path, first: int, block: bytes, parse: Parse, form: str) -> pa.Table:
    """The table of some lines; ``first`` is the number of the first one."""
    try:
        return _valid(parse, block)
    except pa.ArrowException as error:
        # all lines once more, one by one, to name the one that is at fault
        for number, line in enumerate(block.splitlines(), start=first):
            try:
                if line.strip():
                    _valid(parse, line)
            except pa.ArrowException:
                begin = line[:80].decode("utf-8", "replace")
                raise TrainingDataError(f"{path}, line {number} must be {form}, not {begin!r}") from error
        raise TrainingDataError(f"{path}, from line {first}: {error}; the form must be {form}") from error


def _valid(parse: Parse, block: bytes) -> pa.Table:
    table = parse(block)
    table.validate(full=True)
    return table


def _check_blank(path: Path, table: pa.Table) -> None:
    blank = pc.equal(pc.utf8_trim_whitespace(table.column("text")), "")
    if pc.any(blank).as_py():
        first = table.column("id").filter(blank)[0].as_py()
        raise TrainingDataError(f"{path} has no text for id {shown(first)}: fill it, or leave the id out")


def _digest(path: Path, wanted: pa.Array) -> str:
    """What the rows of a file with some ids are known by: its place, size and time, and the ids."""
    state: Any = path.stat()
    digest = hashlib.sha256(f"{_LAYOUT} {path.absolute()} {state.st_size} {state.st_mtime_ns}".encode())
    digest.update(pa.record_batch([wanted], ["id"]).serialize())
    return digest.hexdigest()[:32]
