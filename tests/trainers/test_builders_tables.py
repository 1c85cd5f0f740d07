"""Wide and long tables as training data."""

from __future__ import annotations

import pytest
from built_collections import FULL, NEGATIVE, ROWS_OF_FULL
from datasets import Dataset
from parallel_items import (
    item,
    long_table,
    view_rows,
    wide_table,
)

from mteb_hybrid.errors import TrainingDataError
from mteb_hybrid.trainers import ParallelDataset


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
        with pytest.raises(TrainingDataError, match="no columns in 'fr'; it has note, query_de"):
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
