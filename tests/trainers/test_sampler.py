"""What batches hold: kinds, languages and pairs as asked for, no item twice, all items equally often."""

from __future__ import annotations

from collections import Counter
from itertools import chain, pairwise, permutations, product

import numpy as np
import pytest
from scipy.stats import chisquare
from textless_data import Row, count_rows, data, dense, sparse

from mteb_hybrid.trainers import HybridBatchSampler
from mteb_hybrid.trainers.data.triples import Shape


def steps(dataset, batch_size=10, *, epoch=0, **options) -> list[list[Row]]:
    """What the global steps of an epoch hold."""
    sampler = HybridBatchSampler(dataset, batch_size, **options)
    sampler.set_epoch(epoch)
    rows = count_rows(dataset.shapes)
    batches = list(sampler)
    several = sampler.processes
    assert len(batches) == len(sampler)
    assert {len(batch) for batch in batches} == {batch_size}
    joined = [list(chain.from_iterable(batches[first : first + several])) for first in range(0, len(batches), several)]
    return [[rows[row] for row in step] for step in joined]


def kinds(found: list[list[Row]]) -> tuple[list[list[Row]], list[list[Row]]]:
    """The X-X and the X-Y steps; every step is one or the other."""
    assert all(len({row.cross for row in step}) == 1 for step in found)
    return [step for step in found if not step[0].cross], [step for step in found if step[0].cross]


def fits(counts: dict, expected: dict) -> bool:
    """Whether counts agree with expected shares, by chi-square; nothing else is counted."""
    assert set(counts) <= {key for key, share in expected.items() if share > 0}
    keys = [key for key, share in expected.items() if share > 0]
    seen = np.array([counts.get(key, 0) for key in keys])
    shares = np.array([expected[key] for key in keys], dtype=float)
    return bool(chisquare(seen, shares / shares.sum() * seen.sum()).pvalue > 1e-3)


LANGUAGES = ["ar", "de", "en", "zh"]
PAIRS = list(permutations(LANGUAGES, 2))


@pytest.mark.parametrize("alpha", [0.1, 0.5, 0.8])
def test_kinds_are_drawn_with_probability_alpha(alpha):
    """X-X steps with alpha, X-Y steps with the rest, independently of the step before."""
    found = steps(dense(60), alpha=alpha, steps_per_epoch=3_000, seed=1)
    same, cross = kinds(found)
    assert fits({"same": len(same), "cross": len(cross)}, {"same": alpha, "cross": 1 - alpha})
    following = Counter((one[0].cross, other[0].cross) for one, other in pairwise(found))
    chance = {True: 1 - alpha, False: alpha}
    assert fits(following, {(one, other): chance[one] * chance[other] for one, other in product(chance, chance)})


@pytest.mark.parametrize("alpha", [0, 1])
def test_the_ends_of_alpha_give_one_kind(alpha):
    """Alpha 1 is X-X-mono, alpha 0 is X-Y."""
    same, cross = kinds(steps(dense(60), alpha=alpha, steps_per_epoch=500))
    assert (len(same), len(cross)) == ((500, 0) if alpha else (0, 500))


@pytest.mark.parametrize("weights", [None, {"ar": 1, "de": 4, "en": 0, "zh": 2.5}])
def test_an_xx_step_has_one_language(weights):
    """Query and passage of all its rows; languages are drawn uniformly, or by their weights."""
    found = steps(dense(60, "ar de en zh"), alpha=1, steps_per_epoch=2_000, language_weights=weights, seed=2)
    assert all(len({row.query for row in step} | {row.passage for row in step}) == 1 for step in found)
    assert fits(Counter(step[0].query for step in found), weights or dict.fromkeys(LANGUAGES, 1))


@pytest.mark.parametrize("weights", [None, {"ar": 1, "de": 4, "zh": 2.5}])
def test_mixed_xx_steps_draw_a_language_for_each_row(weights):
    """LAReQA's X-X: query and passage in one language, which varies within the step, place by place."""
    options = {"monolingual": "mixed", "language_weights": weights}
    found = steps(dense(60, "ar de en zh"), alpha=1, steps_per_epoch=400, seed=2, **options)
    rows = list(chain.from_iterable(found))
    assert not any(row.cross for row in rows)
    shares = weights or dict.fromkeys(LANGUAGES, 1)
    assert fits(Counter(row.query for row in rows), shares)
    total = sum(shares.values())
    neighbours = Counter((step[0].query, step[1].query) for step in found)
    expected = {(one, two): shares[one] * shares[two] / total**2 for one in shares for two in shares}
    assert fits(neighbours, expected)


