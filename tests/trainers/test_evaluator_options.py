"""Options of the evaluator: fewer questions and passages, prompts, and what is refused."""

from __future__ import annotations

import pytest
from evaluated_parts import LookUp, by_sorting, drawn_parts, drawn_vectors, load, part, small_mini

from mteb_hybrid.collections import LanguagePart, ParallelCollection, miniqa_r
from mteb_hybrid.errors import CollectionError, OptionError
from mteb_hybrid.trainers.evaluation.evaluator import ParallelRetrievalEvaluator


def test_fewer_questions_keep_their_judgments():
    """max_queries asks the same questions in all languages that have them; the pool and what is relevant stay."""
    collection = miniqa_r()
    parts = [collection.load(language) for language in ("de", "en", "zh")]
    vectors = drawn_vectors(parts, 1)
    model = LookUp(vectors)
    metrics = ParallelRetrievalEvaluator(parts, max_queries=7)(model)
    asked = [
        {i for i, text in zip(p.query_ids, p.queries, strict=True) if ("query", text) in model.seen} for p in parts
    ]
    assert asked[0] == asked[1] == asked[2]
    assert len(asked[0]) == 7
    assert metrics == pytest.approx(by_sorting(parts, vectors, asked=asked[0]))
    assert sum(role == "document" for role, _ in model.seen) == 3 * 144


@pytest.mark.parametrize("limit", [3, 9])
def test_fewer_passages_keep_all_relevant_ones(limit):
    """max_passages searches what is relevant for the asked questions, then others up to the number."""
    parts = drawn_parts(5)
    vectors = drawn_vectors(parts, 5)
    parts = [questions_of(p, {f"q{number}" for number in range(0, 25, 4)}) for p in parts]
    model = LookUp(vectors)
    metrics = ParallelRetrievalEvaluator(parts, max_passages=limit)(model)
    kept = {text for role, text in model.seen if role == "document"}
    for p in parts:
        needed = {p.passages[i] for row in p.relevant for i in row}
        assert needed <= kept
        assert len(kept & set(p.passages)) == max(limit, len(needed))
    assert len(kept) < sum(len(p.passages) for p in parts)
    assert metrics == pytest.approx(by_sorting(parts, vectors, kept=kept))


def questions_of(p, ids) -> LanguagePart:
    rows = [row for row in zip(p.query_ids, p.queries, p.relevant, strict=True) if row[0] in ids]
    return part(p.language, p.passages, rows)


def test_the_models_own_prompts_are_used(tiny):
    """Without options the saved prompts are used; with prompts, or names of saved ones, those: as if typed in front."""
    model = load(tiny)
    bare = load(tiny)
    bare.prompts = {"query": "", "document": ""}
    collection = miniqa_r()

    def typed(query, passage):
        def read(language):
            p = collection.load(language)
            questions = [(i, query + q, r) for i, q, r in zip(p.query_ids, p.queries, p.relevant, strict=True)]
            return part(language, [passage + text for text in p.passages], questions)

        written = ParallelCollection(collection.name, "1", collection.languages, read)
        return ParallelRetrievalEvaluator.from_collection(written, ["de", "en", "es"])(bare)

    own = small_mini()(model)
    assert own == pytest.approx(typed("ask: ", "read it: "))
    assert own != pytest.approx(small_mini()(bare))
    given = small_mini(query_prompt="zz ", passage_prompt="")(model)
    assert given == pytest.approx(typed("zz ", ""))
    model.prompts = {"query": "no", "document": "no", "q": "ask: ", "p": "read it: "}
    assert small_mini(query_prompt_name="q", passage_prompt_name="p")(model) == pytest.approx(own)
    with pytest.raises(OptionError, match="not both"):
        small_mini(passage_prompt="a", passage_prompt_name="p")


def test_rank_distance_is_better_if_lower():
    """The main metric decides whether more is better."""
    parts = drawn_parts(1)
    assert ParallelRetrievalEvaluator(parts).greater_is_better
    evaluator = ParallelRetrievalEvaluator(parts, name="x", main_metric="rank_distance_median")
    assert not evaluator.greater_is_better
    assert evaluator.primary_metric == "x_rank_distance_median"


def test_what_makes_no_sense_is_refused():
    """Wrong numbers, no or double languages, and ids that do not fit are errors before any model is there."""
    parts = drawn_parts(1)
    with pytest.raises(OptionError, match="max_queries must be at least 1, not 0"):
        ParallelRetrievalEvaluator(parts, max_queries=0)
    with pytest.raises(OptionError, match="different languages"):
        ParallelRetrievalEvaluator([])
    with pytest.raises(OptionError, match="different languages"):
        ParallelRetrievalEvaluator([parts[0], parts[0]])
    with pytest.raises(OptionError, match="0 passage ids for the"):
        ParallelRetrievalEvaluator(parts, passage_ids={})
    with pytest.raises(CollectionError, match="has no language 'xx'"):
        ParallelRetrievalEvaluator.from_collection(miniqa_r(), ["xx"])
