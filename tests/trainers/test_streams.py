"""Endless orders of a pool's items: every pass visits each once, and what is skipped is not lost."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from mteb_hybrid.trainers.data.pool import Pool
from mteb_hybrid.trainers.sampling.streams import ItemStream


def pool() -> Pool:
    """The items 10 to 14, 30, and 50 to 56."""
    return Pool((2, 5, 7), (10, 30, 50), (5, 1, 7))


ITEMS = [*range(10, 15), 30, *range(50, 57)]


def take(stream: ItemStream, taken: set[int] | None = None, groups=None) -> int | None:
    return stream.take_free(set() if taken is None else taken, groups)


def test_a_pool_is_its_runs_one_after_the_other():
    """Positions in the pool are those in the list of its items, however it is read."""
    assert pool().size == len(ITEMS)
    assert pool().items(np.arange(13)).tolist() == ITEMS
    assert pool().items(np.array([5, 0, 12])).tolist() == [30, 10, 56]
    assert [items.tolist() for items in pool().chunks(5)] == [ITEMS[:5], ITEMS[5:10], ITEMS[10:]]
    assert Pool((0,), (100,), (3,)).items(np.arange(3)).tolist() == [100, 101, 102]


def test_each_pass_visits_every_item_once_in_an_order_of_its_own():
    """Pass after pass of 13 draws is a permutation of the pool, and no two are the same."""
    stream = ItemStream(pool(), seed=1, start=0)
    passes = [stream.at(13 * number, 13).tolist() for number in range(5)]
    assert all(sorted(one) == ITEMS for one in passes)
    assert len({tuple(one) for one in passes}) == 5


def test_reading_in_parts_is_reading_at_once():
    """Where a read begins and how long it is does not matter, nor what was read before."""
    stream = ItemStream(pool(), seed=1, start=0)
    whole = stream.at(0, 100).tolist()
    for start, count in [(0, 1), (12, 2), (50, 50), (13, 13), (3, 0), (26, 40)]:
        assert stream.at(start, count).tolist() == whole[start : start + count]


@pytest.mark.parametrize("length", [13, 12, 9, 7])
def test_passes_shorter_than_the_pool_visit_all_items_equally_often(length):
    """A pass has no item twice, and any number of passes differ by at most one visit."""
    stream = ItemStream(pool(), seed=4, start=0, length=length)
    seen = Counter(dict.fromkeys(ITEMS, 0))
    for number in range(40):
        items = stream.at(length * number, length).tolist()
        assert len(set(items)) == length
        seen.update(items)
        assert set(seen) == set(ITEMS)
        assert max(seen.values()) - min(seen.values()) <= 1


def test_seed_and_blocks_decide():
    """Another seed, or a pool of other blocks, has another order; the same has the same."""
    first = ItemStream(pool(), seed=1, start=0).at(0, 40).tolist()
    assert first == ItemStream(pool(), seed=1, start=0).at(0, 40).tolist()
    assert first != ItemStream(pool(), seed=2, start=0).at(0, 40).tolist()
    assert first != ItemStream(Pool((2, 5, 8), (10, 30, 50), (5, 1, 7)), seed=1, start=0).at(0, 40).tolist()


@pytest.mark.parametrize("start", [0, 7, 13, 1_000_003])
def test_draws_follow_the_stream_from_its_start(start):
    """With nothing taken, draw after draw is what the stream holds; looking ahead changes nothing."""
    stream = ItemStream(pool(), seed=3, start=start)
    expected = stream.at(start, 320).tolist()
    drawn = []
    for number in range(300):
        assert stream.peek(number % 20).tolist() == expected[number : number + number % 20]
        drawn.append(take(stream))
    assert drawn == expected[:300]
    assert stream.drawn == start + 300
    assert not stream.skipped


def test_what_is_skipped_comes_first_in_the_next_draw():
    """An item that is taken is passed over, and drawn as soon as it is free again; then all goes on as before."""
    stream = ItemStream(pool(), seed=3, start=0)
    first, second, third, fourth, fifth = stream.at(0, 5).tolist()
    taken = {first, second}
    assert take(stream, taken) == third
    assert taken == {first, second, third}
    assert stream.behind == 2
    assert take(stream, taken) == fourth
    assert take(stream) == first
    assert take(stream, {second}) == fifth
    assert take(stream) == second
    assert stream.behind == 0
    assert not stream.skipped
    assert stream.drawn == 5


def test_groups_are_taken_as_one():
    """Items of one group stand for each other: a taken group is skipped, and its items wait in order."""
    groups = np.arange(60)
    groups[ITEMS[:5]] = 10
    stream = ItemStream(pool(), seed=3, start=0)
    order = stream.at(0, 13).tolist()
    alone = [item for item in order if item >= 30]
    together = [item for item in order if item < 30]
    taken = {10}
    assert [take(stream, taken, groups) for _ in range(8)] == alone
    assert [take(stream, set(), groups) for _ in range(2)] == together[:2]
    taken = set()
    assert take(stream, taken, groups) == together[2]
    assert take(stream, taken, groups) not in together


def test_a_pool_without_a_free_item_says_so_and_stays():
    """None is returned, for that and for nothing else, and nothing is drawn or skipped."""
    stream = ItemStream(pool(), seed=3, start=5)
    expected = stream.at(5, 3).tolist()
    for _ in range(10):
        assert take(stream, set(ITEMS)) is None
        assert take(stream, {*ITEMS, *range(100, 200)}) is None
    assert not stream.skipped
    assert stream.drawn == 5
    assert [take(stream) for _ in range(3)] == expected
    groups = np.zeros(60, dtype=np.int64)
    assert take(stream, {0}, groups) is None


@pytest.mark.parametrize("groups", [None, np.arange(60) // 2 * 2])
@pytest.mark.parametrize("elsewhere", [(), range(100, 200)])
def test_one_free_item_is_found(groups, elsewhere):
    """Whatever else is taken, in other pools too, again and again: the item that is left is drawn."""
    stream = ItemStream(pool(), seed=3, start=0)
    for _ in range(50):
        taken = {item if groups is None else groups[item] for item in ITEMS if item != 30}
        assert take(stream, {*taken, *elsewhere}, groups) == 30


def test_nothing_is_lost_whatever_is_taken():
    """What was drawn and what waits add up to the beginning of the stream, after any history."""
    rng = np.random.default_rng(0)
    stream = ItemStream(pool(), seed=3, start=0)
    drawn = []
    for _ in range(500):
        taken = set(rng.choice(ITEMS, size=rng.integers(0, 12), replace=False).tolist())
        drawn.append(take(stream, taken))
        assert drawn[-1] not in taken - {drawn[-1]}
    waiting = [item for items in stream.skipped.values() for item in items]
    assert len(waiting) == stream.behind
    assert len(drawn) == stream.drawn
    assert Counter([*drawn, *waiting]) == Counter(stream.at(0, len(drawn) + len(waiting)).tolist())


def test_nothing_ahead():
    """No draws, first of all or later, are no items of the type that items have."""
    stream = ItemStream(pool(), seed=3, start=5)
    for _ in range(2):
        assert stream.peek(0).tolist() == stream.at(5, 0).tolist() == []
        assert stream.peek(0).dtype == stream.at(5, 0).dtype == np.int64
        take(stream)


def test_a_pool_is_searched_only_after_many_misses(monkeypatch):
    """To see whether a large pool has a free item takes long, and a few taken ones in a row are no reason to."""
    stream = ItemStream(Pool((0,), (0,), (500,)), seed=3, start=0)
    first = stream.at(0, 20).tolist()
    monkeypatch.setattr(Pool, "chunks", lambda *_: pytest.fail("the pool was searched"))
    assert take(stream, set(first[:15]), np.arange(500)) == first[15]


@pytest.mark.parametrize(("draws", "most"), [(1, 20), (100, 4)])
def test_items_are_looked_up_many_at_a_time(draws, most, monkeypatch):
    """A look at the order costs as much as a thousand items: 5,000 draws take few, and none beyond the pass for one."""
    looks = []
    original = ItemStream.at

    def counted(stream: ItemStream, start: int, count: int):
        looks.append((start, count))
        return original(stream, start, count)

    monkeypatch.setattr(ItemStream, "at", counted)
    stream = ItemStream(Pool((0,), (0,), (5_000,)), seed=3, start=0)
    for _ in range(0, 5_000, draws):
        stream.peek(draws)
        for _ in range(draws):
            take(stream)
    assert len(looks) <= most
    assert all(start + count <= 5_000 for start, count in looks)
    assert max(count for _, count in looks) < 2_000
