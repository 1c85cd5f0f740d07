"""The lazy view of parallel training data that the trainer, the sampler and the loss share."""

from __future__ import annotations

from collections import Counter
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np

from mteb_hybrid.errors import TrainingDataError
from mteb_hybrid.trainers.data.blocks import group_texts, negative_columns, restrict_blocks, select_items
from mteb_hybrid.trainers.data.builders.beir import beir_blocks
from mteb_hybrid.trainers.data.builders.collection import collection_blocks
from mteb_hybrid.trainers.data.builders.long import long_blocks
from mteb_hybrid.trainers.data.builders.mmarco import MMARCO, MMARCO_REVISION, mmarco_blocks
from mteb_hybrid.trainers.data.builders.pairs import pair_blocks
from mteb_hybrid.trainers.data.builders.wide import wide_blocks
from mteb_hybrid.trainers.data.lazy_dataset import LazyDataset
from mteb_hybrid.trainers.data.rows import TrainingRows
from mteb_hybrid.trainers.data.triples import Shape, Triples
from mteb_hybrid.trainers.labels import encode_label

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from datasets import Dataset
    from numpy.typing import NDArray

    from mteb_hybrid.collections.base import ParallelCollection
    from mteb_hybrid.trainers.data.texts import Block, Texts

    Ints = NDArray[np.int64]


