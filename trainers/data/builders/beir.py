"""Items from folders in BEIR's layout, one for each language: ``corpus.jsonl``, ``queries.jsonl``, ``qrels/*.tsv``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mteb_hybrid.errors import TrainingDataError
from mteb_hybrid.parsing import shown
from mteb_hybrid.trainers.data.builders.files import existing, parse_jsonl, parse_tsv, rows_of, tables, texts_by_id
from mteb_hybrid.trainers.data.builders.patterns import by_pattern, check_language
from mteb_hybrid.trainers.data.texts import Block, Texts, column_texts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    Ints = NDArray[np.int64]

_LAYOUT = "a folder in BEIR's layout must have corpus.jsonl, queries.jsonl and qrels/<split>.tsv"
_QRELS = {"query-id": pa.string(), "corpus-id": pa.string(), "score": pa.float64()}


@dataclass(frozen=True, slots=True)
class _Relevant:
    """The relevant pairs of one language, in the order of its qrels: ids, and the texts that they stand for.

    Attributes:
        queries: Query ids, one for each pair.
        documents: Document ids, likewise.
        query_texts: Their texts.
        passage_texts: Likewise.
    """

    queries: pa.Array
    documents: pa.Array
    query_texts: Texts
    passage_texts: Texts


def beir_blocks(
    folders: Mapping[str, Path | str] | Path | str, split: str, languages: Iterable[str] | None, name: str
) -> list[Block]:
    """One item for each question and relevant document, aligned over the languages by the question's id.

    Raises:
        TrainingDataError: A language or file is missing, a line is malformed, ids are unknown or come twice, a text is
            blank, or nothing is relevant.
    """
    folders_of = dict(sorted(_folders(folders, languages, name).items()))
    found = {language: _read(folder, split) for language, folder in folders_of.items()}
    row = _aligned(list(found.values()))
    rows = dict(zip(found, row, strict=True))
    items = len(row[0]) if row else 0
    if not items:
        raise TrainingDataError(
            f"{name}: no document is relevant for a question in split {split!r}: no score in "
            f"{', '.join(str(folder / 'qrels' / f'{split}.tsv') for folder in folders_of.values())} is above 0; name "
            "another split"
        )
    blocks = []
    for pattern, members in by_pattern({("", language): rows[language] >= 0 for language in rows}, items):
        here = sorted(language for _, language in pattern)
        places = {language: rows[language][members] for language in here}
        blocks.append(
            Block(
                len(members),
                {language: found[language].query_texts.select(places[language]) for language in here},
                {language: found[language].passage_texts.select(places[language]) for language in here},
                collection=name,
            )
        )
    return blocks


def _folders(
    folders: Mapping[str, Path | str] | Path | str, languages: Iterable[str] | None, name: str
) -> dict[str, Path]:
    """The folder of each language."""
    if isinstance(folders, Mapping):
        by_language = {language: Path(folder) for language, folder in folders.items()}
    else:
        root = Path(folders)
        if not root.is_dir():
            raise TrainingDataError(f"{root} is no folder; it should hold a folder for each language, such as 'en'")
        by_language = {path.name: path for path in root.iterdir() if path.is_dir() and not path.name.startswith(".")}
    for language in by_language:
        check_language(language, name)
    wanted = list(by_language if languages is None else languages)
    if not wanted:
        there = "languages is empty" if languages is not None else f"there is no language in {folders}"
        raise TrainingDataError(f"{name}: {there}; name a folder for each language")
    if unknown := [language for language in wanted if language not in by_language]:
        raise TrainingDataError(f"{name} has no language {unknown[0]!r}; it has {', '.join(sorted(by_language))}")
    return {language: by_language[language] for language in wanted}


def _read(folder: Path, split: str) -> _Relevant:
    """The relevant pairs of one language."""
    qrels = existing(folder / "qrels" / f"{split}.tsv", _LAYOUT)
    paths = {role: existing(folder / f"{role}.jsonl", _LAYOUT) for role in ("queries", "corpus")}
    judged = _qrels(qrels)
    ids = {"queries": judged.column("query-id").combine_chunks(), "corpus": judged.column("corpus-id").combine_chunks()}
    texts = {}
    for role, path in paths.items():
        dataset = texts_by_id(path, lambda path=path, role=role: _texts(path, role), ids[role].unique())  # type: ignore[misc]
        texts[role] = column_texts(dataset, "text", rows_of(dataset, ids[role], path, qrels))
    return _Relevant(ids["queries"], ids["corpus"], texts["queries"], texts["corpus"])


def _qrels(path: Path) -> pa.Table:
    """The pairs of a file of judgments whose score is above 0."""
    with path.open("rb") as file:
        if file.readline().strip().rpartition(b"\t")[2].isdigit():
            raise TrainingDataError(
                f"{path}, line 1 is a judgment, where the names of the columns should be: add a line with them"
            )
    form = "query id, document id and a number, with tabs between them"
    read = [table.filter(pc.field("score") > 0) for table in tables(path, parse_tsv(_QRELS), form, header=1)]
    judged = pa.concat_tables([pa.schema(list(_QRELS.items())).empty_table(), *read])
    twice = judged.group_by(["query-id", "corpus-id"]).aggregate([([], "count_all")]).filter(pc.field("count_all") > 1)
    if len(twice):
        query, document = twice.column("query-id")[0].as_py(), twice.column("corpus-id")[0].as_py()
        raise TrainingDataError(
            f"{path} has document {shown(document)} for query {shown(query)} more than once; leave all but one line out"
        )
    return judged


def _texts(path: Path, role: str) -> Iterator[pa.Table]:
    """The lines of a file as ids and texts; a document's title stands before its text, as BEIR and MTEB do it."""
    form = "a JSON object with texts '_id' and 'text'"
    if role == "queries":
        for table in tables(path, parse_jsonl(("_id", "text")), form):
            yield table.rename_columns(["id", "text"])
        return
    for table in tables(path, parse_jsonl(("_id", "text"), ("title",)), form):
        title = pc.fill_null(table.column("title"), "")
        joined = pc.utf8_trim_whitespace(pc.binary_join_element_wise(title, table.column("text"), " "))
        yield pa.table({"id": table.column("_id"), "text": joined})


