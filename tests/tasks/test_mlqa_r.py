"""MLQA-R as tasks: the paper's counts, and only the questions that both languages have."""

from __future__ import annotations

from collections import Counter

import mteb
import numpy as np
import pytest
from encoders import CountingEncoder, hashed_vector

from mteb_hybrid.collections import mlqa_r
from mteb_hybrid.tasks import MLQARCrossLingual

QUESTIONS = {"ar": 517, "de": 512, "en": 1148, "es": 500, "hi": 507, "vi": 511, "zh": 504}
CANDIDATES = {"ar": 2545, "de": 2362, "en": 6264, "es": 1787, "hi": 2426, "vi": 2828, "zh": 2322}


def loaded(name, **filters):
    task = mteb.get_task(name, **filters)
    task.load_data()
    return {subset: split["test"] for subset, split in task.dataset.items()}


def test_counts_of_the_paper(lareqa_data):
    """ArXiv 2408.10536, table 11: questions and candidates of each language, each question with one answer in it."""
    data = loaded("MLQARMonolingual")
    assert {language: len(split["queries"]) for language, split in data.items()} == QUESTIONS
    assert {language: len(split["corpus"]) for language, split in data.items()} == CANDIDATES
    for split in data.values():
        assert {len(judged) for judged in split["relevant_docs"].values()} == {1}


def test_a_pooled_question_has_an_answer_in_each_of_its_languages(lareqa_data):
    """The pool holds all 20,534 candidates; 820 questions have 4 relevant passages, 263 have 3, 65 have 2."""
    data = loaded("MLQARMultilingual")
    assert {language: len(split["queries"]) for language, split in data.items()} == QUESTIONS
    relevant = {}
    for split in data.values():
        assert len(split["corpus"]) == sum(CANDIDATES.values()) == 20_534
        for question, judged in split["relevant_docs"].items():
            assert relevant.setdefault(question, judged) == judged  # the same in whatever language it is asked
    assert Counter(len(judged) for judged in relevant.values()) == {4: 820, 3: 263, 2: 65}


def test_a_cross_lingual_subset_keeps_the_questions_that_both_languages_have(lareqa_data):
    """42 subsets; X-Y and Y-X have the same questions, those of X that Y has too."""
    data = loaded("MLQARCrossLingual")
    assert len(data) == 42
    asked = {language: set(mlqa_r().load(language).query_ids) for language in QUESTIONS}
    for subset, split in data.items():
        x, y = subset.split("-")
        assert set(split["queries"]["id"]) == asked[x] & asked[y]
        assert set(split["relevant_docs"]) == asked[x] & asked[y]
        assert len(split["corpus"]) == CANDIDATES[y]


def test_scores_equal_plain_numpy(lareqa_data):
    """Full-ranking mAP of a cross-lingual subset from a plain sort of a float64 product."""
    task = mteb.get_task("MLQARCrossLingual", hf_subsets=["de-es"])
    model = CountingEncoder()
    result = mteb.evaluate(model, task, cache=None, show_progress_bar=False, co2_tracker=False).task_results[0]
    asked, answers = mlqa_r().load("de"), mlqa_r().load("es")
    matrix = unit(asked.queries) @ unit(tuple(text.strip() for text in answers.passages)).T
    goal = {query: positions[0] for query, positions in zip(answers.query_ids, answers.relevant, strict=True)}
    found = [
        1 / (1 + (row > row[goal[query]]).sum())
        for query, row in zip(asked.query_ids, matrix, strict=True)
        if query in goal
    ]
    # equal texts tie, and the tie is broken by id: at most a place
    assert result.get_score() == pytest.approx(np.mean(found), abs=1e-4)


def unit(texts):
    vectors = np.stack([hashed_vector(text) for text in texts]).astype(np.float64)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_a_non_commercial_licence_is_said():
    """MLQA-R is CC BY-NC 4.0, and MTEB's metadata say so."""
    assert MLQARCrossLingual.metadata.license == "cc-by-nc-4.0"
