"""Dense encoders: every text encoded once, with the right prompt; bad ones stopped before anything is scored."""

from __future__ import annotations

import dataclasses
import pickle

import mteb
import numpy as np
import pytest
import torch
from encoders import (
    CountingEncoder,
    NameReadingEncoder,
    OwnSimilarityEncoder,
    PlainEncoder,
    TrainedEncoder,
    hashed_vector,
)

from mteb_hybrid import _mteb
from mteb_hybrid.errors import EmbeddingError

MINI = ["MiniQARMonolingual", "MiniQARCrossLingual", "MiniQARMultilingual"]


def evaluate(model, names, languages=None, **kwargs):
    tasks = mteb.get_tasks(tasks=names, languages=languages)
    return mteb.evaluate(model, tasks, cache=None, show_progress_bar=False, co2_tracker=False, **kwargs).task_results


def test_every_text_is_encoded_once_over_all_subsets_and_tasks_of_a_run():
    """132 subsets of MiniQA-R need each distinct (role, text) pair exactly once."""
    model = CountingEncoder()
    evaluate(model, MINI)
    assert set(model.seen.values()) == {1}
    assert len(model.seen) == 11 * (48 + 144)


@pytest.mark.slow
def test_xquad_r_encodes_26021_texts(lareqa_data):
    """The three XQuAD-R tasks hold 26,021 distinct (role, text) pairs, each encoded once; stock MTEB: 443,388 texts."""
    model = CountingEncoder()
    names = ["XQuADRMonolingual", "XQuADRCrossLingual", "XQuADRMultilingual"]
    evaluate(model, names)
    stock = 0
    for task in mteb.get_tasks(tasks=names):
        task.load_data()
        stock += sum(len(split["test"]["queries"]) + len(split["test"]["corpus"]) for split in task.dataset.values())
    assert stock == 443_388
    assert set(model.seen.values()) == {1}
    assert len(model.seen) == 26_021


def test_a_filtered_run_encodes_the_languages_of_its_subsets_only():
    """Two languages of the cross-lingual task: their questions and their passages."""
    model = CountingEncoder()
    task = mteb.get_task("MiniQARCrossLingual", languages=["eng", "deu"], exclusive_language_filter=True)
    mteb.evaluate(model, task, cache=None, show_progress_bar=False, co2_tracker=False)
    assert len(model.seen) == 2 * (48 + 144)


def test_a_filtered_pooled_run_still_searches_the_whole_pool():
    """The pool of a multilingual subset does not shrink with the language filter."""
    model = CountingEncoder()
    evaluate(model, ["MiniQARMultilingual"], languages=["deu"])
    assert sum(role == "document" for role, _ in model.seen) == 11 * 144
    assert sum(role == "query" for role, _ in model.seen) == 48


def test_prompts_that_name_a_task_are_kept_apart():
    """An encoder of MTEB's with a prompt for one of the tasks encodes for that task anew."""
    model = CountingEncoder(prompts={"MiniQARMultilingual-query": "pool: ", "query": "q: ", "document": "d: "})
    evaluate(model, MINI, languages=["deu"])
    questions = [count for (role, _), count in model.seen.items() if role == "query"]
    german = evaluate_languages_questions()
    assert sorted(questions).count(2) == len(german)


def evaluate_languages_questions():
    from mteb_hybrid.collections import miniqa_r

    return miniqa_r().load("de").queries


def test_an_encoder_that_is_not_mtebs_own_is_encoded_once_too():
    """An encoder that ignores the task is not encoded task by task."""
    model = PlainEncoder()
    evaluate(model, MINI)
    assert model.encoded == 11 * (48 + 144)


def test_an_encoder_that_looks_at_the_task_is_encoded_as_mteb_would():
    """If own code reads what names a task, no embedding is shared between subsets (the first subset is done twice)."""
    model = NameReadingEncoder()
    evaluate(model, ["MiniQARMonolingual", "MiniQARMultilingual"])
    first_twice = 48 + 144
    assert model.encoded == first_twice + 11 * (48 + 144) + 11 * (48 + 11 * 144)


def test_every_way_of_looking_at_the_task_counts():
    """Attributes, properties, model_dump and pickling give a task away; type and prompt do not."""
    metadata = mteb.get_task("MiniQARMonolingual").metadata
    for look in (
        lambda m: m.name,
        lambda m: m.description,
        lambda m: m.languages,
        lambda m: m.model_dump()["name"],
        lambda m: m.__dict__["name"],
        lambda m: pickle.loads(pickle.dumps(m)),
    ):
        watched, has_looked = _mteb.watch_metadata(metadata)
        assert not has_looked()
        look(watched)
        assert has_looked()
    watched, has_looked = _mteb.watch_metadata(metadata)
    assert (watched.type, watched.prompt) == (metadata.type, metadata.prompt)
    assert isinstance(watched, type(metadata))
    assert not has_looked()


