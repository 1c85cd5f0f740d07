"""Steps filled many at a time are those filled place by place."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from naive_filler import naive_steps
from textless_data import count_rows, data, dense, sparse

from mteb_hybrid.errors import TrainingDataError
from mteb_hybrid.trainers import HybridBatchSampler
from mteb_hybrid.trainers.data.triples import Shape
from mteb_hybrid.trainers.sampling import filling
from mteb_hybrid.trainers.sampling.filling import StepFiller


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch):
    """So that an epoch of a test has several chunks, with ends in odd places."""
    monkeypatch.setattr(filling, "_CHUNK_PLACES", 300)
    monkeypatch.setattr(filling, "_FIRST_REACH", 3)


def check(dataset, places, *, epochs=(0, 1, 5), processes=1, seed=3, **options) -> None:
    """The sampler's batches are those of the slow filler, batch for batch."""
    sampler = HybridBatchSampler(dataset, places // processes, seed=seed, processes=processes, **options)
    for epoch in epochs:
        sampler.set_epoch(epoch)
        batches = list(sampler)
        steps = naive_steps(
            dataset.shapes,
            dataset.training_rows,
            sampler.plan,
            places=places,
            steps=sampler.steps_per_epoch,
            seed=seed,
            epoch=epoch,
        )
        expected = [
            step[start : start + places // processes]
            for step in steps
            for start in range(0, places, places // processes)
        ]
        assert batches == expected
        assert len(batches) == len(sampler)


@pytest.mark.parametrize("alpha", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("monolingual", ["one-language", "mixed"])
def test_dense_data(alpha, monolingual):
    """Where all items have all languages."""
    check(dense(205), 16, alpha=alpha, monolingual=monolingual)


@pytest.mark.parametrize("alpha", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("monolingual", ["one-language", "mixed"])
def test_sparse_data(alpha, monolingual):
    """Where items have 2 to 4 languages of 7, and pools overlap."""
    check(sparse(), 18, alpha=alpha, monolingual=monolingual, epochs=(0, 3))


def test_several_processes():
    """The places of all processes make one step."""
    check(sparse(1), 18, processes=3, alpha=0.4, epochs=(0, 2))


@pytest.mark.parametrize("alpha", [0.0, 0.4, 1.0])
def test_streams_that_run_out(alpha):
    """Where a step needs nearly all there is, and more passes than one."""
    shapes = [Shape(7, ("ar", "de"), ("ar", "de")), Shape(1, ("ar", "zh"), ("ar", "zh")), Shape(2, ("de",), ("de",))]
    check(data(shapes), 8, alpha=alpha, language_weights={"ar": 1, "de": 2}, steps_per_epoch=40)


@pytest.mark.parametrize("alpha", [0.0, 0.4, 1.0])
def test_groups(alpha):
    """Where items count as one: a few, and so many that most draws are skipped."""
    rng = np.random.default_rng(0)
    for dataset in (dense(150), sparse(2)):
        items = dataset.training_rows.triples.items
        for size in (2, 6):
            joined = np.arange(items)
            for _ in range(items // 20):
                some = rng.choice(items, size=size, replace=False)
                joined[np.isin(joined, joined[some])] = joined[some].min()
            check(data(dataset.shapes, joined), 12, alpha=alpha, epochs=(0, 2))
    half_are_one = np.where(np.arange(150) % 2, np.arange(150), 0)
    check(data(dense(150).shapes, half_are_one), 12, alpha=alpha)


@pytest.mark.parametrize("temperature", [0.5, 2.0, 100.0])
def test_collections_with_a_temperature(temperature):
    """Where a pair has a stream for each collection, dense or not."""
    two = [Shape(90, ("ar", "de"), ("ar", "de"), "large"), Shape(20, ("ar", "de"), ("ar", "de"), "small")]
    check(data(two, temperature=temperature), 10, alpha=0.4)
    three = [*two, Shape(9, ("ar", "de", "zh"), ("de", "zh"), "odd"), Shape(20, ("zh",), ("zh",), "small")]
    check(data(three, temperature=temperature), 10, alpha=0.4, steps_per_epoch=30)


def test_weights():
    """Where languages and pairs are weighted."""
    check(
        sparse(3), 12, epochs=(0, 2), language_weights={"ar": 3, "zh": 0.5}, pair_weights={"ar-de": 2, ("zh", "en"): 1}
    )


def test_rows_in_another_order():
    """Where the data set's rows are not in the triples' order, as those of a plain data set of pairs."""
    shapes = [Shape(30, (query,), (passage,)) for query in ("ar", "de") for passage in ("ar", "de")]
    order = np.random.default_rng(0).permutation(120).astype(np.int32)
    check(data(shapes, order=order), 8)


def test_an_evaluation_set():
    """Where kinds of steps take turns."""
    check(data(dense(50).shapes, evaluation=True), 8, seed=0, epochs=(0,))


shape = st.builds(
    Shape,
    st.integers(1, 12),
    st.sets(st.sampled_from("abcd"), min_size=1).map(lambda some: tuple(sorted(some))),
    st.sets(st.sampled_from("abcd"), min_size=1).map(lambda some: tuple(sorted(some))),
    st.sampled_from(["one", "two"]),
)


@given(
    shapes=st.lists(shape, min_size=1, max_size=6),
    joined=st.lists(st.tuples(st.integers(0, 71), st.integers(0, 71)), max_size=8),
    temperature=st.sampled_from([1.0, 3.0]),
    alpha=st.sampled_from([0.0, 0.4, 1.0]),
    monolingual=st.sampled_from(["one-language", "mixed"]),
    places=st.integers(1, 9),
    chunk=st.sampled_from([1, 20, 200]),
    seed=st.integers(0, 2**63 - 1),
)
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.filter_too_much],
)
def test_any_data(shapes, joined, temperature, alpha, monolingual, places, chunk, seed):
    """Whatever languages items have, however they are grouped, wherever chunks end."""
    items = sum(one.count for one in shapes)
    groups = np.arange(items)
    for first, second in joined:
        pair = groups[[first % items, second % items]]
        groups[np.isin(groups, pair)] = pair.min()
    dataset = data(shapes, groups if joined else None, temperature=temperature)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(filling, "_CHUNK_PLACES", chunk)
        try:
            HybridBatchSampler(dataset, places, alpha=alpha, monolingual=monolingual)
        except TrainingDataError:
            assume(False)
        options = {"alpha": alpha, "monolingual": monolingual, "steps_per_epoch": 25}
        check(dataset, places, epochs=(0, 2), seed=seed, **options)


def test_steps_are_filled_many_at_a_time(monkeypatch):
    """As long as no item is met twice, twice as many steps as before are looked at: few looks for 1,000 steps."""
    looks = []

    class Counted(filling.Ahead):
        def __init__(self, streams, stream, start, **options):
            looks.append(len(stream))
            super().__init__(streams, stream, start, **options)

    monkeypatch.setattr(filling, "Ahead", Counted)
    monkeypatch.setattr(filling, "_CHUNK_PLACES", 2**15)
    sampler = HybridBatchSampler(dense(5_000), 5)
    assert len(list(sampler)) == sum(looks) == 1_000
    assert looks == [3, 6, 12, 24, 48, 96, 192, 384, 235]


@pytest.mark.parametrize("make", [sparse, lambda: data(sparse().shapes, np.arange(2_000) // 2 * 2)])
def test_what_is_drawn_is_the_beginning_of_each_stream(make):
    """In an epoch, the items drawn from a pool and those that wait are the beginning of its stream, none lost."""
    dataset = make()
    sampler = HybridBatchSampler(dataset, 15)
    rows = count_rows(dataset.shapes)
    filler = StepFiller(dataset.training_rows, sampler.plan, places=15, steps=60, seed=0, epoch=0)
    drawn: dict[tuple[int, ...], Counter] = {stream.pool.blocks: Counter() for stream in filler._streams}
    for step in filler:
        for row in step:
            pair = rows[row].query, rows[row].passage
            blocks = [b for b, one in enumerate(dataset.shapes) if pair[0] in one.queries and pair[1] in one.passages]
            drawn[tuple(blocks)][rows[row].item] += 1
    for stream in filler._streams:
        waiting = Counter(item for items in stream.skipped.values() for item in items)
        beginning = stream.at(0, stream.drawn + stream.behind).tolist()
        assert drawn[stream.pool.blocks] + waiting == Counter(beginning)
