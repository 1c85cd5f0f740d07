"""One pass for the tasks of a collection: what each of them reports is what it reports alone."""

from __future__ import annotations

import itertools
from pathlib import Path

import mteb
import numpy as np
import pytest
import torch
from datasets import Dataset
from encoders import CountingEncoder, NameReadingEncoder, OwnSimilarityEncoder, TrainedEncoder, hashed_vector

from mteb_hybrid import ranking
from mteb_hybrid.collections import LanguagePart, ParallelCollection
from mteb_hybrid.tasks import AbsTaskParallelRetrieval
from mteb_hybrid.tasks.settings import Setting, eval_langs

LANGUAGES = ("de", "en", "th")
FEW = 12  # passages of a language
OFFSET = 5  # passages of any language with equal embeddings


class CoarseEncoder(CountingEncoder):
    """Embeddings of few values, so that many scores tie."""

    def vector(self, text: str) -> np.ndarray:
        return np.sign(hashed_vector(text, 4)).astype(np.float32)


def part(language: str) -> LanguagePart:
    """Questions, some of which have relevant passages in some languages only, and two in one of them."""
    passages = tuple(f"{language} passage {number}" for number in range(FEW))
    skipped = {"de": 3, "en": 4, "th": 5}[language]
    relevant = {str(number): (number,) for number in range(FEW) if number % skipped}
    relevant["1"] = (1, OFFSET)
    asked = {key: positions for key, positions in relevant.items() if key != "7" or language != "en"}
    unasked = {key: positions for key, positions in relevant.items() if key not in asked}
    return LanguagePart(
        language, passages, ("",) * FEW, tuple(asked), tuple(f"{language} question {key}" for key in asked),
        tuple(asked.values()), "by hand", unasked,
    )  # fmt: skip


def collection() -> ParallelCollection:
    return ParallelCollection("by-hand", "1", LANGUAGES, part)


def task(setting: Setting, **kept) -> AbsTaskParallelRetrieval:
    """The task of a setting on the collection made here."""
    metadata = mteb.get_task(f"MiniQAR{setting.value}").metadata
    metadata = metadata.model_copy(update={"eval_langs": eval_langs(setting, LANGUAGES), "name": f"Mine{setting}"})
    content = {"metadata": metadata, "setting": setting, "collection": staticmethod(collection)}
    made = type("Mine", (AbsTaskParallelRetrieval,), content)()
    for name, value in kept.items():
        setattr(made, name, value)
    return made


def evaluate(model, tasks, folder: Path | None = None) -> dict[str, dict[str, dict]]:
    """Scores by task and subset."""
    results = mteb.evaluate(
        model, tasks, cache=None, show_progress_bar=False, co2_tracker=False, prediction_folder=folder
    )
    return {one.task_name: {score["hf_subset"]: score for score in one.scores["test"]} for one in results.task_results}


