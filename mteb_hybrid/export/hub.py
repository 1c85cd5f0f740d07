"""A retrieval task in the layout of MTEB's own data sets on the hub: Parquet files, and a card that names them."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
from tqdm.auto import tqdm

from mteb_hybrid.atomic import atomic_path
from mteb_hybrid.errors import ResultsError
from mteb_hybrid.export.card import dataset_card
from mteb_hybrid.export.note import holds_files
from mteb_hybrid.export.rows import judgments, load_subsets

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from mteb.abstasks import AbsTaskRetrieval

PARTS = {"corpus": "corpus", "queries": "queries", "qrels": "relevant_docs", "top_ranked": "top_ranked"}
"""What a subset consists of: the names that configurations have for it, and those of MTEB's ``RetrievalSplitData``."""
SHARD_BYTES = 500_000_000
"""How much of a table goes into one file, before compression."""
_AT_ONCE = 10_000
_QRELS = pa.schema([("query-id", pa.string()), ("corpus-id", pa.string()), ("score", pa.int32())])
_TOP_RANKED = pa.schema([("query-id", pa.string()), ("corpus-ids", pa.list_(pa.string()))])


def export_hub(task: AbsTaskRetrieval, folder: Path, subsets: Iterable[str] | None = None) -> Path:
    """Write subsets of a task as one data set that can be uploaded as it is.

    ``README.md`` names the configurations that MTEB's ``RetrievalDatasetLoader`` looks for: ``<subset>-corpus``,
    ``<subset>-queries``, ``<subset>-qrels``, and ``<subset>-top_ranked`` where there is one; without the subset where
    it is ``default``. Tables with equal rows are written once, and all configurations name that file: a pool, a corpus
    that questions of many languages are asked of, questions that many corpora are asked. All columns are kept, so that
    the passages of a pool have a ``language``. The card is written last: a folder that has one is complete.

    Args:
        task: Any retrieval task of MTEB; its data is loaded if it is not yet.
        folder: New, or without files but hidden ones. An export that was interrupted leaves files, without a card.
        subsets: Which. Default: all that the task was filtered to.

    Returns:
        The folder.

    Raises:
        ResultsError: The task has no such subset, something else than texts in it, or cannot be loaded; the folder
            holds files, which would be uploaded too.
    """
    if holds_files(folder):
        whence = "" if (folder / "README.md").exists() else ", as an export that was interrupted leaves them"
        raise ResultsError(
            f"{folder} holds files already{whence}, which would be uploaded too; name a new folder, or delete this one"
        )
    chosen = load_subsets(task, subsets)
    files = _Files(folder)
    configs: list[dict[str, Any]] = []
    for subset, splits in tqdm(chosen.items(), desc=f"Writing {task.metadata.name}", unit="subset", disable=None):
        for part, key in PARTS.items():
            name = part if subset == "default" else f"{subset}-{part}"
            sources = {split: data[key] for split, data in splits.items() if data.get(key) is not None}
            named = {split: files.of(f"{name}/{split}", part, source) for split, source in sources.items()}
            if named:
                listed = [{"split": split, "path": one[0] if len(one) == 1 else [*one]} for split, one in named.items()]
                configs.append({"config_name": name, "data_files": listed})
    with atomic_path(folder / "README.md") as temporary:
        temporary.write_text(dataset_card(task, chosen, configs), encoding="utf-8")
    return folder


@dataclass
class _Files:
    """The Parquet files of a data set, none of which is there twice.

    Attributes:
        folder: The data set's folder.
    """

    folder: Path
    _of_source: dict[int, list[str]] = field(default_factory=dict)  # the task keeps the sources, so ids stay theirs
    _of_content: dict[str, list[str]] = field(default_factory=dict)

    def of(self, name: str, part: str, source: Any) -> list[str]:
        """Paths of the files with one part of a subset, relative to the folder; equal ones that are there already."""
        if id(source) not in self._of_source:
            written = self._write(name, _table(part, source))
            same = self._of_content.setdefault(self._digest(written), written)
            if same is not written:
                for path in written:
                    (self.folder / path).unlink()
                _remove_if_empty((self.folder / name).parent)
            self._of_source[id(source)] = same
        return self._of_source[id(source)]

    def _write(self, name: str, table: Any) -> list[str]:
        shards = max(1, math.ceil(table.data.nbytes / SHARD_BYTES))
        paths = [f"{name}-{number:05}-of-{shards:05}.parquet" for number in range(shards)]
        schema = table.features.arrow_schema.remove_metadata()  # which older versions of `datasets` may not understand
        for number, path in enumerate(paths):
            shard = table.shard(shards, number, contiguous=True).with_format("arrow")
            with (
                atomic_path(self.folder / path) as temporary,
                pq.ParquetWriter(temporary, schema, compression="zstd") as writer,
            ):
                for batch in shard.iter(_AT_ONCE):
                    writer.write_table(batch)
        return paths

    def _digest(self, paths: list[str]) -> str:
        digest = hashlib.sha256()
        for path in paths:
            with (self.folder / path).open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        return digest.hexdigest()


def _table(part: str, source: Any) -> Any:
    """One part of a subset as a data set of `datasets`."""
    from datasets import Dataset

    if part == "qrels":
        judged = list(judgments(source))
        return Dataset(pa.table([[row[column] for row in judged] for column in range(3)], schema=_QRELS))
    if part == "top_ranked":
        return Dataset(pa.table([list(source), [list(best) for best in source.values()]], schema=_TOP_RANKED))
    return source


def _remove_if_empty(folder: Path) -> None:
    if not any(folder.iterdir()):
        folder.rmdir()
