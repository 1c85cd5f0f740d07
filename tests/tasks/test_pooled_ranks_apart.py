"""Subsets that take nothing from ranks of others: other data, other models, another setting of the same model."""

from __future__ import annotations

import dataclasses

import mteb
import numpy as np
import pytest
import torch
from datasets import Dataset
from encoders import (
    CountingEncoder,
    NameReadingEncoder,
    OwnSimilarityEncoder,
    PlainEncoder,
    TrainedEncoder,
    hashed_vector,
)
from parallel_by_hand import MORE, M, P, X, evaluate, even, even_collection, files, task

from mteb_hybrid import clear_embeddings
from mteb_hybrid.collections import ParallelCollection
from mteb_hybrid.embeddings import STORE
from mteb_hybrid.errors import CollectionError
from mteb_hybrid.tasks.settings import Setting


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
    evaluate(model, [task(X)])
    loaded = task(X)
    loaded.load_data()
    texts = [len(split["test"]["queries"]) + len(split["test"]["corpus"]) for split in loaded.dataset.values()]
    assert model.encoded == sum(texts) + texts[0]


@pytest.mark.parametrize("changed", ["passage", "passage id", "question", "judgment"])
def test_data_that_was_changed_is_ranked_as_it_is(changed):
    """A subset whose data somebody has edited after loading takes nothing from the ranks of what was loaded."""
    edited = task(X)
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
    alone = task(X, hf_subsets=["de-en"])
    alone.load_data()
    alone.dataset["de-en"] = {"test": split}
    found = evaluate(CountingEncoder(), [edited, task(P)])["MineCrossLingual"]
    assert found["de-en"] == evaluate(CountingEncoder(), [alone])["MineCrossLingual"]["de-en"]
    untouched = evaluate(CountingEncoder(), [task(X)])["MineCrossLingual"]
    assert found["de-th"] == untouched["de-th"]


def test_a_model_that_was_trained_is_ranked_anew():
    """By hand, outside of mteb.evaluate: ranks go with the weights that they come from."""
    model, made = TrainedEncoder(), task(X)
    before = made.evaluate(model, encode_kwargs={})
    with torch.no_grad():
        model.model.weight.copy_(torch.randn(16, 16))
    after = made.evaluate(model, encode_kwargs={})
    fresh = TrainedEncoder()
    fresh.model.load_state_dict(model.model.state_dict())
    assert after == task(X).evaluate(fresh, encode_kwargs={})
    assert after != before


class SetByHand(CountingEncoder):
    """Compares and encodes as it is told, without torch weights that would tell."""

    kind = "cosine"
    salt = ""

    def encode(self, inputs, *, prompt_type, added="", **kwargs):
        before = self.salt + added + (self.model_prompts or {}).get(prompt_type.value, "")
        texts = [before + text for batch in inputs for text in batch["text"]]
        self.seen.update((prompt_type.value, text) for text in texts)
        return np.stack([hashed_vector(text) * (1 + sum(text.encode()) % 3) for text in texts])

    def similarity(self, a, b):
        a, b = torch.as_tensor(a).float(), torch.as_tensor(b).float()
        return a @ b.T if self.kind == "dot" else super().similarity(a, b)


def evaluated_twice(change, options=None, **kept):
    """Scores of a model by hand, before and after a change; and of one that was never otherwise."""
    model, fresh = SetByHand(), SetByHand()
    before = task(X, even_collection, **kept).evaluate(model, encode_kwargs={})
    change(model)
    change(fresh)
    after = task(X, even_collection, **kept).evaluate(model, encode_kwargs=options or {})
    return before, after, task(X, even_collection, **kept).evaluate(fresh, encode_kwargs=options or {})


def test_another_similarity():
    """Its embeddings are kept, their ranks are not."""
    before, after, expected = evaluated_twice(lambda model: setattr(model, "kind", "dot"))
    assert after == expected != before


def test_another_prompt():
    """One for questions or one for passages."""
    for role in ("query", "document"):
        before, after, expected = evaluated_twice(
            lambda model, role=role: setattr(model, "model_prompts", {role: "? "})
        )
        assert after == expected != before