def files(folder: Path) -> dict[str, bytes]:
    """What is written for a run."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.parquet")}


@pytest.fixture
def counted(monkeypatch):
    """How many scores the fast product computes."""
    pairs = []
    product = ranking.fast_product

    def counting(queries, passages, out):
        pairs.append(len(queries) * len(passages))
        product(queries, passages, out)

    monkeypatch.setattr(ranking, "fast_product", counting)
    return pairs


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


@pytest.mark.parametrize("order", list(itertools.permutations(Setting)), ids=lambda order: "-".join(order))
def test_one_pass_serves_all_subsets(counted, order):
    """Each question is compared with each passage once."""
    model = CountingEncoder()
    evaluate(model, [task(setting) for setting in order])
    assert sum(counted) == sum(len(part(language).queries) for language in LANGUAGES) * FEW * len(LANGUAGES)
    assert set(model.seen.values()) == {1}


def test_the_monolingual_task_takes_no_more_than_its_own(counted):
    """Without a pooled task in the run, or with a part of the languages, each subset is counted by itself."""
    own = {language: len(part(language).queries) * FEW for language in LANGUAGES}
    evaluate(CountingEncoder(), [task(Setting.MONOLINGUAL), task(Setting.CROSS_LINGUAL, hf_subsets=["de-en"])])
    assert sum(counted) == sum(own.values()) + len([key for key in part("de").query_ids if int(key) % 4]) * FEW
    counted.clear()
    evaluate(CountingEncoder(), [task(Setting.MONOLINGUAL, hf_subsets=["de", "th"]), task(Setting.MULTILINGUAL)])
    assert sum(counted) == own["de"] + own["th"] + sum(own.values()) * len(LANGUAGES)


def test_a_pool_without_lists_serves_no_task_that_wants_them(counted):
    """By hand, where no task knows of another: the multilingual one ranks anew, and gets its lists."""
    model = CountingEncoder()
    task(Setting.CROSS_LINGUAL).evaluate(model, encode_kwargs={})
    pool = sum(len(part(language).queries) for language in LANGUAGES) * FEW * len(LANGUAGES)
    assert sum(counted) == pool
    found = task(Setting.MULTILINGUAL).evaluate(model, encode_kwargs={})
    assert sum(counted) == 2 * pool
    assert found == task(Setting.MULTILINGUAL).evaluate(CountingEncoder(), encode_kwargs={})
    assert "exposure_fairness_at_100" in found["de"]


def test_lists_that_are_asked_for_everywhere_are_there(tmp_path, monkeypatch):
    """With MTEB_HYBRID_LIST_DEPTH cross-lingual tables have lists, in one run with the others too."""
    import pyarrow.parquet as pq

    monkeypatch.setenv("MTEB_HYBRID_LIST_DEPTH", "100")
    evaluate(CountingEncoder(), [task(setting) for setting in (Setting.MULTILINGUAL, Setting.CROSS_LINGUAL)], tmp_path)
    (path,) = tmp_path.rglob("MineCrossLingual/**/*en-th*.parquet")
    assert {len(top) for top in pq.read_table(path)["top_id"].to_pylist()} == {FEW}


def test_a_single_pair_of_languages_needs_no_pool(counted):
    """A cross-lingual task with one subset for a query language encodes and counts that subset alone."""
    model = CountingEncoder()
    evaluate(model, [task(Setting.CROSS_LINGUAL, hf_subsets=["de-en"])])
    questions = len([key for key in part("de").query_ids if int(key) % 4])
    assert sum(counted) == questions * FEW
    assert len(model.seen) == questions + FEW


def test_languages_that_are_not_searched_are_not_encoded():
    """Two subsets for one query language: its own passages stay out of the pool."""
    model = CountingEncoder()
    evaluate(model, [task(Setting.CROSS_LINGUAL, hf_subsets=["de-en", "de-th"])])
    assert {text[:2] for role, text in model.seen if role == "document"} == {"en", "th"}
    assert set(model.seen.values()) == {1}


@pytest.mark.parametrize("encoder", [NameReadingEncoder, OwnSimilarityEncoder])
def test_models_that_cannot_share_are_ranked_subset_by_subset(encoder):
    """Embeddings that hang on the task, and a similarity of the model's own."""
    together = evaluate(encoder(), [task(setting) for setting in Setting])
    for setting in Setting:
        for subset in task(setting).hf_subsets:
            alone = evaluate(encoder(), [task(setting, hf_subsets=[subset])])
            assert alone[f"Mine{setting}"][subset] == together[f"Mine{setting}"][subset]


def test_no_pool_is_encoded_for_a_model_that_cannot_share():
    """Each subset's texts and no others; those of the first one twice, which is how it is found out."""
    model = NameReadingEncoder()
    evaluate(model, [task(Setting.CROSS_LINGUAL)])
    loaded = task(Setting.CROSS_LINGUAL)
    loaded.load_data()
    texts = [len(split["test"]["queries"]) + len(split["test"]["corpus"]) for split in loaded.dataset.values()]
    assert model.encoded == sum(texts) + texts[0]


@pytest.mark.parametrize("changed", ["passage", "passage id", "question", "judgment"])
def test_data_that_was_changed_is_ranked_as_it_is(changed):
    """A subset whose data somebody has edited after loading takes nothing from the ranks of what was loaded."""
    edited = task(Setting.CROSS_LINGUAL)
    edited.load_data()
    split = dict(edited.dataset["de-en"]["test"])
    corpus, queries = split["corpus"].to_dict(), split["queries"].to_dict()
    judged = {query: dict(grades) for query, grades in split["relevant_docs"].items()}
    new = "ffffffffffffffff"
    if changed == "passage":
        corpus["text"][0] = "en passage 999"
    elif changed == "passage id":
        corpus["id"][0] = new
    elif changed == "question":
        queries["text"][0] = "de question 999"
    else:
        judged[queries["id"][0]] = {corpus["id"][9]: 1}
    split |= {"corpus": Dataset.from_dict(corpus), "queries": Dataset.from_dict(queries), "relevant_docs": judged}
    edited.dataset["de-en"] = {"test": split}
    alone = task(Setting.CROSS_LINGUAL, hf_subsets=["de-en"])
    alone.load_data()
    alone.dataset["de-en"] = {"test": split}
    found = evaluate(CountingEncoder(), [edited, task(Setting.MULTILINGUAL)])["MineCrossLingual"]
    assert found["de-en"] == evaluate(CountingEncoder(), [alone])["MineCrossLingual"]["de-en"]
    untouched = evaluate(CountingEncoder(), [task(Setting.CROSS_LINGUAL)])["MineCrossLingual"]
    assert found["de-th"] == untouched["de-th"]


def test_a_model_that_was_trained_is_ranked_anew():
    """By hand, outside of mteb.evaluate: ranks go with the weights that they come from."""
    model, made = TrainedEncoder(), task(Setting.CROSS_LINGUAL)
    before = made.evaluate(model, encode_kwargs={})
    with torch.no_grad():
        model.model.weight.copy_(torch.randn(16, 16))
    after = made.evaluate(model, encode_kwargs={})
    fresh = TrainedEncoder()
    fresh.model.load_state_dict(model.model.state_dict())
    assert after == task(Setting.CROSS_LINGUAL).evaluate(fresh, encode_kwargs={})
    assert after != before
