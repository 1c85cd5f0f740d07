"""Tables and collections become views with the rows that are written by hand; what does not fit is named."""

from __future__ import annotations

import json
from collections import Counter

import numpy as np
import pytest
from datasets import Dataset, DatasetDict
from parallel_items import (
    Item,
    item,
    long_table,
    naive_groups,
    pair_tables,
    view_groups,
    view_rows,
    wide_table,
    write_beir,
    write_mmarco,
)

from mteb_hybrid.collections import LanguagePart, ParallelCollection, miniqa_r, mlqa_r
from mteb_hybrid.errors import CollectionError, TrainingDataError
from mteb_hybrid.trainers import ParallelDataset

FULL = [item(str(number), "de en") for number in range(3)]
NEGATIVE = [item(str(number), "de en", negatives=1) for number in range(3)]
ROWS_OF_FULL = {
    ("query 0 de", "passage 0 de", "0"),
    ("query 0 de", "passage 0 en", "1"),
    ("query 0 en", "passage 0 de", "1"),
    ("query 0 en", "passage 0 en", "0"),
    ("query 1 de", "passage 1 de", "0"),
    ("query 1 de", "passage 1 en", "1"),
    ("query 1 en", "passage 1 de", "1"),
    ("query 1 en", "passage 1 en", "0"),
    ("query 2 de", "passage 2 de", "0"),
    ("query 2 de", "passage 2 en", "1"),
    ("query 2 en", "passage 2 de", "1"),
    ("query 2 en", "passage 2 en", "0"),
}
ROWS_OF_NEGATIVE = {
    (query, passage, f"negative 0 {passage.removeprefix('passage ')}", cross) for query, passage, cross in ROWS_OF_FULL
}


def part(language: str, questions: dict[str, tuple[str, ...]], passages: list[str] | None = None) -> LanguagePart:
    """One language of a collection; by question id its relevant passages."""
    pool = passages or list(dict.fromkeys(text for relevant in questions.values() for text in relevant))
    return LanguagePart(
        language,
        tuple(pool),
        ("",) * len(pool),
        tuple(questions),
        tuple(f"query {key} {language}" for key in questions),
        tuple(tuple(pool.index(text) for text in relevant) for relevant in questions.values()),
        "by hand",
    )


def collection(*parts: LanguagePart) -> ParallelCollection:
    by_language = {one.language: one for one in parts}
    return ParallelCollection("by-hand", "1", tuple(sorted(by_language)), by_language.__getitem__)


def as_collection() -> ParallelDataset:
    parts = [part(code, {str(n): (f"passage {n} {code}",) for n in range(3)}) for code in ("de", "en")]
    return ParallelDataset.from_collection(collection(*parts))


def as_beir(folder) -> ParallelDataset:
    for code in ("de", "en"):
        write_beir(
            folder / code,
            {f"q{n}": f"query {n} {code}" for n in range(3)},
            {f"d{n}": f"passage {n} {code}" for n in range(3)},
            [(f"q{n}", f"d{n}", 1) for n in range(3)],
        )
    return ParallelDataset.from_beir(folder)


def as_mmarco(folder, **options) -> ParallelDataset:
    names = {"german": "de", "english": "en"}
    queries = {name: {n: f"query {n} {code}" for n in range(3)} for name, code in names.items()}
    passages = {
        name: {n: f"passage {n} {code}" for n in range(3)} | {n + 10: f"negative 0 {n} {code}" for n in range(3)}
        for name, code in names.items()
    }
    write_mmarco(folder, queries, passages, [(n, n, n + 10) for n in range(3)])
    return ParallelDataset.from_mmarco(folder, **options)


@pytest.mark.parametrize(
    "build",
    [
        lambda folder: as_collection(),
        lambda folder: ParallelDataset.from_wide(wide_table(FULL)),
        lambda folder: ParallelDataset.from_long(long_table(FULL)),
        lambda folder: ParallelDataset.from_dict(pair_tables(FULL, linked=True)),
        lambda folder: ParallelDataset.from_dict(DatasetDict(pair_tables(FULL, linked=False))),
        as_beir,
        lambda folder: as_mmarco(folder, negatives=0),
    ],
    ids=["collection", "wide", "long", "dict", "unlinked", "beir", "mmarco"],
)
def test_every_builder(build, tmp_path):
    """The same items in each form are the same rows, which are written out above; groups are those of the texts."""
    made = build(tmp_path)
    rows = view_rows(made)
    assert set(rows) == ROWS_OF_FULL
    assert len(rows) == 12
    assert view_groups(made) == naive_groups(FULL)
    assert made.column_names == ["query", "passage", "label"]