def test_other_options():
    """Whatever is handed to `encode`, but for what changes no embedding."""
    before, after, expected = evaluated_twice(lambda model: None, {"added": "! "})
    assert after == expected != before
    before, after, _ = evaluated_twice(lambda model: None, {"batch_size": 3})
    assert after == before


def test_a_store_that_keeps_nothing(monkeypatch):
    """With MTEB_HYBRID_STORE_BYTES=0 ranks are no more kept than embeddings."""
    monkeypatch.setattr(STORE, "max_bytes", 0)
    for subsets in (["de-en"], ["de-en", "de-es", "en-de", "en-es"]):
        before, after, expected = evaluated_twice(lambda model: setattr(model, "salt", "#"), hf_subsets=subsets)
        assert after == expected != before


def test_ranks_go_with_the_embeddings_that_they_come_from(monkeypatch):
    """When the store is full and drops them."""
    model = SetByHand()
    before = task(X, even_collection).evaluate(model, encode_kwargs={})
    model.salt = "#"
    assert task(X, even_collection).evaluate(model, encode_kwargs={}) == before
    monkeypatch.setattr(STORE, "max_bytes", 1)
    STORE.embed(PlainEncoder(), "key", ["text"], lambda texts: np.ones((1, 4), dtype=np.float32))
    after = task(X, even_collection).evaluate(model, encode_kwargs={})
    assert after == task(X, even_collection).evaluate(model, encode_kwargs={}) != before
    clear_embeddings()


class AlmostUnit(PlainEncoder):
    """Its similarity is the dot product; in most languages, and not in German, all vectors are of length 1."""

    def encode(self, inputs, **kwargs):
        texts = [text for batch in inputs for text in batch["text"]]
        vectors = np.stack([hashed_vector(text) for text in texts])
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors * np.array([[1 + (3 + len(text) % 3) * ("de passage" in text)] for text in texts], np.float32)

    def similarity(self, a, b):
        return torch.as_tensor(a).float() @ torch.as_tensor(b).float().T


def test_what_is_cosine_here_and_dot_product_there(tmp_path):
    """A subset reports the similarity that is recognised on it, alone and among others."""
    evaluate(AlmostUnit(), [task(setting) for setting in (M, X, P)], tmp_path / "together")
    for setting in Setting:
        for subset in task(setting).hf_subsets:
            evaluate(AlmostUnit(), [task(setting, hf_subsets=[subset])], tmp_path / "alone")
    tables = files(tmp_path / "together")
    assert len(tables) == 12
    assert tables == files(tmp_path / "alone")


class LateReader(PlainEncoder):
    """Looks at the task when it meets a question that Chinese passages alone answer."""

    def encode(self, inputs, *, task_metadata, **kwargs):
        texts = [text for batch in inputs for text in batch["text"]]
        before = task_metadata.name if any("zh only" in text for text in texts) else ""
        self.encoded += len(texts)
        return np.stack([hashed_vector(before + text) for text in texts])


def test_a_model_that_looks_at_the_task_late():
    """Found out in the pass itself: its ranks serve nobody."""

    def late(language):
        here, ids = even(language), ("only",)
        if language == "zh":
            return dataclasses.replace(here, unasked={"only": (0,)})
        asked = (f"{language} zh only",) if language == "de" else ()
        if not asked:
            return here
        return dataclasses.replace(
            here, query_ids=here.query_ids + ids, queries=here.queries + asked, relevant=(*here.relevant, ())
        )

    def late_collection():
        return ParallelCollection("late", "1", MORE, late)

    tasks = [task(X, late_collection)]
    together = evaluate(LateReader(), tasks)["MineCrossLingual"]
    for subset in ("de-ar", "de-en", "de-zh", "zh-de"):
        alone = evaluate(LateReader(), [task(X, late_collection, hf_subsets=[subset])])["MineCrossLingual"]
        assert together[subset] == alone[subset]