@pytest.mark.parametrize("weights", [None, {"ar-de": 1, ("de", "ar"): 3, ("zh", "en"): 2, "en-zh": 0}])
def test_xy_rows_draw_ordered_pairs_of_languages(weights):
    """Uniformly over pairs of different languages, or by weights, row by row and at every place alike."""
    found = steps(dense(60, "ar de en zh"), alpha=0, steps_per_epoch=600, pair_weights=weights, seed=3)
    shares = dict.fromkeys(PAIRS, 1)
    if weights:
        shares = {("ar", "de"): 1, ("de", "ar"): 3, ("zh", "en"): 2}
    assert fits(Counter((row.query, row.passage) for row in chain.from_iterable(found)), shares)
    for place in (0, 4, 9):
        assert fits(Counter((step[place].query, step[place].passage) for step in found), shares)
    total = sum(shares.values())
    neighbours = Counter(((one.query, one.passage), (two.query, two.passage)) for one, two, *_ in found)
    assert fits(neighbours, {(one, two): shares[one] * shares[two] / total**2 for one in shares for two in shares})


def test_pairs_stay_uniform_on_sparse_data():
    """However many items have a pair, it is drawn as often as others; so are languages."""
    dataset = sparse()
    rows = count_rows(dataset.shapes)
    pairs = {(row.query, row.passage) for row in rows if row.cross}
    same, cross = kinds(steps(dataset, steps_per_epoch=3_000, seed=5))
    assert fits(Counter((row.query, row.passage) for row in chain.from_iterable(cross)), dict.fromkeys(pairs, 1))
    assert fits(Counter(step[0].query for step in same), dict.fromkeys({row.query for row in rows}, 1))


def test_places_do_not_matter_for_items():
    """At the first and at the last place of a batch, any item comes as often as any other."""
    found = steps(dense(40), steps_per_epoch=4_000, seed=4)
    for place in (0, 9):
        assert fits(Counter(step[place].item for step in found), dict.fromkeys(range(40), 1))


@pytest.mark.parametrize("processes", [1, 2, 3])
@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("monolingual", ["one-language", "mixed"])
def test_no_item_twice_in_a_global_step(processes, alpha, monolingual):
    """Over all processes together, not in another language either; steps share kind and X-X language."""
    for dataset in (dense(64), sparse()):
        found = steps(
            dataset, 6, alpha=alpha, processes=processes, monolingual=monolingual, steps_per_epoch=200, seed=1
        )
        assert len(found) == 200
        assert all(len({row.item for row in step}) == 6 * processes for step in found)
        same, _ = kinds(found)
        if monolingual == "one-language":
            assert all(len({row.query for row in step}) == 1 for step in same)