@pytest.mark.parametrize(
    "build",
    [
        lambda folder: ParallelDataset.from_wide(wide_table(NEGATIVE)),
        lambda folder: ParallelDataset.from_long(long_table(NEGATIVE)),
        lambda folder: ParallelDataset.from_dict(pair_tables(NEGATIVE, linked=True)),
        lambda folder: ParallelDataset.from_dict(pair_tables(NEGATIVE, linked=False)),
        as_mmarco,
    ],
    ids=["wide", "long", "dict", "unlinked", "mmarco"],
)
def test_every_builder_with_negatives(build, tmp_path):
    """A row has the negative in its passage's language."""
    made = build(tmp_path)
    assert set(view_rows(made)) == ROWS_OF_NEGATIVE
    assert made.column_names == ["query", "passage", "negative", "label"]


class TestCollection:
    """Parallel collections of ours."""

    def test_items_lack_languages_and_have_several_passages(self):
        """The n-th relevant passage of a question is its n-th in the other languages."""
        made = ParallelDataset.from_collection(
            collection(
                part("de", {"a": ("a1 de", "a2 de"), "b": ("b1 de",)}, ["x", "b1 de", "a2 de", "a1 de"]),
                part("en", {"c": ("c1 en",), "a": ("a1 en",)}),
            )
        )
        assert made.num_items == 4
        assert set(view_rows(made)) == {
            ("query a de", "a1 de", "0"),
            ("query a de", "a1 en", "1"),
            ("query a en", "a1 de", "1"),
            ("query a en", "a1 en", "0"),
            ("query a de", "a2 de", "0"),
            ("query b de", "b1 de", "0"),
            ("query c en", "c1 en", "0"),
        }
        assert made.collections == {"by-hand": 4}

    def test_miniqa_r(self):
        """All of its 48 items in 11 languages, or in some of them; its rows are its questions with their sentences."""
        assert len(ParallelDataset.from_collection(miniqa_r())) == 48 * 11**2
        made = ParallelDataset.from_collection(miniqa_r(), ["th", "de"])
        assert made.languages == ("de", "th")
        parts = {code: miniqa_r().load(code) for code in ("de", "th")}
        expected = {
            (
                parts[query].queries[n],
                parts[passage].passages[parts[passage].relevant[n][0]],
                str(int(query != passage)),
            )
            for n in range(48)
            for query in parts
            for passage in parts
        }
        assert set(view_rows(made)) == expected

    def test_unknown_language(self):
        """The collection says which it has."""
        with pytest.raises(CollectionError, match="no language 'fr'"):
            ParallelDataset.from_collection(miniqa_r(), ["de", "fr"])

    def test_mlqa_r(self, lareqa_data, monkeypatch):
        """As many items as question ids, and for each the square of its number of languages, counted in the files."""
        monkeypatch.setenv("MTEB_HYBRID_DATA", str(lareqa_data))
        languages: Counter[str] = Counter()
        for path in (lareqa_data / "mlqa-r").glob("*.json"):
            articles = json.loads(path.read_text(encoding="utf-8"))["data"]
            languages.update(
                {qa["id"] for one in articles for paragraph in one["paragraphs"] for qa in paragraph["qas"]}
            )
        made = ParallelDataset.from_collection(mlqa_r())
        assert made.num_items == len(languages) == 1_148
        assert len(made.languages) == 7
        assert len(made) == sum(count**2 for count in languages.values())
        assert sorted(Counter(languages.values()).items()) == [(2, 65), (3, 263), (4, 820)]
        monolingual = sum(not crosses for crosses in [row[-1] == "1" for row in view_rows(made)])
        assert monolingual == sum(languages.values())


