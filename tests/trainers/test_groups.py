"""Items that share a text count as one: against joining sets until nothing changes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mteb_hybrid.errors import TrainingDataError
from mteb_hybrid.trainers.data import groups as module
from mteb_hybrid.trainers.data.groups import TextGroups, checked_texts


def found(texts: list[list[str]], linked=()) -> list[int]:
    """Groups of items, whose texts are added column by column; all items have equally many."""
    groups = TextGroups(len(texts), len(texts) * len(texts[0]))
    for column in zip(*texts, strict=True):
        groups.add(0, checked_texts([column], "texts", int))
    result = groups.groups([(np.array([a]), np.array([b])) for a, b in linked])
    return list(range(len(texts))) if result is None else result.tolist()


def naive(texts: list[list[str]], linked=()) -> list[int]:
    """The smallest item that can be reached over shared texts and links."""
    smallest = list(range(len(texts)))
    together = [
        (a, b)
        for a in range(len(texts))
        for b in range(len(texts))
        if {text.strip() for text in texts[a]} & {text.strip() for text in texts[b]}
    ]
    changed = True
    while changed:
        changed = False
        for a, b in [*together, *linked]:
            low = min(smallest[a], smallest[b])
            changed |= {smallest[a], smallest[b]} != {low}
            smallest[a] = smallest[b] = low
    return smallest


texts_of_items = st.lists(st.lists(st.integers(0, 30).map("text {}".format), min_size=2, max_size=2), min_size=1)


@settings(deadline=None)
@given(texts_of_items)
def test_same_groups_as_naive(texts):
    """Texts are compared across columns, and groups join over any number of steps."""
    assert found(texts) == naive(texts)


@settings(deadline=None)
@given(texts_of_items, st.data())
def test_links_join_groups(texts, data):
    """Pairs of items that are said to belong together, in addition."""
    number = st.integers(0, len(texts) - 1)
    linked = data.draw(st.lists(st.tuples(number, number), max_size=5))
    assert found(texts, linked) == naive(texts, linked)


@settings(deadline=None)
@given(texts_of_items, st.sampled_from([1, 2, 3, 8, 50]))
def test_temporary_file_changes_nothing(texts, in_memory):
    """Hashes that do not fit into memory are compared part by part, with the same result."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(module, "_IN_MEMORY", in_memory)
        groups = TextGroups(len(texts), 2 * len(texts))
        assert (groups._file is not None) == (2 * len(texts) > in_memory)
        assert found(texts) == naive(texts)


def test_runs_of_items():
    """Texts may be added for some of the items, in chunks of any size."""
    groups = TextGroups(6, 7)
    groups.add(0, [["a", "b"], ["c"]])
    groups.add(3, [["d"], [], ["b", "e"]])
    groups.add(5, [["c"]])
    assert groups.groups().tolist() == [0, 1, 2, 3, 1, 2]


def test_nothing_shared():
    """Where every item stands alone there is no array at all."""
    groups = TextGroups(3, 3)
    groups.add(0, [["a", "b", "c"]])
    assert groups.groups() is None


def test_own_text_twice():
    """A question that is its own passage shares nothing with others."""
    assert found([["a", "a"], ["b", "b"]]) == [0, 1]


def test_white_space_around_a_text():
    """It does not tell texts apart; white space inside, case and accents do."""
    assert found([["a b"], ["\n a b\u3000"], ["a  b"], ["A b"], ["á b"]]) == [0, 0, 2, 3, 4]


def test_lone_surrogate():
    """A text that cannot be encoded is one like others."""
    assert found([["\ud800"], ["\ud800 "], ["\ud801"]]) == [0, 0, 2]


@pytest.mark.parametrize("bad", ["", "  \n", "\u3000", None, 3])
def test_no_text(bad):
    """What is blank or no text is named with its row, over chunks."""
    with pytest.raises(TrainingDataError, match=r"queries in 'de': row 13 has .* where a text should be"):
        list(checked_texts([["a", "b"], ["c", bad]], "queries in 'de'", lambda place: place + 10))