@dataclasses.dataclass
class UnhashableEncoder(PlainEncoder):
    """An encoder that cannot be a key of a dictionary."""

    def __post_init__(self):
        PlainEncoder.__init__(self)


def test_an_unhashable_encoder_is_fine():
    """The store asks nothing of an encoder but that it encodes."""
    model = UnhashableEncoder()
    evaluate(model, ["MiniQARMonolingual"])
    assert model.encoded == 11 * (48 + 144)


def test_changed_weights_are_encoded_again():
    """In a training loop that calls task.evaluate, a trained model does not meet its old embeddings."""
    model = TrainedEncoder()
    task = mteb.get_task("MiniQARMonolingual", hf_subsets=["de"])
    before = task.evaluate(model, encode_kwargs={})["de"]["map"]
    assert task.evaluate(model, encode_kwargs={})["de"]["map"] == before
    assert set(model.seen.values()) == {1}
    with torch.no_grad():
        model.model.weight.copy_(torch.randn(16, 16))
    task.evaluate(model, encode_kwargs={})
    assert set(model.seen.values()) == {2}


def test_nothing_is_carried_from_one_run_to_the_next():
    """A setting that is no weight changes between two calls of mteb.evaluate: the second one sees the new model."""

    class Truncated(CountingEncoder):
        dimension = 16

        def vector(self, text):
            return hashed_vector(text)[: self.dimension]

    model = Truncated()
    evaluate(model, ["MiniQARMonolingual"], languages=["deu"])
    model.dimension = 2
    reused = evaluate(model, ["MiniQARMonolingual"], languages=["deu"])[0].get_score()
    fresh = Truncated()
    fresh.dimension = 2
    assert reused == evaluate(fresh, ["MiniQARMonolingual"], languages=["deu"])[0].get_score()


def test_own_similarity_is_honoured():
    """Under Euclidean distance the ranks are those of Euclidean distance."""
    task = mteb.get_task("MiniQARMonolingual", hf_subsets=["de"])
    score = mteb.evaluate(OwnSimilarityEncoder(), task, cache=None, show_progress_bar=False, co2_tracker=False)
    from mteb_hybrid.collections import miniqa_r

    part = miniqa_r().load("de")
    queries = np.stack([hashed_vector(text) for text in part.queries]).astype(np.float64)
    passages = np.stack([hashed_vector(text) for text in part.passages]).astype(np.float64)
    distance = np.linalg.norm(queries[:, None] - passages[None], axis=2)
    goal = distance[np.arange(48), [positions[0] for positions in part.relevant]]
    ranks = 1 + (distance < goal[:, None]).sum(axis=1)
    assert score.task_results[0].get_score() == pytest.approx((1 / ranks).mean(), abs=1e-9)


@pytest.mark.parametrize(
    ("bad", "word"),
    [
        (np.full(16, np.nan, dtype=np.float32), "NaN"),
        (np.full(16, np.inf, dtype=np.float32), "infinite"),
        (np.zeros(16, dtype=np.float32), "zero"),
    ],
)
def test_bad_embeddings_name_model_subset_and_text(bad, word):
    """NaN, infinite and zero embeddings stop the run with the model, the subset and the first bad text."""
    from mteb_hybrid.collections import miniqa_r

    text = miniqa_r().load("de").passages[7]

    class Bad(CountingEncoder):
        def vector(self, value):
            return bad if value == text else hashed_vector(value)

    with pytest.raises(EmbeddingError, match=word) as caught:
        evaluate(Bad("test/bad"), ["MiniQARMonolingual"], languages=["deu"])
    message = str(caught.value)
    assert "test/bad" in message
    assert "MiniQARMonolingual de" in message
    assert text[:40] in message


def test_too_few_embeddings_and_changing_dimension():
    """A missing row, and rows of another length later on, are errors of their own."""

    class Short(CountingEncoder):
        def encode(self, inputs, **kwargs):
            return super().encode(inputs, **kwargs)[:-1]

    class Growing(CountingEncoder):
        def vector(self, value):
            return hashed_vector(value, 16 if len(self.seen) <= 200 else 17)

    with pytest.raises(EmbeddingError, match=r"shape \(47, 16\) for 48 texts"):
        evaluate(Short(), ["MiniQARMonolingual"], languages=["deu"])
    with pytest.raises(EmbeddingError, match="dimension"):
        evaluate(Growing(), ["MiniQARMonolingual"])
