"""A retrieval task in BEIR's layout, and its judgments in that of trec_eval."""

from __future__ import annotations

import csv
import json
import logging
import os
import shutil
from typing import TYPE_CHECKING, Any

from tqdm.auto import tqdm

from mteb_hybrid.atomic import atomic_path
from mteb_hybrid.export.rows import is_trec_id, judgments, load_subsets, rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from mteb.abstasks import AbsTaskRetrieval

logger = logging.getLogger(__name__)


def export_beir(task: AbsTaskRetrieval, folder: Path, subsets: Iterable[str] | None = None) -> list[Path]:
    """Write subsets of a task, each into a folder named by it.

    A folder holds ``corpus.jsonl`` (``_id``, ``title``, ``text``, and ``language`` where a pool has several),
    ``queries.jsonl`` (``_id``, ``text``), ``qrels/<split>.tsv`` with BEIR's header, and ``qrels/<split>.trec`` for
    trec_eval, which is left out, with a warning, where an id has white space. Each file is written whole or not at all.
    Subsets with one pool share a corpus file by hard links, where the file system has them.

    Args:
        task: Any retrieval task of MTEB; its data is loaded if it is not yet.
        folder: Made if it is not there.
        subsets: Which. Default: all that the task was filtered to.

    Returns:
        The folders of the subsets.

    Raises:
        ResultsError: The task has no such subset, or something else than texts in it.
    """
    chosen = load_subsets(task, subsets)
    written: dict[int, Path] = {}
    for subset, splits in tqdm(chosen.items(), desc=f"Writing {task.metadata.name}", unit="subset", disable=None):
        for split, data in splits.items():
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
            _write_judgments(place / "qrels", split, list(judgments(data["relevant_docs"])))
    return [folder / subset for subset in chosen]


def _passages(corpus: Any) -> Iterator[dict[str, str]]:
    several = "language" in corpus.column_names
    for row in rows(corpus):
        passage = {"_id": row["id"], "title": row.get("title") or "", "text": row["text"]}
        yield {**passage, "language": row["language"]} if several else passage


def _queries(queries: Any) -> Iterator[dict[str, str]]:
    for row in rows(queries):
        yield {"_id": row["id"], "text": row["text"]}


def _write_judgments(folder: Path, split: str, judged: list[tuple[str, str, int]]) -> None:
    with (
        atomic_path(folder / f"{split}.tsv") as temporary,
        temporary.open("w", encoding="utf-8", newline="") as stream,
    ):
        writer = csv.writer(stream, delimiter="\t", lineterminator="\n")  # as BEIR reads them: quoted where need be
        writer.writerow(["query-id", "corpus-id", "score"])
        writer.writerows(judged)
    odd = next((one for pair in judged for one in pair[:2] if not is_trec_id(one)), None)
    if odd is not None:
        logger.warning("%s is not written: white space separates its fields, and stands in the id %r",
                       folder / f"{split}.trec", odd)  # fmt: skip
        return
    _write_lines(folder / f"{split}.trec", (f"{query} 0 {passage} {grade}" for query, passage, grade in judged))


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