def edit(made, subset, **columns):
    """Put other data in the place of what a task has loaded."""
    made.dataset[subset] = {"test": dict(made.dataset[subset]["test"]) | columns}


def test_data_that_was_cut_short_is_all_that_is_encoded():
    """Somebody tries things out on three questions and five passages of each subset."""
    made = task(X, even_collection)
    made.load_data()
    for subset, by_split in made.dataset.items():
        split = by_split["test"]
        queries = split["queries"].select(range(3))
        relevant = {query: split["relevant_docs"][query] for query in queries["id"]}
        edit(made, subset, queries=queries, corpus=split["corpus"].select(range(5)), relevant_docs=relevant)
    model = CountingEncoder()
    others = ["ar", "de", "en", "es", "th"]  # all their passages are at hand, and so are the questions but for Chinese
    evaluate(model, [task(M, even_collection, hf_subsets=others), made])
    assert len(model.seen) == 5 * (12 + 12) + 5 + 3


def test_data_that_was_edited_is_in_no_pass():
    """A passage that cannot be embedded, and was taken out of the data of each subset by hand."""

    class Refusing(CountingEncoder):
        def vector(self, text):
            return np.zeros(16, np.float32) if text == "en passage 11" else hashed_vector(text)

    made = task(X, even_collection)
    made.load_data()
    for subset, by_split in made.dataset.items():
        if subset.endswith("-en"):
            split = by_split["test"]
            relevant = {query: grades for query, grades in split["relevant_docs"].items() if query != "11"}
            queries = split["queries"].select(range(11))
            edit(made, subset, corpus=split["corpus"].select(range(11)), queries=queries, relevant_docs=relevant)
    assert len(evaluate(Refusing(), [made])["MineCrossLingual"]) == 30


def test_judgments_that_were_added_in_place():
    """Of the last question for the last passage, which nothing that was ranked comes after."""

    def reversed_part(language):
        here = even(language)
        return dataclasses.replace(here, relevant=here.relevant[::-1])

    def reversed_collection():
        return ParallelCollection("reversed", "1", MORE, reversed_part)

    def added():
        made = task(X, reversed_collection, hf_subsets=["de-zh"])
        made.load_data()
        split = made.dataset["de-zh"]["test"]
        split["relevant_docs"]["11"][split["corpus"]["id"][11]] = 1
        return made

    model = CountingEncoder()
    before = task(P, reversed_collection).evaluate(model, encode_kwargs={})
    after = added().evaluate(model, encode_kwargs={})
    assert after == added().evaluate(CountingEncoder(), encode_kwargs={})
    assert before == task(P, reversed_collection).evaluate(model, encode_kwargs={})


@pytest.mark.parametrize("column", ["passages", "queries"])
def test_another_collection_of_the_same_name(column):
    """With one other text, by hand with the same model: what is not the same to the letter is not taken."""

    def other_part(language):
        here = even(language)
        texts = getattr(here, column)
        return dataclasses.replace(here, **{column: (f"{language} another", *texts[1:])})

    def other():
        return ParallelCollection("even", "1", MORE, other_part)

    model = CountingEncoder()
    for setting in (P, X, M):
        task(setting, even_collection).evaluate(model, encode_kwargs={})
    for setting in (P, X, M):
        found = task(setting, other).evaluate(model, encode_kwargs={})
        assert found == task(setting, other).evaluate(CountingEncoder(), encode_kwargs={})


def test_lists_are_there_the_second_time():
    """By hand: the pooled ranks are kept, their lists are not, and the scores that need lists are the same."""
    model = CountingEncoder()
    before = task(P, even_collection).evaluate(model, encode_kwargs={})
    assert task(P, even_collection).evaluate(model, encode_kwargs={}) == before
    assert "exposure_fairness_at_100" in before["de"]