class TestWide:
    """A row for each item, a column for each language and role."""

    def test_languages(self):
        """Only those asked for; codes with a hyphen are codes, other columns are left alone."""
        table = wide_table([item("0", "de en pt-BR")]).add_column("my_note", [""]).add_column("query", [None])
        assert ParallelDataset.from_wide(table).languages == ("de", "en", "pt-BR")
        assert set(view_rows(ParallelDataset.from_wide(table, ["pt-BR"]))) == {
            ("query 0 pt-BR", "passage 0 pt-BR", "0")
        }

    def test_numbered_negatives(self):
        """In the order of their numbers, not of their names."""
        columns = {"query_en": ["q"], "passage_en": ["p"]}
        table = Dataset.from_dict(columns | {f"negative_{number}_en": [f"n{number}"] for number in (10, 9, 1)})
        assert view_rows(ParallelDataset.from_wide(table)) == [("q", "p", "n1", "n9", "n10", "0")]

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda table: table.remove_columns(["passage_de", "passage_en"]), "needs columns such as 'query_en'"),
            (lambda table: table.remove_columns(["negative_en"]), "equally many negatives"),
            (
                lambda table: table.map(lambda row, n: {"negative_de": None if n == 1 else "n"}, with_indices=True),
                "mine: 'negative_de' is empty in row 1, which has a passage in 'de'",
            ),
        ],
    )
    def test_errors(self, change, message):
        """Columns that are missing, and negatives that are null."""
        with pytest.raises(TrainingDataError, match=message):
            ParallelDataset.from_wide(change(wide_table(NEGATIVE)), name="mine")

    @pytest.mark.parametrize("code", ["pt_BR", "deu_Latn", "zh_Hans_CN", "sr-Latn", "german", "x"])
    def test_codes_of_several_parts(self, code):
        """A language code may have underscores; what merely ends like a column is left alone."""
        table = Dataset.from_dict(
            {"query_en": ["a"], f"query_{code}": ["b"], f"passage_{code}": ["c"], f"negative_1_{code}": ["d"]}
            | {"passage_title_en": ["e"], "my_query_en": ["f"], "negative_1": ["g"], "query_": ["h"]}
        )
        made = ParallelDataset.from_wide(table)
        assert made.languages == tuple(sorted(("en", code)))
        assert set(view_rows(made)) == {("a", "c", "d", "1"), ("b", "c", "d", "0")}

    def test_row_of_a_bad_text(self):
        """What is blank is named with its row of the table, whatever languages other rows have."""
        table = {"query_de": ["q", None, "r", "s"], "passage_de": ["p", None, "t", "u"]}
        table |= {"query_en": ["a", "b", None, " "], "passage_en": ["c", "d", None, "e"]}
        with pytest.raises(TrainingDataError, match="query in 'en': row 3 has ' '"):
            ParallelDataset.from_wide(Dataset.from_dict(table))

    def test_unknown_language(self):
        """Named with the columns that are there."""
        with pytest.raises(TrainingDataError, match="no columns in 'fr'; columns: note, query_de"):
            ParallelDataset.from_wide(wide_table(FULL), ["de", "fr"])


class TestLong:
    """A row for each item and language."""

    def test_languages(self):
        """Only those asked for, and items that are left without any are left out."""
        made = ParallelDataset.from_long(long_table([*FULL, item("9", "en")]), ["de"])
        assert set(view_rows(made)) == {(f"query {n} de", f"passage {n} de", "0") for n in range(3)}

    def test_items_of_numbers(self):
        """Items may be numbers, in any order."""
        table = long_table(FULL)
        numbers = {f"i{n}": 7 - n for n in range(3)}
        renamed = table.remove_columns("item").add_column("item", [numbers[one] for one in table["item"]])
        assert set(view_rows(ParallelDataset.from_long(renamed.shuffle(seed=0)))) == ROWS_OF_FULL

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"item": "i1"}, "mine: item 'i1' has language 'de' twice"),
            ({"item": None}, "column 'item' is null in row 0.* each row needs one"),
            ({"language": None}, "column 'language' is null in row 0"),
            ({"language": "d e"}, "mine: 'd e' is no language code"),
            ({"language": ""}, "mine: '' is no language code"),
            ({"query": None}, "query in 'de': row 0 has None"),
            ({"passage": " "}, "passage in 'de': row 0 has ' '"),
            ({"negative_0": None}, "mine: column 'negative_0' is null in row 0"),
        ],
    )
    def test_errors(self, change, message):
        """What is wrong in the first row is named."""
        rows = long_table(NEGATIVE).to_list()
        with pytest.raises(TrainingDataError, match=message):
            ParallelDataset.from_long(Dataset.from_list([rows[0] | change, *rows[1:]]), name="mine")

    def test_other_columns_are_left_alone(self):
        """Only ``negative`` with or without a number is a negative."""
        table = long_table(FULL)
        made = ParallelDataset.from_long(table.add_column("negative_score", [0.5] * len(table)))
        assert set(view_rows(made)) == ROWS_OF_FULL

    def test_unknown_language_or_column(self):
        """Named with what there is."""
        with pytest.raises(TrainingDataError, match="no language 'fr'; it has de, en"):
            ParallelDataset.from_long(long_table(FULL), ["fr"])
        with pytest.raises(TrainingDataError, match="no column 'passage'; it has item, language, query"):
            ParallelDataset.from_long(long_table(FULL).remove_columns("passage"))


