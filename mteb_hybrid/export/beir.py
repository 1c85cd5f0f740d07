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
from mteb_hybrid.errors import ResultsError
from mteb_hybrid.export.note import check_note, note_of, write_note
from mteb_hybrid.export.rows import is_trec_id, judgments, load_subsets, rows
from mteb_hybrid.parsing import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from mteb.abstasks import AbsTaskRetrieval

logger = logging.getLogger(__name__)

_COLUMNS = {"corpus": ("id", "title", "text", "language"), "queries": ("id", "text")}
_TEXTS = ("string", "large_string", "null")  # the last without rows


def export_beir(task: AbsTaskRetrieval, folder: Path, subsets: Iterable[str] | None = None) -> list[Path]:
    """Write subsets of a task, each into a folder named by it.

    A folder holds ``corpus.jsonl`` (``_id``, ``title``, ``text``, and ``language`` where a pool has several),
    ``queries.jsonl`` (``_id``, ``text``), ``qrels/<split>.tsv`` with BEIR's header, and ``qrels/<split>.trec`` for
    trec_eval, which is left out, with a warning, where an id has white space. Each file is written whole or not at all.
    Subsets with one pool share a corpus file by hard links, where the file system has them.

    BEIR has one corpus and one file of queries for all splits of a folder. Splits that differ in their corpora, or in
    the text of a query, have such a folder each, ``<subset>/<split>``.

    ``<subset>/task.json`` says what the files are of. The same export replaces them, and leaves runs where they are.

    Args:
        task: Any retrieval task of MTEB; its data is loaded if it is not yet.
        folder: Made if it is not there.
        subsets: Which. Default: all that the task was filtered to.

    Returns:
        The folders that BEIR can read: of the subsets, or of their splits.

    Raises:
        ResultsError: The task has no such subset, something else than texts in it, or cannot be loaded; the folder of a
            subset holds files of something else. Nothing is written then.
    """
    chosen = load_subsets(task, subsets)
    notes = {subset: note_of(task, subset, splits) for subset, splits in chosen.items()}
    for subset, note in notes.items():
        check_note(folder / subset, note)
    _check_columns(task.metadata.name, chosen)
    corpora: dict[int, Path] = {}  # the task keeps the corpora, so ids stay theirs
    written = []
    for subset, splits in tqdm(chosen.items(), desc=f"Writing {task.metadata.name}", unit="subset", disable=None):
        write_note(folder / subset, notes[subset])
        for place, together in _places(folder / subset, splits).items():
            _write_folder(place, together, corpora)
            written.append(place)
    return written


def _check_columns(name: str, chosen: Mapping[str, Mapping[str, Any]]) -> None:
    """See that there are texts, and say what else there is."""
    left_out: set[str] = set()
    for subset, splits in chosen.items():
        for data in splits.values():
            for part, kept in _COLUMNS.items():
                if getattr(data[part].features["text"], "dtype", None) not in _TEXTS:  # conversations are lists
                    raise ResultsError(
                        f"{name} {subset} is no retrieval of texts by texts, which it must be: see the {part}"
                    )
                left_out |= set(data[part].column_names) - set(kept)
            if data.get("top_ranked") is not None:
                left_out.add("top_ranked")
    if left_out:
        logger.warning(
            "BEIR's layout has no place for %s of %s, which --layout hub keeps", ", ".join(sorted(left_out)), name
        )


def _places(folder: Path, splits: Mapping[str, Any]) -> dict[Path, Mapping[str, Any]]:
    """Folders and the splits that they hold: all in one if no reader of a split can tell."""
    if _agree(list(splits.values())):
        return {folder: splits}
    return {folder / split: {split: data} for split, data in splits.items()}


def _agree(parts: Sequence[Any]) -> bool:
    """Whether splits have one corpus, and no query id with two texts. Of one split nothing is read."""
    first, *others = parts
    if not all(_equal(first["corpus"], other["corpus"]) for other in others):
        return False
    texts: dict[str, str] = {}
    return not others or all(
        texts.setdefault(query["_id"], query["text"]) == query["text"]
        for data in parts
        for query in _queries(data["queries"])
    )


def _equal(corpus: Any, other: Any) -> bool:
    return corpus is other or (
        len(corpus) == len(other)
        and all(one == two for one, two in zip(_passages(corpus), _passages(other), strict=True))
    )


def _write_folder(place: Path, splits: Mapping[str, Any], corpora: dict[int, Path]) -> None:
    corpus = next(iter(splits.values()))["corpus"]
    path = place / "corpus.jsonl"
    same = corpora.setdefault(id(corpus), path)
    if same == path:
        _write_json(path, _passages(corpus))
    else:
        _link(same, path)
    _write_json(place / "queries.jsonl", _union(data["queries"] for data in splits.values()))
    for split, data in splits.items():
        _write_judgments(place / "qrels", split, list(judgments(data["relevant_docs"])))


def _passages(corpus: Any) -> Iterator[dict[str, str]]:
    several = "language" in corpus.column_names
    for row in _kept(corpus, "corpus"):
        passage = {"_id": row["id"], "title": row.get("title") or "", "text": row["text"]}
        yield {**passage, "language": row["language"]} if several else passage


def _queries(queries: Any) -> Iterator[dict[str, str]]:
    for row in _kept(queries, "queries"):
        yield {"_id": row["id"], "text": row["text"]}


def _union(several: Iterable[Any]) -> Iterator[dict[str, str]]:
    """The queries of all splits, each once."""
    seen: set[str] = set()
    for queries in several:
        for query in _queries(queries):
            if query["_id"] not in seen:
                seen.add(query["_id"])
                yield query


def _kept(dataset: Any, part: str) -> Iterator[dict[str, Any]]:
    return rows(dataset.select_columns([column for column in _COLUMNS[part] if column in dataset.column_names]))


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
        logger.warning("%s is not written: white space separates its fields, and stands in the id %s",
                       folder / f"{split}.trec", shown(odd))  # fmt: skip
        return
    _write_lines(folder / f"{split}.trec", (f"{query} 0 {passage} {grade}" for query, passage, grade in judged))


def _write_json(path: Path, objects: Iterable[dict[str, str]]) -> None:
    _write_lines(path, (json.dumps(one, ensure_ascii=False) for one in objects))


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
