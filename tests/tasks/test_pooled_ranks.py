"""One pass for the tasks of a collection: what each of them reports is what it reports alone."""

from __future__ import annotations

import itertools

import mteb
import numpy as np
import pytest
from encoders import CountingEncoder, hashed_vector
from parallel_by_hand import FEW, LANGUAGES, MORE, M, P, X, evaluate, even_collection, files, part, task

from mteb_hybrid.tasks.settings import Setting


class CoarseEncoder(CountingEncoder):
    """Embeddings of few values, so that many scores tie."""

    def vector(self, text: str) -> np.ndarray:
        return np.sign(hashed_vector(text, 4)).astype(np.float32)


@pytest.mark.parametrize("order", list(itertools.permutations(Setting)), ids=lambda order: "-".join(order))
@pytest.mark.parametrize("encoder", [CountingEncoder, CoarseEncoder])
def test_scores_and_tables_are_those_of_each_task_alone(tmp_path, order, encoder):
    """To the last bit, in whatever order the tasks are run, where scores tie too."""
    together = evaluate(encoder(), [task(setting) for setting in order], tmp_path / "together")
    for setting in Setting:
        for subset in task(setting).hf_subsets:
            alone = evaluate(encoder(), [task(setting, hf_subsets=[subset])], tmp_path / "alone")
            assert alone[f"Mine{setting}"][subset] == together[f"Mine{setting}"][subset]
    written = files(tmp_path / "together")
    assert len(written) == 3 + 6 + 3
    assert written == files(tmp_path / "alone")


ALL = len(MORE) ** 2  # subsets' worth of scores in the whole matrix


@pytest.mark.parametrize(
    ("order", "subsets"),
    [
        ([P, M, X], ALL),
        ([P, X, M], ALL),
        ([M, X, P], len(MORE) + ALL),
        ([M, P, X], len(MORE) + ALL),
        # the passages of the first query language's subsets are not embedded when they are met
        ([X, P, M], len(MORE) - 1 + ALL),
        ([X, M, P], len(MORE) + ALL),
        ([X], ALL - len(MORE)),
        ([M], len(MORE)),
        ([X, M], ALL),
    ],
)
def test_how_much_is_compared(counted, order, subsets):
    """One pass over the pool, and no more than what could not be known to be a part of it; each text encoded once."""
    model = CountingEncoder()
    evaluate(model, [task(setting, even_collection) for setting in order])
    assert sum(counted) == subsets * FEW * FEW
    assert set(model.seen.values()) == {1}


def test_tasks_for_some_languages(counted):
    """A pooled task for some query languages makes nobody's pass larger for the others."""
    pooled = task(P, even_collection, hf_subsets=["zh"])
    evaluate(CountingEncoder(), [task(M, even_collection), task(X, even_collection), pooled])
    assert sum(counted) == (len(MORE) + ALL - len(MORE) + 1) * FEW * FEW


def test_some_subsets_by_hand(counted):
    """No more is compared for subsets that nobody asks for than where they are all that is kept."""
    asked = [*(f"ar-{language}" for language in MORE[1:]), "de-en", "de-es"]
    found = task(X, even_collection).evaluate(CountingEncoder(), subsets_to_run=asked, encode_kwargs={})
    assert sum(counted) == len(asked) * FEW * FEW
    assert found == task(X, even_collection, hf_subsets=asked).evaluate(CountingEncoder(), encode_kwargs={})
    assert sum(counted) == 2 * len(asked) * FEW * FEW


