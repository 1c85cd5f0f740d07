"""Parallel training items as plain Python, and the same items in every form that a builder reads."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from datasets import Dataset

from mteb_hybrid.trainers import ParallelDataset
from mteb_hybrid.trainers.labels import label_cross_lingual, label_item

Row = tuple[str, ...]
"""Query, passage, negatives if there are any, and whether query and passage are in different languages."""


@dataclass(frozen=True)
class Item:
    """A question with its passage in some languages; each passage language has equally many negatives."""

    queries: Mapping[str, str]
    passages: Mapping[str, str]
    negatives: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def rows(self) -> Iterator[Row]:
        """All rows that training may draw, sorted by query and passage language."""
        for query, passage in itertools.product(sorted(self.queries), sorted(self.passages)):
            negatives = self.negatives.get(passage, ())
            yield (self.queries[query], self.passages[passage], *negatives, str(int(query != passage)))

    def texts(self) -> set[str]:
        return {text.strip() for text in (*self.queries.values(), *self.passages.values())}


def item(name: str, languages: str, negatives: int = 0) -> Item:
    """An item whose texts say what they are; ``languages`` such as "de en"."""
    codes = languages.split()
    return Item(
        {code: f"query {name} {code}" for code in codes},
        {code: f"passage {name} {code}" for code in codes},
        {code: [f"negative {number} {name} {code}" for number in range(negatives)] for code in codes},
    )


def view_rows(view: Any) -> list[Row]:
    """The rows of a view in its order, as `Item.rows` has them; read in one go."""
    columns = view[:]
    label = columns.pop("label")
    columns["cross"] = [str(label_cross_lingual(one)) for one in label]
    return list(zip(*columns.values(), strict=True))


def view_groups(view: Any) -> set[frozenset[str]]:
    """The texts of rows with the same item in their label."""
    columns = view[:]
    groups: dict[int, set[str]] = {}
    for label, *texts in zip(columns["label"], columns["query"], columns["passage"], strict=True):
        groups.setdefault(label_item(label), set()).update(text.strip() for text in texts)
    return {frozenset(texts) for texts in groups.values()}


def naive_groups(items: Sequence[Item]) -> set[frozenset[str]]:
    """The texts of items that share one, directly or through others."""
    groups: list[set[str]] = []
    for one in items:
        mine = one.texts()
        sharing = [group for group in groups if group & mine]
        groups = [group for group in groups if not group & mine] + [mine.union(*sharing)]
    return {frozenset(group) for group in groups}


def wide_table(items: Sequence[Item]) -> Dataset:
    """A row for each item, null where it lacks a language."""
    languages = sorted({code for one in items for code in (*one.queries, *one.passages)})
    most = max(len(several) for one in items for several in [*one.negatives.values(), ()])
    columns: dict[str, list[str | None]] = {"note": ["not read"] * len(items)}
    for code in languages:
        columns[f"query_{code}"] = [one.queries.get(code) for one in items]
        columns[f"passage_{code}"] = [one.passages.get(code) for one in items]
        for number in range(most):
            name = f"negative_{code}" if most == 1 else f"negative_{number + 1}_{code}"
            columns[name] = [one.negatives[code][number] if code in one.passages else None for one in items]
    return Dataset.from_dict(columns)


def long_table(items: Sequence[Item]) -> Dataset:
    """A row for each item and language, the languages of an item far from each other."""
    rows = []
    for code in sorted({code for one in items for code in one.queries}):
        for number, one in enumerate(items):
            if code in one.queries:
                row = {"item": f"i{number}", "language": code}
                row |= {"query": one.queries[code], "passage": one.passages[code]}
                row |= {f"negative_{n}": text for n, text in enumerate(one.negatives.get(code, ()))}
                rows.append(row)
    return Dataset.from_list(rows)


def pair_tables(items: Sequence[Item], *, linked: bool) -> dict[str, Dataset]:
    """A table of each language pair, with or without a column that links them."""
    tables: dict[str, list[dict[str, Any]]] = {}
    for number, one in enumerate(items):
        for query, passage in itertools.product(one.queries, one.passages):
            row = {"anchor": one.queries[query], "positive": one.passages[passage]}
            row |= {f"negative_{n}": text for n, text in enumerate(one.negatives.get(passage, ()))}
            if linked:
                row["item"] = number
            tables.setdefault(f"{query}-{passage}", []).append(row)
    return {pair: Dataset.from_list(rows) for pair, rows in tables.items()}


def write_lines(path: Path, lines: Sequence[Any]) -> Path:
    """A file of lines; what is no text is written as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    texts = [line if isinstance(line, str) else json.dumps(line, ensure_ascii=False) for line in lines]
    path.write_text("".join(f"{text}\n" for text in texts), encoding="utf-8", newline="")
    return path


def write_beir(folder: Path, queries: Mapping[str, str], corpus: Mapping[str, Any], qrels: Sequence[Sequence[Any]]):
    """A folder in BEIR's layout; documents are texts, or dicts with what stands beside the id."""
    documents = [{"_id": key} | (doc if isinstance(doc, dict) else {"text": doc}) for key, doc in corpus.items()]
    write_lines(folder / "queries.jsonl", [{"_id": key, "text": text, "metadata": {}} for key, text in queries.items()])
    write_lines(folder / "corpus.jsonl", documents)
    lines = ["\t".join(map(str, row)) for row in [("query-id", "corpus-id", "score"), *qrels]]
    write_lines(folder / "qrels" / "train.tsv", lines)
    return folder


def write_mmarco(
    folder: Path, queries: Mapping[str, Mapping[int, str]], passages: Mapping[str, Mapping[int, str]], triples
):
    """A folder in the layout of the hub's mMARCO; texts by language name and id."""
    for language, texts in queries.items():
        path = folder / f"data/google/queries/train/{language}_queries.train.tsv"
        write_lines(path, [f"{key}\t{text}" for key, text in texts.items()])
    for language, texts in passages.items():
        path = folder / f"data/google/collections/{language}_collection.tsv"
        write_lines(path, [f"{key}\t{text}" for key, text in texts.items()])
    write_lines(folder / "data/triples.train.ids.small.tsv", ["\t".join(map(str, row)) for row in triples])
    return folder


PATTERNS = ["de en", "en", "de en fr", "fr", "de fr", "de en fr"]
MIXED = [item(str(number), pattern) for number, pattern in enumerate(PATTERNS)]
FULL = [item(str(number), "de en fr", negatives=2) for number in range(4)]


def view(items: Sequence[Item], **options: Any) -> ParallelDataset:
    """The items as a view, through a wide table."""
    return ParallelDataset.from_wide(wide_table(items), **options)


def all_rows(items: Sequence[Item]) -> Counter[Row]:
    """How often each row is in a view of the items."""
    return Counter(row for one in items for row in one.rows())