class TestPairs:
    """A data set for each language pair."""

    def test_linked_pairs_complete_each_other(self):
        """Items have the queries and passages of all their pairs, and so all combinations of these."""
        table = Dataset.from_dict({"question": ["q1 en", "q2 en"], "answer": ["p1 de", "p2 de"], "item": [1, 2]})
        back = Dataset.from_dict({"question": ["q2 de"], "answer": ["p2 en"], "item": [2]})
        made = ParallelDataset.from_dict({"en-de": table, ("de", "en"): back})
        items = [
            Item({"en": "q1 en"}, {"de": "p1 de"}),
            Item({"en": "q2 en", "de": "q2 de"}, {"de": "p2 de", "en": "p2 en"}),
        ]
        assert Counter(view_rows(made)) == Counter(row for one in items for row in one.rows())
        assert view_groups(made) == naive_groups(items)

    def test_columns_without_texts(self):
        """A score is no text of a row."""
        table = Dataset.from_dict({"score": [0.5], "question": ["q"], "id": [3], "answer": ["p"], "other": ["n"]})
        assert view_rows(ParallelDataset.from_dict({"en-de": table})) == [("q", "p", "n", "1")]

    def test_unlinked_pairs(self):
        """Every row is an item of its own, in its two languages only; equal texts still make them count as one."""
        made = ParallelDataset.from_dict(
            {
                "en-de": Dataset.from_dict({"a": ["q1 en", "q2 en"], "b": ["p1 de", "p2 de"]}),
                "en-fr": Dataset.from_dict({"a": ["q1 en"], "b": ["p1 fr"]}),
                "de-de": Dataset.from_dict({"a": [], "b": []}),
            }
        )
        assert made.num_items == 3
        rows = {("q1 en", "p1 de", "1"), ("q2 en", "p2 de", "1"), ("q1 en", "p1 fr", "1")}
        assert set(view_rows(made)) == rows
        assert len(view_groups(made)) == 2

    @pytest.mark.parametrize(
        ("tables", "message"),
        [
            ({}, "there are no pairs"),
            ({"en-de": {"a": [], "b": []}}, "there are no pairs"),
            ({"ende": {"a": ["q"], "b": ["p"]}}, "a language pair is written"),
            ({("en", "d e"): {"a": ["q"], "b": ["p"]}}, "'d e' is no language code"),
            ({"en-de": {"a": ["q"], "item": [1]}}, "a pair needs two columns of texts"),
            ({"en-de": {"a": ["q"], "score": [0.5]}}, "a pair needs two columns of texts.* are a, score"),
            ({"en-de": {"a": ["q"], "b": ["p"]}, "de-en": {"a": ["q"], "c": ["p"]}}, "need the same columns"),
            ({"en-de": {"a": ["q", "r"], "b": ["p", "s"], "item": [1, 1]}}, "item 1 comes twice in en-de"),
            ({"en-de": {"a": ["q", "r"], "b": ["p", "s"], "item": ["i", None]}}, "column 'item' is null in row 1"),
            (
                {"en-de": {"a": ["q"], "b": ["p"], "item": [1]}, "de-en": {"a": ["q"], "b": ["p"], "item": ["i"]}},
                "the language pairs do not fit together",
            ),
            ({"en-de": {"a": ["q"], "b": [""]}}, "passage in 'de': row 0 has ''"),
            ({"en-de": {"a": ["q"], "b": ["p"], "c": [None]}}, "column 'c' is null in en-de, row 0"),
            ({"en-de": {"a": ["q"], "b": ["p"], "c": [" "]}}, "negative in 'de': row 0 has ' '"),
        ],
    )
    def test_errors(self, tables, message):
        """What does not fit is named."""
        with pytest.raises(TrainingDataError, match=message):
            ParallelDataset.from_dict({pair: Dataset.from_dict(columns) for pair, columns in tables.items()})


def test_labels_are_of_items_not_rows():
    """Labels of one item differ in the bit for different languages only."""
    made = ParallelDataset.from_wide(wide_table(FULL))
    labels = np.array(made[:]["label"]).reshape(3, 4)
    assert (labels >> 2 == np.arange(3)[:, None]).all()
    assert (labels & 3 == [0, 1, 1, 0]).all()