def _aligned(languages: list[_Relevant]) -> list[Ints]:
    """For every language the place of each item among its pairs, int64 of shape (items,); -1 where it lacks the item.

    If two languages have a document id in common for a question, its items are the documents, by id; else languages
    have ids of their own, and the n-th relevant document in one is taken for the n-th in another.
    """
    query = _codes([one.queries for one in languages])
    document = _codes([one.documents for one in languages])
    language = np.repeat(np.arange(len(languages)), [len(one.queries) for one in languages])
    place = _place_in_run(language * (query.max(initial=0) + 1) + query)
    width = int(max(document.max(initial=0), place.max(initial=0))) + 1
    pair, count = np.unique(query * width + document, return_counts=True)  # a language has a pair at most once
    by_id = np.isin(query, pair[count > 1] // width)
    # in a question, all items are named by id or all by place, so the two cannot be mixed up
    items, item = np.unique(query * width + np.where(by_id, document, place), return_inverse=True)
    rows = []
    for number in range(len(languages)):
        here = item[language == number]
        row = np.full(len(items), -1, dtype=np.int64)
        row[here] = np.arange(len(here))
        rows.append(row)
    return rows


def _codes(ids: list[pa.Array]) -> Ints:
    """All ids, one array after the other, as numbers: equal for equal ids, in the order of their first appearance."""
    encoded = pa.chunked_array(ids, type=pa.string()).combine_chunks().dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    codes: Ints = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    return codes


def _place_in_run(keys: Ints) -> Ints:
    """For each entry how many equal ones are before it."""
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    place = np.empty(len(keys), dtype=np.int64)
    place[order] = np.arange(len(keys)) - np.searchsorted(ordered, ordered)
    return place
