"""What steps would get if no item had to be skipped, against a walk along the streams, place by place."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mteb_hybrid.trainers.data.pool import Pool
from mteb_hybrid.trainers.sampling.ahead import Ahead
from mteb_hybrid.trainers.sampling.streams import ItemStream

START = 7  # number of the first step


@st.composite
def problems(draw):
    """One to three streams of a few items, somewhere on their way, and the streams of the places of some steps."""
    count = draw(st.integers(1, 3))
    sizes = draw(st.lists(st.integers(2, 9), min_size=count, max_size=count))
    starts = draw(st.lists(st.integers(0, 30), min_size=count, max_size=count))
    firsts = np.cumsum([0, *sizes[:-1]]).tolist()
    pools = [Pool((number,), (first,), (size,)) for number, (first, size) in enumerate(zip(firsts, sizes, strict=True))]

    def streams() -> list[ItemStream]:
        return [ItemStream(pool, seed=5, start=start) for pool, start in zip(pools, starts, strict=True)]

    steps, places = draw(st.integers(1, 8)), draw(st.integers(1, 5))
    row = st.lists(st.integers(0, count - 1), min_size=places, max_size=places)
    return streams, np.array(draw(st.lists(row, min_size=steps, max_size=steps)), dtype=np.uint8)


def walked(streams: list[ItemStream], stream: np.ndarray) -> list[list[int]]:
    """The items of the places, one after the other."""
    drawn = [one.drawn for one in streams]
    items = []
    for step in stream.tolist():
        items.append([])
        for one in step:
            items[-1] += streams[one].at(drawn[one], 1).tolist()
            drawn[one] += 1
    return items


@given(problems(), st.booleans(), st.booleans())
@settings(deadline=None)
def test_items_and_clashes(problem, apart, joined):
    """Items are those of a walk; a step must be filled place by place where it has an item, or a group, twice.

    To know that no two streams share an item changes nothing.
    """
    make, stream = problem
    groups = np.arange(27) // 2 * 2 if joined else None
    items = walked(make(), stream)
    ahead = Ahead(make(), stream, START, apart=apart and not joined, groups=groups)
    assert ahead.items.tolist() == items
    assert (ahead.start, ahead.end) == (START, START + len(stream))
    twice = [len({item if groups is None else groups[item] for item in step}) < len(step) for step in items]
    clashes = [START + number for number, one in enumerate(twice) if one]
    for step in range(START, ahead.end):
        assert ahead.clear_until(step) == min([one for one in clashes if one >= step], default=ahead.end)


@pytest.mark.parametrize("places", [1, 2, 3, 5])
@pytest.mark.parametrize("start", range(7))
def test_a_pass_that_ends_in_a_step(start, places):
    """Of one stream, only a step with the end of a pass and the beginning of the next can have an item twice."""

    def streams() -> list[ItemStream]:
        return [ItemStream(Pool((0,), (0,), (7,)), seed=5, start=start)]

    stream = np.zeros((200, places), dtype=np.uint8)
    clashes = [START + number for number, step in enumerate(walked(streams(), stream)) if len({*step}) < places]
    assert bool(clashes) is (places > 1)
    ahead = Ahead(streams(), stream, START, apart=True, groups=None)
    found = [ahead.clear_until(step) for step in range(START, ahead.end)]
    assert found == [
        min([one for one in clashes if one >= step], default=ahead.end) for step in range(START, ahead.end)
    ]


@given(problems(), st.data())
@settings(deadline=None)
def test_moving(problem, data):
    """Streams stay where they are until they are moved; then they have drawn what the steps before have got."""
    make, stream = problem
    streams = make()
    ahead = Ahead(streams, stream, START, apart=True, groups=None)
    assert [one.drawn for one in streams] == [one.drawn for one in make()]
    step = data.draw(st.integers(START, ahead.end))
    before = stream[: step - START]
    expected = [one.drawn + int((before == number).sum()) for number, one in enumerate(make())]
    assert ahead.fits(step) == (expected == [one.drawn for one in make()])
    ahead.move(step)
    assert [one.drawn for one in streams] == expected
    assert ahead.fits(step)
    streams[0].drawn += 1
    assert not ahead.fits(step)


@pytest.mark.parametrize("behind", [0, 1])
def test_a_stream_that_has_skipped_an_item(behind):
    """From its next step on it is filled place by place, until it has made up for it."""
    streams = [ItemStream(Pool((number,), (20 * number,), (20,)), seed=5, start=0) for number in range(2)]
    stream = np.array([[0, 0], [0, 0], [0, 1], [1, 1]])
    ahead = Ahead(streams, stream, START, apart=True, groups=None)
    streams[1].behind = behind
    assert [ahead.clear_until(START + step) for step in range(4)] == (
        [START + 2, START + 2, START + 2, START + 3] if behind else [START + 4] * 4
    )