def test_a_pooled_task_that_is_not_run(tmp_path):
    """Its results are in the cache: the passages that it would search are not encoded for it."""
    cache, model = mteb.ResultCache(tmp_path), CountingEncoder()
    pooled = task(P, even_collection)
    evaluate(CountingEncoder(), [pooled], cache=cache)
    crossing = task(X, even_collection, hf_subsets=["de-en", "de-es", "th-en", "th-es"])
    crossing.hf_subsets += ["zh-ar", "zh-de", "zh-th", "ar-zh"]  # so that all languages are loaded
    evaluate(model, [crossing, task(P, even_collection)], cache=cache)
    seen = list(dict.fromkeys((role, text[:2]) for role, text in model.seen))
    assert seen.index(("query", "zh")) < seen.index(("document", "ar"))
    assert seen.index(("query", "ar")) < seen.index(("document", "zh"))


def test_a_run_that_was_cut_off(tmp_path, counted):
    """What is in the cache already makes no pass larger."""
    cache, kept = mteb.ResultCache(tmp_path), task(X, even_collection).hf_subsets
    missing = {"de-en", "de-es", "th-en", "th-es"}
    evaluate(CountingEncoder(), [task(X, even_collection, hf_subsets=sorted(set(kept) - missing))], cache=cache)
    counted.clear()
    found = evaluate(CountingEncoder(), [task(X, even_collection)], cache=cache)
    assert sum(counted) == len(missing) * FEW * FEW
    whole = evaluate(CountingEncoder(), [task(X, even_collection)])["MineCrossLingual"]
    for name, scores in found["MineCrossLingual"].items():  # MTEB rounds what it stores
        assert scores["map"] == pytest.approx(whole[name]["map"], abs=1e-6)


@pytest.mark.parametrize("seed", range(12))
def test_nothing_is_encoded_but_what_is_asked(seed):
    """Whatever subsets are run, as after a run that was cut off: their own texts, each once; and their own scores."""
    rng = np.random.default_rng(seed)
    names = {setting: task(setting, even_collection).hf_subsets for setting in Setting}
    share = rng.choice([0.1, 0.5, 0.9])
    kept = {setting: [name for name in names[setting] if rng.random() < share] for setting in (M, X)}
    made = [task(setting, even_collection, hf_subsets=subsets) for setting, subsets in kept.items() if subsets]
    asked = set()
    for loaded in (task(setting, even_collection, hf_subsets=subsets) for setting, subsets in kept.items()):
        loaded.load_data()
        for split in loaded.dataset.values():
            asked |= {("query", text) for text in split["test"]["queries"]["text"]}
            asked |= {("document", text) for text in split["test"]["corpus"]["text"]}
    model = CountingEncoder()
    rng.shuffle(made)
    found = evaluate(model, made)
    assert model.seen == dict.fromkeys(asked, 1)
    whole = evaluate(CountingEncoder(), [task(setting, even_collection) for setting in (P, X, M)])
    for name, scores in found.items():
        assert scores == {subset: whole[name][subset] for subset in scores}


def test_a_pool_without_lists_serves_no_task_that_wants_them(counted):
    """By hand, where no task knows of another: the multilingual one ranks anew, and gets its lists."""
    model = CountingEncoder()
    task(X).evaluate(model, encode_kwargs={})
    counted.clear()
    found = task(P).evaluate(model, encode_kwargs={})
    assert sum(counted) == sum(len(part(language).queries) for language in LANGUAGES) * FEW * len(LANGUAGES)
    assert found == task(P).evaluate(CountingEncoder(), encode_kwargs={})
    assert "exposure_fairness_at_100" in found["de"]


def test_lists_that_are_asked_for_everywhere_are_there(tmp_path, monkeypatch):
    """With MTEB_HYBRID_LIST_DEPTH cross-lingual tables have lists, in one run with the others too."""
    import pyarrow.parquet as pq

    monkeypatch.setenv("MTEB_HYBRID_LIST_DEPTH", "100")
    evaluate(CountingEncoder(), [task(setting) for setting in (P, X)], tmp_path)
    (path,) = tmp_path.rglob("MineCrossLingual/**/*en-th*.parquet")
    assert {len(top) for top in pq.read_table(path)["top_id"].to_pylist()} == {FEW}