def test_a_question_that_cannot_be_embedded(counted):
    """It is asked of its own language alone: the cross-lingual task has its results, whatever is evaluated with it."""

    def bad_part(language):
        here = even(language)
        if language != "de":
            return here
        more = {"query_ids": "own", "queries": "de bad", "relevant": (0,)}
        return dataclasses.replace(here, **{name: (*getattr(here, name), value) for name, value in more.items()})

    class Refusing(CountingEncoder):
        def vector(self, text):
            return np.zeros(16, np.float32) if text == "de bad" else hashed_vector(text)

    tasks = [task(setting, lambda: ParallelCollection("bad", "1", MORE, bad_part)) for setting in (X, P)]
    for one in tasks:
        type(one).collection = staticmethod(type(tasks[0]).collection)
    model = Refusing()
    run = mteb.evaluate(model, tasks, cache=None, show_progress_bar=False, co2_tracker=False, raise_error=False)
    assert [result.task_name for result in run.task_results] == ["MineCrossLingual"]
    assert [error.task_name for error in run.exceptions] == ["MineMultilingual"]
    assert model.seen["query", "de bad"] == 2  # once in a pass, which is not tried again


def test_judgments_added_everywhere(counted):
    """Nothing fits the pass that is made for each query language; it is made once."""
    made = task(X, even_collection)
    made.load_data()
    for by_split in made.dataset.values():
        split = by_split["test"]
        split["relevant_docs"]["0"][split["corpus"]["id"][7]] = 1
    made.evaluate(CountingEncoder(), encode_kwargs={})
    assert sum(counted) <= 2 * 30 * 12 * 12


@pytest.mark.parametrize("texts", [2, 5, 12, 13])
def test_a_store_that_is_too_small(texts, counted, monkeypatch):
    """Passes that could not last are not made: as many texts are encoded, and hardly more is compared."""
    monkeypatch.setattr(STORE, "max_bytes", texts * 12 * 16 * 4)
    done = []
    for passes in (True, False):
        if not passes:
            monkeypatch.setattr("mteb_hybrid.tasks.pooled_ranks._ranked_jointly", lambda *args: None)
        model = CountingEncoder()
        scores = evaluate(model, [task(setting, even_collection) for setting in (M, X, P)])
        done.append((scores, model.seen.total(), sum(counted)))
        counted.clear()
    (scores, encoded, compared), (expected, least, usual) = done
    assert scores == expected
    assert encoded <= least
    assert compared <= 1.1 * usual


def test_ids_that_are_numbers():
    """Data of somebody's own may have them."""
    made = task(M, even_collection, hf_subsets=["de"])
    made.load_data()
    split = made.dataset["de"]["test"]
    corpus = split["corpus"].to_dict() | {"id": list(range(12))}
    edit(made, "de", corpus=Dataset.from_dict(corpus), relevant_docs={str(number): {number: 1} for number in range(12)})
    assert set(made.evaluate(CountingEncoder(), encode_kwargs={})) == {"de"}


def test_a_subset_that_was_added_by_hand():
    """Beside those that the task has loaded, with the data of one of them."""
    made = task(X, even_collection, hf_subsets=["de-en", "de-es"])
    made.load_data()
    made.dataset["de-zh"] = {"test": dict(made.dataset["de-en"]["test"])}
    made.hf_subsets = [*made.hf_subsets, "de-zh"]
    found = made.evaluate(CountingEncoder(), encode_kwargs={})
    assert found["de-zh"] == found["de-en"] != found["de-es"]


def test_without_judgments():
    """Said in words, and nothing is kept of it."""
    made, model = task(P, even_collection), CountingEncoder()
    made.load_data()
    for subset, by_split in made.dataset.items():
        edit(made, subset, relevant_docs={query: {} for query in by_split["test"]["relevant_docs"]})
    with pytest.raises(CollectionError, match="no query has a relevant passage"):
        made.evaluate(model, encode_kwargs={})
    assert not model.seen
    assert task(X, even_collection).evaluate(model, encode_kwargs={})


def test_all_subsets_by_default():
    """A task whose subsets were never chosen."""
    made = task(M, even_collection, hf_subsets=None)
    assert len(made.evaluate(CountingEncoder(), encode_kwargs={})) == 6