class ParallelDataset(LazyDataset):
    """All (item, query language, passage language) rows of parallel training data, none of them stored.

    An item is a question with a passage that answers it, in one or more languages. A row pairs its query in one
    language with its passage in another or the same one; it has columns ``query``, ``passage``, the negatives if there
    are any, and ``label``, an integer with item and kind of row (`mteb_hybrid.trainers.labels`). Rows are read from the
    texts' Arrow tables when they are asked for; languages and items never become columns, because every column but
    ``label`` reaches the tokenizer.

    Made by the builders: `from_collection`, `from_wide`, `from_long`, `from_dict`, `from_beir`, `from_mmarco`; several
    are put together by `join`. It is a ``datasets.Dataset`` for the trainer: rows, lists of rows, slices, ``len`` and
    columns. What would have to store all rows (``map``, ``filter``, ``shuffle``, ...) raises TypeError; `select` makes
    a real ``Dataset`` of some rows.

    Args:
        blocks: The items; each block holds those with the same languages.
        parallel: Add ``query_parallel`` and ``passage_parallel``, the same item in another language, for the options
            ``positives`` and ``consistency`` of `HybridLoss`. Which language is fixed for a row and varies between
            rows; an item that has only one repeats its text.
        temperature: Collections are drawn in proportion to their number of items to the power of 1 / temperature:
            1 in proportion to their size, larger values more evenly.
        groups: Known groups of items that count as one, int64 of shape (items,), each named by its smallest item.
            Default: items that share a text, which reads every text once.

    Raises:
        TrainingDataError: There is no item, a text is empty, or negatives are not equally many everywhere.
    """

    def __init__(
        self,
        blocks: Sequence[Block],
        *,
        parallel: bool = False,
        temperature: float = 1.0,
        groups: Ints | None = None,
        _evaluation: bool = False,
        _grouped: bool = False,
    ) -> None:
        self.blocks = tuple(blocks)
        if not self.blocks:
            raise TrainingDataError(
                "there are no items: some row or question must have both a query and a passage, in whatever languages"
            )
        self._queries = [block.queries for block in self.blocks]
        self._passages = [block.passages for block in self.blocks]
        self._negatives = {
            name: [
                {language: several[number] for language, several in block.negatives.items()} for block in self.blocks
            ]
            for number, name in enumerate(negative_columns(self.blocks))
        }
        self._negatives_by_query = np.array([block.negatives_by == "query" for block in self.blocks])
        self.parallel = parallel
        triples = Triples(
            [Shape(block.count, tuple(block.queries), tuple(block.passages), block.collection) for block in self.blocks]
        )
        if groups is None and not _grouped:
            groups = group_texts(self.blocks, triples)
        self.training_rows = TrainingRows(triples, groups, None, temperature, _evaluation)
        super().__init__(triples.rows)

    @classmethod
    def from_collection(
        cls, collection: ParallelCollection, languages: Iterable[str] | None = None, **options: Any
    ) -> ParallelDataset:
        """The questions of a parallel collection, such as `mteb_hybrid.collections.mlqa_r`, with their passages.

        Args:
            collection: Any of ours; a question may exist in any of its languages.
            languages: Which to read. Default: all.
            **options: ``parallel`` and ``temperature``, as for the class; so for every builder.

        Raises:
            CollectionError: The collection does not have a language, or its file is missing or unusable.
        """
        return cls(collection_blocks(collection, languages), **options)

    @classmethod
    def from_wide(
        cls, dataset: Dataset, languages: Iterable[str] | None = None, *, name: str = "wide", **options: Any
    ) -> ParallelDataset:
        """A table with one row for an item: columns ``query_en``, ``passage_en``, ``query_de``, ...

        A null says that the item does not exist in that language. Negatives are in ``negative_en`` or
        ``negative_1_en``, ``negative_2_en``, ...; other columns are left alone.

        Args:
            dataset: The table; memory-mapped if it was loaded from disk, and not copied.
            languages: Which to use. Default: all.
            name: The collection's name.
            **options: As for `from_collection`.

        Raises:
            TrainingDataError: Columns are missing, a text is empty, or a passage lacks its negative.
        """
        return cls(wide_blocks(dataset, languages, name), **options)

    @classmethod
    def from_long(
        cls, dataset: Dataset, languages: Iterable[str] | None = None, *, name: str = "long", **options: Any
    ) -> ParallelDataset:
        """A table with a row for an item in a language: ``item``, ``language``, ``query``, ``passage``, ``negative``.

        Args:
            dataset: The table; other columns are left alone. Negatives are in ``negative``, or
                ``negative_1``, ``negative_2``, ...
            languages: Which to use. Default: all.
            name: The collection's name.
            **options: As for `from_collection`.

        Raises:
            TrainingDataError: A column is missing, a value is null, or an item has a language twice.
        """
        return cls(long_blocks(dataset, languages, name), **options)

    @classmethod
    def from_dict(
        cls, mapping: Mapping[tuple[str, str] | str, Dataset], *, name: str = "pairs", **options: Any
    ) -> ParallelDataset:
        """One data set of pairs for each language pair, such as a ``DatasetDict`` keyed ``en-de``.

        The first column of texts is the query, the second the passage, further ones are negatives; columns that hold no
        texts are left alone. Column ``item`` links the rows of all pairs; without it every row is an item of its own.

        Args:
            mapping: Data sets by pair, query language first, ``"en-de"`` or ``("en", "de")``.
            name: The collection's name.
            **options: As for `from_collection`.

        Raises:
            TrainingDataError: A key is no language pair, or the data sets do not fit each other.
        """
        return cls(pair_blocks(mapping, name), **options)

    @classmethod
    def from_beir(
        cls,
        folders: Mapping[str, Path | str] | Path | str,
        split: str = "train",
        languages: Iterable[str] | None = None,
        *,
        name: str = "beir",
        **options: Any,
    ) -> ParallelDataset:
        """Folders in BEIR's layout, one for each language: ``corpus.jsonl``, ``queries.jsonl``, ``qrels/<split>.tsv``.

        Every relevant document (score above 0) of a question is an item. Questions are the same in all languages by
        their ids. So are documents, if two languages have one in common for the question; else the n-th relevant one in
        a language is the n-th in the others. A passage is title and text, as in BEIR. Texts of relevant pairs are
        copied into the cache folder (``MTEB_HYBRID_CACHE``) as Arrow tables, the rest of the corpus is left alone.

        Args:
            folders: Folder of each language, or one folder with subfolders that are named by language.
            split: Whose judgments to read.
            languages: Which to use. Default: all.
            name: The collection's name.
            **options: As for `from_collection`.

        Raises:
            TrainingDataError: A file is missing, a line is malformed, an id is unknown or comes twice, a text is blank.
        """
        return cls(beir_blocks(folders, split, languages, name), **options)

    @classmethod
    def from_mmarco(
        cls,
        source: Path | str = MMARCO,
        languages: Iterable[str] | None = None,
        *,
        revision: str = MMARCO_REVISION,
        negatives: int = 1,
        max_items: int | None = None,
        name: str = "mmarco",
        **options: Any,
    ) -> ParallelDataset:
        """The training triples of mMARCO, in Google's translations.

        Every pair of a question and its relevant passage is an item, with the first of its negatives in the file; pairs
        that have fewer than asked for are left out. Needed texts are copied into the cache folder
        (``MTEB_HYBRID_CACHE``) as Arrow tables.

        Args:
            source: The data set on the hub, or a folder that holds the same files. If ``MTEB_HYBRID_DATA`` is set, the
                hub is not asked: ``MTEB_HYBRID_DATA/mmarco`` is read.
            languages: Codes such as ``de``, or the names in the files, such as ``german``. Default: all that a folder
                has; for the hub they must be named, because each is 3 to 8 GB to download.
            revision: The commit on the hub.
            negatives: Negatives of each item; 0 for none.
            max_items: Take only the first so many items.
            name: The collection's name.
            **options: As for `from_collection`.

        Raises:
            TrainingDataError: A language is unknown, a file is missing or malformed, or does not fit the others.
            DownloadError: A file could not be fetched.
        """
        blocks = mmarco_blocks(
            source, languages, revision=revision, negatives=negatives, max_items=max_items, name=name
        )
        return cls(blocks, **options)

    @classmethod
    def join(cls, views: Sequence[ParallelDataset], *, temperature: float = 1.0) -> ParallelDataset:
        """Several views as one, drawn in proportion to their numbers of items, or with a temperature.

        Raises:
            TrainingDataError: There is no view, they differ in their columns, or with a temperature two have a
                collection of the same name, or one was made with a temperature of its own.
        """
        columns = {tuple(view.column_names) for view in views}
        if len(columns) != 1:
            raise TrainingDataError(f"views that are joined must have the same columns; these have {sorted(columns)}")
        if any(view.training_rows.temperature != 1.0 for view in views):
            raise TrainingDataError(
                "a view with a temperature cannot be joined: give all views at once, with one temperature"
            )
        names = Counter(name for view in views for name in view.collections)
        if temperature != 1.0 and (twice := [name for name, count in names.items() if count > 1]):
            raise TrainingDataError(
                f"two views have a collection {twice[0]!r}, which a temperature would take for one: build "
                "them with another name="
            )
        blocks = [block for view in views for block in view.blocks]
        return cls(blocks, parallel=views[0].parallel, temperature=temperature)

    def prompts(self, query: str, passage: str) -> dict[str, str]:
        """The prompt of every column of texts, for ``prompts=`` of the trainer's arguments.

        Args:
            query: Put in front of queries, those in another language among them.
            passage: Put in front of passages and negatives.
        """
        return {
            column: query if column.startswith("query") else passage
            for column in self.column_names
            if column != "label"
        }

    @property
    def languages(self) -> tuple[str, ...]:
        """All languages of queries and passages, sorted."""
        return self.training_rows.triples.languages

    @property
    def num_items(self) -> int:
        """Number of items, each counted once for all its languages."""
        return self.training_rows.triples.items

    @property
    def collections(self) -> dict[str, int]:
        """Number of items of each collection."""
        sizes: dict[str, int] = {}
        for block in self.blocks:
            sizes[block.collection] = sizes.get(block.collection, 0) + block.count
        return sizes

    def split_items(self, held_out: float | int, *, seed: int = 0) -> tuple[ParallelDataset, ParallelDataset]:
        """Two views without an item in common, nor one that shares a text: the rest, and what is held out.

        Args:
            held_out: Share of the items to hold out, in (0, 1), or their number; groups of items that share a text stay
                together, so it may be exceeded by the size of one.
            seed: Which items; the same for the same data.

        Raises:
            TrainingDataError: One of the views would be empty.
        """
        count = held_out if isinstance(held_out, Integral) else round(float(held_out) * self.num_items)
        groups = self.training_rows.groups
        names = np.arange(self.num_items) if groups is None else groups
        found, sizes = np.unique(names, return_counts=True)
        order = np.random.default_rng(seed).permutation(len(found))
        taken = found[order][np.cumsum(sizes[order]) - sizes[order] < count]
        mask = np.isin(names, taken)
        if not mask.any() or mask.all():
            raise TrainingDataError(
                f"cannot hold out {held_out} of {self.num_items} items: one part would be empty; name another number"
            )
        return self.select_items(np.flatnonzero(~mask)), self.select_items(np.flatnonzero(mask))

    def select_items(self, items: Ints) -> ParallelDataset:
        """The view of some items, int64 in [0, ``num_items``), each at most once; they are put in ascending order.

        Raises:
            TrainingDataError: They are no such numbers, or there are none.
        """
        items = np.unique(items)
        if items.dtype.kind not in "iu" or not len(items) or items[0] < 0 or items[-1] >= self.num_items:
            raise TrainingDataError(
                f"items must be whole numbers in [0, {self.num_items}), and at least one; np.flatnonzero makes them of "
                "a mask"
            )
        blocks, groups = select_items(self.blocks, self.training_rows, items)
        return self._like(blocks, groups)

    def restrict(self, languages: Iterable[str]) -> ParallelDataset:
        """The view in some of the languages; items that have none of them are left out.

        Raises:
            TrainingDataError: A language is not in the data, or nothing is left.
        """
        wanted = list(languages)
        self.training_rows.available(wanted)  # names a language that is not there
        blocks, groups = restrict_blocks(self.blocks, self.training_rows, wanted)
        return self._like(blocks, groups)

    def for_evaluation(self) -> ParallelDataset:
        """The same view as an evaluation set: `HybridBatchSampler` draws the same batches from it every time."""
        return self._like(self.blocks, self.training_rows.groups, evaluation=True)

    def _like(self, blocks: Sequence[Block], groups: Ints | None, *, evaluation: bool = False) -> ParallelDataset:
        rows = self.training_rows
        return ParallelDataset(
            blocks,
            parallel=self.parallel,
            temperature=rows.temperature,
            groups=groups,
            _evaluation=evaluation or rows.evaluation,
            _grouped=True,
        )

    def __repr__(self) -> str:
        return (
            f"ParallelDataset({self.num_items:,} items, languages {', '.join(self.languages)}, {len(self):,} rows of "
            f"{', '.join(self.column_names)})"
        )

    def _read(self, rows: Ints) -> dict[str, list[Any]]:
        triples, groups = self.training_rows.triples, self.training_rows.groups
        decoded = triples.decode(rows)
        block, at = decoded.block, decoded.position
        columns: dict[str, list[Any]] = {
            "query": self._texts(self._queries, block, at, decoded.query),
            "passage": self._texts(self._passages, block, at, decoded.passage),
        }
        by = np.where(self._negatives_by_query[block], decoded.query, decoded.passage)
        for name, tables in self._negatives.items():
            columns[name] = self._texts(tables, block, at, by)
        if self.parallel:
            query = triples.another(block, decoded.query, rows, "query")
            passage = triples.another(block, decoded.passage, rows, "passage")
            columns["query_parallel"] = self._texts(self._queries, block, at, query)
            columns["passage_parallel"] = self._texts(self._passages, block, at, passage)
        items = decoded.item if groups is None else groups[decoded.item]
        columns["label"] = encode_label(items, decoded.query != decoded.passage, parallel=self.parallel).tolist()
        return columns

    def _texts(self, tables: Sequence[Mapping[str, Texts]], block: Ints, position: Ints, language: Ints) -> list[str]:
        """One text for each row, read table by table; ``tables`` are those of each block, by language."""
        names = self.languages
        table = block * len(names) + language
        found: list[str] = [""] * len(table)
        for number in np.unique(table):
            here = np.flatnonzero(table == number)
            texts = tables[number // len(names)][names[number % len(names)]]
            for place, text in zip(here.tolist(), texts.read(position[here]), strict=True):
                found[place] = text
        return found
