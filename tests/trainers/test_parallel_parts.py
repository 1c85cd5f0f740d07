"""Views of several collections, and of some items or languages, have the rows of just these."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest
from datasets import Dataset
from hypothesis import given, settings
from hypothesis import strategies as st
from parallel_items import (
    FULL,
    MIXED,
    Item,
    all_rows,
    item,
    naive_groups,
    view,
    view_groups,
    view_rows,
)

from mteb_hybrid.errors import TrainingDataError
from mteb_hybrid.trainers import ParallelDataset

SHARING = [
    Item({"de": f"q{number // 3}", "en": f"e{number}"}, {"de": f"p{number}", "en": f"r{number}"})
    for number in range(30)
]


class TestJoin:
    """Several views as one."""

    def test_rows(self):
        """The rows of all; items stay apart unless they share a text."""
        others = [item(f"other{number}", "en tr") for number in range(3)]
        made = ParallelDataset.join([view(MIXED, name="mine"), view(others, name="theirs")])
        assert Counter(view_rows(made)) == all_rows(MIXED + others)
        assert view_groups(made) == naive_groups(MIXED + others)
        assert made.languages == ("de", "en", "fr", "tr")
        assert made.collections == {"mine": 6, "theirs": 3}
        assert made.num_items == 9

    def test_temperature(self):
        """Collections are drawn in proportion to their size to the power of 1 / temperature."""
        big, small = [item(f"b{number}", "de en") for number in range(9)], [item("s", "de en")]
        parts = [view(big, name="big"), view(small, name="small")]
        de, en = 0, 1
        one = ParallelDataset.join(parts)
        assert [(pool.size, share) for pool, share in one.training_rows.pools(de, en)] == [(10, 1.0)]
        two = ParallelDataset.join(parts, temperature=2)
        shares = {pool.size: share for pool, share in two.training_rows.pools(de, en)}
        assert shares == pytest.approx({9: 0.75, 1: 0.25})

    @pytest.mark.parametrize("temperature", [0, -1, float("nan"), float("inf")])
    def test_bad_temperature(self, temperature):
        """It must be a number above 0."""
        with pytest.raises(TrainingDataError, match="temperature"):
            ParallelDataset.join([view(MIXED)], temperature=temperature)

    def test_what_a_temperature_cannot_tell_apart(self):
        """Two collections of one name, and a view whose own temperature would be lost, are refused."""
        parts = [view(MIXED, name="mine"), view([item("other", "de en")], name="mine")]
        assert ParallelDataset.join(parts).collections == {"mine": 7}
        with pytest.raises(TrainingDataError, match=r"two views have a collection 'mine'.*name="):
            ParallelDataset.join(parts, temperature=2)
        with pytest.raises(TrainingDataError, match="a view with a temperature cannot be joined"):
            ParallelDataset.join([view(MIXED, temperature=2)])

    def test_views_that_do_not_fit(self):
        """Views with and without negatives, or with and without parallel columns, or no view."""
        for several in ([view(MIXED), view(FULL)], [view(MIXED), view(MIXED, parallel=True)], []):
            with pytest.raises(TrainingDataError, match="same columns"):
                ParallelDataset.join(several)


class TestParts:
    """Views of some of the items or languages."""

    @pytest.mark.parametrize("held_out", [0.3, 9, 0.05, 1, 26])
    def test_split_items(self, held_out):
        """Every item in one of the two, no text in both, and as many held out as asked for, up to a whole group."""
        made = view(SHARING)
        rest, held = made.split_items(held_out, seed=1)
        assert all_rows(SHARING) == Counter(view_rows(rest)) + Counter(view_rows(held))
        texts = [{text for row in view_rows(part) for text in row[:2]} for part in (rest, held)]
        assert not texts[0] & texts[1]
        wanted = round(held_out * 30) if isinstance(held_out, float) else held_out
        assert wanted <= held.num_items < wanted + 3
        assert view_groups(held) | view_groups(rest) == naive_groups(SHARING)

    def test_split_by_numbers_of_numpy(self):
        """A share or a number of NumPy's is one like Python's."""
        made = view(SHARING)
        for share, number in ((np.float32(0.5), np.int64(15)), (0.5, 15)):
            assert view_rows(made.split_items(share)[1]) == view_rows(made.split_items(number)[1])

    def test_split_is_of_the_seed(self):
        """The same seed, the same items; another one, others."""
        made = view(MIXED)
        rows = [view_rows(made.split_items(2, seed=seed)[1]) for seed in (0, 0, 1, 2, 3)]
        assert rows[0] == rows[1]
        assert any(one != rows[0] for one in rows[2:])

    @pytest.mark.parametrize("held_out", [0, 0.0, 0.05, 6, 1.0, 100, -1])
    def test_split_without_rest(self, held_out):
        """A part without items is refused."""
        with pytest.raises(TrainingDataError, match="one part would be empty"):
            view(MIXED).split_items(held_out)

    @settings(max_examples=20, deadline=None)
    @given(st.sets(st.integers(0, 29), min_size=1))
    def test_select_items(self, items):
        """Their rows, and the groups that they form among themselves: those of the whole, without the others."""
        made = view(SHARING).select_items(np.array(sorted(items, reverse=True)))
        selected = [SHARING[number] for number in sorted(items)]
        assert view_rows(made) == [row for one in selected for row in one.rows()]
        assert view_groups(made) == naive_groups(selected)

    def test_groups_survive_a_link_that_is_left_out(self):
        """Two items that were one only through a third stay one: what is one does not change with the selection."""
        items = [Item({"de": "a"}, {"de": "b"}), Item({"de": "b"}, {"de": "c"}), Item({"de": "c"}, {"de": "d"})]
        made = view(items).select_items(np.array([0, 2]))
        assert len(view_groups(made)) == 1

    @pytest.mark.parametrize("items", [[], [6], [-1], [0, 99]])
    def test_select_what_is_not_there(self, items):
        """Numbers of no item are refused."""
        with pytest.raises(TrainingDataError, match=r"numbers in \[0, 6\)"):
            view(MIXED).select_items(np.array(items, dtype=np.int64))

    @pytest.mark.parametrize("items", [np.arange(6) > 3, np.array([1.0, 2.0])])
    def test_select_by_no_numbers(self, items):
        """A mask is not taken for items 0 and 1."""
        with pytest.raises(TrainingDataError, match=r"whole numbers.*np.flatnonzero"):
            view(MIXED).select_items(items)

    @pytest.mark.parametrize("languages", [["de"], ["fr", "en"], ["de", "en", "fr"]])
    def test_restrict(self, languages):
        """The rows in these languages."""
        made = view(MIXED).restrict(languages)
        left = [
            item(one.queries[max(one.queries)].split()[1], " ".join({*one.queries} & {*languages})) for one in MIXED
        ]
        left = [one for one in left if one.queries]
        assert Counter(view_rows(made)) == all_rows(left)
        assert made.languages == tuple(sorted(languages))
        assert made.num_items == len(left)
        assert view_groups(made) == naive_groups(left)

    def test_restrict_to_nothing(self):
        """A language that is not there, and languages that leave no pair."""
        with pytest.raises(TrainingDataError, match="no language 'tr'"):
            view(MIXED).restrict(["de", "tr"])
        with pytest.raises(TrainingDataError, match="no item has both"):
            view([Item({"de": "q"}, {"en": "p"})]).restrict(["de"])

    def test_options_are_kept(self):
        """Parallel columns, temperature and the mark of an evaluation set."""
        made = view(MIXED, parallel=True, temperature=3.0).for_evaluation()
        for part in (made.restrict(["de", "en"]), made.select_items(np.arange(3)), made.split_items(2)[0]):
            assert part.parallel
            assert part.training_rows.temperature == 3.0
            assert part.training_rows.evaluation
        assert not view(MIXED).training_rows.evaluation
        assert made[:] == view(MIXED, parallel=True)[:]

    def test_select(self):
        """A real Dataset of some rows, in memory, with all columns."""
        made = view(FULL)
        rows = made.select([5, 0, -1])
        assert type(rows) is Dataset
        assert rows[:] == made[[5, 0, -1]]
        assert rows.column_names == made.column_names
        assert made.select(iter([3])).to_list() == [made[3]]
        assert made.select([]).column_names == made.column_names

    def test_select_columns(self):
        """A real Dataset, of no more than 1,000 rows, which are rows of the view in all languages."""
        items = [item(str(number), "de en fr") for number in range(500)]
        made = view(items)
        sample = made.select_columns(["query", "passage"])
        assert type(sample) is Dataset
        assert len(sample) == 1_000
        assert sample.column_names == ["query", "passage"]
        rows = {row[:2] for row in view_rows(made)}
        found = list(zip(sample["query"], sample["passage"], strict=True))
        assert set(found) <= rows
        pairs = Counter((query.split()[2], passage.split()[2]) for query, passage in found)
        assert set(pairs) == set(itertools.product(("de", "en", "fr"), repeat=2))
        assert min(pairs.values()) > 50
