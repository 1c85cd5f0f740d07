"""A retrieval task in BEIR's layout, and its judgments in that of trec_eval."""

from __future__ import annotations

import difflib
import json
import os
import shutil
from typing import TYPE_CHECKING, Any

from tqdm.auto import tqdm

from mteb_hybrid.atomic import atomic_path
from mteb_hybrid.errors import ResultsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from mteb.abstasks import AbsTaskRetrieval

_AT_ONCE = 10_000


def export_beir(task: AbsTaskRetrieval, folder: Path, subsets: Iterable[str] | None = None) -> list[Path]:
    """Write subsets of a task, each into a folder named by it.

    A folder holds ``corpus.jsonl`` (``_id``, ``title``, ``text``, and ``language`` where a pool has several),
    ``queries.jsonl`` (``_id``, ``text``), ``qrels/<split>.tsv`` with BEIR's header, and ``qrels/<split>.trec`` for
    trec_eval. Each file is written whole or not at all. Subsets with one pool share a corpus file by hard links, where
    the file system has them.

    Args:
        task: Any retrieval task of MTEB; its data is loaded if it is not yet.
        folder: Made if it is not there.
        subsets: Which. Default: all that the task was filtered to.

    Returns:
        The folders of the subsets.

    Raises:
        ResultsError: The task has no such subset.
    """
    known = list(task.hf_subsets)
    wanted = known if subsets is None else list(subsets)
    for subset in wanted:
        if subset not in known:
            close = difflib.get_close_matches(subset, known, n=1)
            hint = f"; did you mean {close[0]!r}?" if close else f"; it has {', '.join(known)}"
            raise ResultsError(f"{task.metadata.name} has no subset {subset!r}{hint}")
    task.load_data()
    dataset: Any = task.dataset
    written: dict[int, Path] = {}
    for subset in tqdm(wanted, desc=f"Writing {task.metadata.name}", unit="subset", disable=None):
        for split, data in dataset[subset].items():
            place = folder / subset
            corpus = place / "corpus.jsonl"
            same = written.setdefault(id(data["corpus"]), corpus)
            if same == corpus:
                _write_lines(corpus, (json.dumps(row, ensure_ascii=False) for row in _passages(data["corpus"])))
            else:
                _link(same, corpus)
            _write_lines(
                place / "queries.jsonl", (json.dumps(row, ensure_ascii=False) for row in _queries(data["queries"]))
            )
            judged = list(_judged(data["relevant_docs"]))
            header = ["query-id\tcorpus-id\tscore"]
            _write_lines(place / "qrels" / f"{split}.tsv", [*header, *("\t".join(map(str, one)) for one in judged)])
            _write_lines(
                place / "qrels" / f"{split}.trec", (f"{query} 0 {passage} {grade}" for query, passage, grade in judged)
            )
    return [folder / subset for subset in wanted]


def _passages(corpus: Any) -> Iterator[dict[str, str]]:
    several = "language" in corpus.column_names
    for row in _rows(corpus):
        passage = {"_id": row["id"], "title": row.get("title") or "", "text": row["text"]}
        yield {**passage, "language": row["language"]} if several else passage


def _queries(queries: Any) -> Iterator[dict[str, str]]:
    for row in _rows(queries):
        yield {"_id": row["id"], "text": row["text"]}


def _rows(dataset: Any) -> Iterator[dict[str, Any]]:
    """Rows of a data set, read some at a time."""
    for start in range(0, len(dataset), _AT_ONCE):
        columns = dataset[start : start + _AT_ONCE]
        for values in zip(*columns.values(), strict=True):
            yield dict(zip(columns, values, strict=True))


def _judged(relevant: Mapping[str, Mapping[str, int]]) -> Iterator[tuple[str, str, int]]:
    """Query, passage and grade of every judgment."""
    for query, grades in relevant.items():
        for passage, grade in grades.items():
            yield query, passage, int(grade)


def _write_lines(path: Path, lines: Iterable[str]) -> None:
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as stream:
        stream.writelines(f"{line}\n" for line in lines)


def _link(source: Path, path: Path) -> None:
    with atomic_path(path) as temporary:
        temporary.unlink(missing_ok=True)
        try:
            os.link(source, temporary)
        except OSError:  # another file system, or one without hard links
            shutil.copyfile(source, temporary)