@pytest.mark.parametrize("processes", [1, 2])
def test_items_that_share_a_text_count_as_one(processes):
    """No two items of a group are in a global step, whatever their blocks."""
    for base in (dense(120), sparse()):
        items = base.training_rows.triples.items
        groups = np.arange(items)
        groups[1::3] = groups[::3][: len(groups[1::3])]
        groups[items // 2 :: 10] = items // 2
        for first in range(items):  # named by their smallest
            groups[groups == first] = np.flatnonzero(groups == first).min(initial=first)
        found = steps(data(base.shapes, groups), 6, processes=processes, steps_per_epoch=300)
        assert all(len({groups[row.item] for row in step}) == 6 * processes for step in found)


def test_batches_of_processes_differ():
    """A process's batch is its part of the step, in the order of the processes."""
    one = HybridBatchSampler(dense(64), 12, seed=8, processes=1)
    two = HybridBatchSampler(dense(64), 6, seed=8, processes=2)
    assert [first + second for first, second in zip(*[iter(list(two))] * 2, strict=True)] == list(one)


@pytest.mark.parametrize(("items", "batch_size", "processes"), [(100, 10, 1), (107, 10, 1), (107, 5, 2), (19, 10, 1)])
@pytest.mark.parametrize("alpha", [0, 0.5, 1])
def test_dense_data_is_covered_evenly(items, batch_size, processes, alpha):
    """In an epoch no item comes twice, and after any number of epochs all came equally often, up to one."""
    seen = Counter(dict.fromkeys(range(items), 0))
    for epoch in range(12):
        found = steps(dense(items), batch_size, alpha=alpha, epoch=epoch, processes=processes, seed=6)
        drawn = [row.item for step in found for row in step]
        assert len(drawn) == len(set(drawn)) == items // (batch_size * processes) * batch_size * processes
        seen.update(drawn)
        assert max(seen.values()) - min(seen.values()) <= 1


def test_dense_data_is_covered_evenly_whatever_an_epoch_is():
    """Also with epochs that are shorter or longer than a pass over the items."""
    for length in (3, 25):
        seen = Counter(dict.fromkeys(range(107), 0))
        for epoch in range(12):
            seen.update(row.item for step in steps(dense(107), epoch=epoch, steps_per_epoch=length) for row in step)
        assert max(seen.values()) - min(seen.values()) <= 2  # once in the pass that is not over, once in the rest


def test_items_of_a_pair_are_covered_evenly():
    """Where pairs have items of their own, each pair's come equally often: up to one in the first epoch, then two."""
    shapes = [
        Shape(20 + 5 * number, (query,), (passage,)) for number, (query, passage) in enumerate(product("abc", "abc"))
    ]
    rows = count_rows(shapes)
    for epoch, most in [(0, 1), (1, 2), (7, 2)]:
        seen = Counter(row.item for step in steps(data(shapes), epoch=epoch, steps_per_epoch=200) for row in step)
        for pair in product("abc", "abc"):
            counts = [seen[row.item] for row in rows if (row.query, row.passage) == pair]
            # of the items that wait to be drawn, because a pass ended in a step, none can be missed by more than one
            assert max(counts) - min(counts) <= most + 1
            assert sum(1 for count in counts if count < max(counts) - most) <= 10


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0, 5.0])
def test_collections_are_drawn_by_their_temperature(temperature):
    """A collection's share of the rows is its size to the power of 1 / temperature, among those of a pair."""
    sizes = {"large": 80, "small": 20}
    shapes = [Shape(size, ("ar", "de"), ("ar", "de"), name) for name, size in sizes.items()]
    found = steps(data(shapes, temperature=temperature), 4, steps_per_epoch=600, seed=1)
    seen = Counter("large" if row.item < 80 else "small" for step in found for row in step)
    assert fits(seen, {name: size ** (1 / temperature) for name, size in sizes.items()})


def test_items_keep_to_their_languages():
    """Rows of the sampler are rows of the data, and all kinds of them come."""
    shapes = [Shape(30, ("ar", "de"), ("de", "en")), Shape(30, ("en", "zh"), ("ar", "zh")), Shape(15, ("de",), ("de",))]
    found = steps(data(shapes), 5, steps_per_epoch=2_000, language_weights={"de": 1, "zh": 2})
    rows = {row for step in found for row in step}
    assert rows <= set(count_rows(shapes))
    assert {row for row in rows if row.cross} == {row for row in count_rows(shapes) if row.cross}


def test_seed_and_epoch_decide():
    """Another seed or epoch gives other batches, the same gives the same, in any order of asking."""
    sampler = HybridBatchSampler(sparse(), 10, seed=5)
    first = list(sampler)
    sampler.set_epoch(3)
    fourth = list(sampler)
    assert fourth != first
    sampler.set_epoch(0)
    assert list(sampler) == first
    again = HybridBatchSampler(sparse(), 10, seed=5)
    again.set_epoch(3)
    assert list(again) == fourth
    assert list(HybridBatchSampler(sparse(), 10, seed=6)) != first
    # neither the seed nor the epoch alone, nor their sum
    other = HybridBatchSampler(sparse(), 10, seed=4)
    other.set_epoch(1)
    assert list(other) != first


def test_two_iterations_do_not_disturb_each_other():
    """Iterators hold all that moves."""
    sampler = HybridBatchSampler(sparse(), 10)
    assert [one for pair in zip(sampler, sampler, strict=True) for one in pair][::2] == list(sampler)


def test_any_seed_will_do():
    """Zero, negative, and beyond 64 bits: of larger ones than 63 bits hold, the remainder counts."""
    for seed in (0, -1, 2**32, 2**64 + 1):
        batches = list(HybridBatchSampler(dense(40), 10, seed=seed))
        assert batches == list(HybridBatchSampler(dense(40), 10, seed=seed % 2**63))
