"""The pooled task: one pass for all subsets, ranks over the concatenated corpora, and what other languages cost."""

from __future__ import annotations

import math

import numpy as np
import pyarrow.parquet as pq
import pytest
from encoders import CountingEncoder
from miracl_runs import (
    LANGUAGES,
    ListSearch,
    Monolingual,
    Pooled,
    evaluate,
    oracle,
    read,
    trec_scores,
    without_ties,
    write_data,
)

pytestmark = pytest.mark.usefixtures("folders")


@pytest.fixture(scope="module")
def run(data, folders, tmp_path_factory):
    """Scores by subset, the encoder, and the folder of the rank tables of one run."""
    model, tables = CountingEncoder(), tmp_path_factory.mktemp("tables")
    scores, _ = evaluate(model, Pooled(), prediction_folder=tables)
    return scores, model, tables


def rows(folder, subset) -> dict[str, dict]:
    """A rank table by query id."""
    (path,) = folder.rglob(f"dev.{subset}.parquet")
    return {row["query_id"]: row for row in pq.read_table(path).to_pylist()}


def test_ranks_are_those_of_the_concatenated_pool(run, data):
    """Every relevant passage's rank, and the best 100 of each query, equal plain numpy's over all passages."""
    whole = oracle(data)
    for language in LANGUAGES:
        part, found = read(data, language), rows(run[2], language)
        assert set(found) == set(part.topics)
        for query, best in whole.runs(part.topics).items():
            row = found[query]
            relevant = {f"{language}:{one}" for one, grade in part.judged[query].items() if grade}
            assert set(row["relevant_id"]) == relevant
            assert row["rank"] == [best.index(one) + 1 for one in row["relevant_id"]]
            assert row["top_id"] == best[:100]
            assert row["top_language"] == [one[:2] for one in best[:100]]


@pytest.mark.parametrize("language", LANGUAGES)
def test_scores_are_trec_evals(run, data, language):
    """nDCG, recall, map and reciprocal rank over the oracle's lists, judged by ids that name the language."""
    part = read(data, language)
    judged = {q: {f"{language}:{one}": grade for one, grade in grades.items()} for q, grades in part.judged.items()}
    expected = trec_scores(oracle(data).runs(part.topics), judged)
    assert {name: run[0][language][name] for name in expected} == pytest.approx(expected, abs=1e-9)
    assert run[0][language]["main_score"] == run[0][language]["ndcg_at_10"]


def test_every_passage_is_encoded_once_for_all_subsets(run, data):
    """Three subsets search the pool; each text of a corpus, and each question, is encoded once."""
    parts = [read(data, language) for language in LANGUAGES]
    assert {text: n for (role, text), n in run[1].seen.items() if role == "query"} == {
        text: 1 for part in parts for text in part.topics.values()
    }
    documents = {text: n for (role, text), n in run[1].seen.items() if role == "document"}
    assert documents == {text: sum(text in part.texts for part in parts) for part in parts for text in part.texts}
    assert [text for text, n in documents.items() if n > 1] == ["1 2 3"]  # in each of the corpora


def test_a_model_that_nothing_is_kept_for_is_encoded_once_too(run):
    """Without a revision there is nothing on disk; within the run the counts of one pass still serve all subsets."""
    model = CountingEncoder()
    model.mteb_model_meta = model.mteb_model_meta.model_copy(update={"revision": None})
    scores, _ = evaluate(model, Pooled())
    assert model.seen == run[1].seen
    assert scores == run[0]


def test_interference_is_monolingual_minus_pooled(run):
    """What the other languages cost is the difference to the scores of a monolingual run, to 1e-12."""
    alone, _ = evaluate(CountingEncoder(), Monolingual())
    lost = 0.0
    for language in LANGUAGES:
        for name in ("map", "ndcg_at_10", "recall_at_100"):
            difference = alone[language][name] - run[0][language][name]
            assert run[0][language][f"interference_{name}"] == pytest.approx(difference, abs=1e-12)
            lost += difference
    assert lost > 0.1
    assert not [name for row in alone.values() for name in row if name.startswith("interference")]


def test_judged_at_10(run, data):
    """Share of the first ten passages that were judged for the query, relevant or not."""
    for language in LANGUAGES:
        part = read(data, language)
        judged = {query: {f"{language}:{one}" for one in grades} for query, grades in part.judged.items()}
        shares = [len(judged[q] & set(best[:10])) / 10 for q, best in oracle(data).runs(part.topics).items()]
        assert run[0][language]["judged_at_10"] == pytest.approx(np.mean(shares), abs=1e-12)


def test_exposure_is_held_against_the_pool(run, data):
    """Share of the query language in the first 10 and 100, minus its share of the pool; fairness against the pool."""
    whole = oracle(data)
    for number, language in enumerate(LANGUAGES):
        tops = [whole.languages[best] for best in whole.rankings(read(data, language).topics.values())]
        for k in (10, 100):
            share = np.mean([(top[:k] == number).mean() for top in tops])
            found = run[0][language]
            assert found[f"query_language_share_at_{k}"] == pytest.approx(share, abs=1e-12)
            excess = share - whole.sizes[number] / whole.sizes.sum()
            assert found[f"query_language_share_excess_at_{k}"] == pytest.approx(excess, abs=1e-12)
        fairness = np.mean([1 - divergence(exposure(top), list(whole.sizes / whole.sizes.sum())) for top in tops])
        assert run[0][language]["exposure_fairness_at_100"] == pytest.approx(fairness, abs=1e-12)


def exposure(top) -> list[float]:
    """Sums of 1 / log2(max(rank, 2)) over the first 100, by language, normalised."""
    sums = [0.0] * len(LANGUAGES)
    for rank, language in enumerate(top[:100].tolist(), start=1):
        sums[language] += 1 / math.log2(max(rank, 2))
    return [one / sum(sums) for one in sums]


def divergence(p: list[float], q: list[float]) -> float:
    """Jensen and Shannon's, in bits, from its definition as entropies."""

    def entropy(shares):
        return -sum(x * math.log2(x) for x in shares if x > 0)

    middle = [(a + b) / 2 for a, b in zip(p, q, strict=True)]
    return entropy(middle) - (entropy(p) + entropy(q)) / 2


def test_what_needs_parallel_passages_is_not_reported(run):
    """No rank distance, no language preference and no mean rank by language: they are not defined here."""
    for row in run[0].values():
        undefined = ("rank_distance", "language_preference", "mean_rank", "not_retrieved")
        assert not [name for name in row if name.startswith(undefined)]


def test_without_unjudged_passages_pooled_is_monolingual(tmp_path, monkeypatch):
    """Lists of a pool of less than 100, from which what was not judged is dropped, are those of monolingual search."""
    data = write_data(tmp_path / "data", queries=3, distractors=4)
    monkeypatch.setenv("MTEB_HYBRID_DATA", str(data))
    tables = {task: tmp_path / task.__name__ for task in (Pooled, Monolingual)}
    for task, folder in tables.items():
        evaluate(CountingEncoder(), task(), prediction_folder=folder)
    for language in LANGUAGES:
        part = read(data, language)
        pooled, alone = (rows(tables[task], language) for task in (Pooled, Monolingual))
        assert len(next(iter(pooled.values()))["top_id"]) < 100
        own, other = {}, {}
        for query, grades in part.judged.items():
            judged = {f"{language}:{one}" for one in grades}
            own[query] = [one for one in alone[query]["top_id"] if one in grades]
            other[query] = [one.partition(":")[2] for one in pooled[query]["top_id"] if one in judged]
            assert len(own[query]) == len(grades)
        assert own == other
        assert trec_scores(own, part.judged) == trec_scores(other, part.judged)


def test_a_filtered_run_searches_the_whole_pool(data, run):
    """One subset: the questions of one language, the passages of all, and the scores of the full run."""
    model = CountingEncoder()
    task = Pooled().filter_languages(None, hf_subsets=["sw"])
    scores, _ = evaluate(model, task)
    parts = [read(data, language) for language in LANGUAGES]
    assert set(scores) == {"sw"}
    assert scores["sw"] == run[0]["sw"]
    assert {text for role, text in model.seen if role == "document"} == {t for part in parts for t in part.texts}
    assert sum(role == "query" for role, _ in model.seen) == len(read(data, "sw").topics)


def test_a_search_model_on_the_pool(tmp_path, monkeypatch):
    """A model that is no dense encoder sees ids that tell languages apart, and gets the scores of the same vectors."""
    data = without_ties(write_data(tmp_path))
    monkeypatch.setenv("MTEB_HYBRID_DATA", str(data))
    search = ListSearch(depth=10_000)
    found, _ = evaluate(search, Pooled())
    assert search.ids == oracle(data).ids
    assert len(set(search.ids)) == len(search.ids) > 200
    assert {one.partition(":")[0] for one in search.ids} == set(LANGUAGES)
    dense, _ = evaluate(CountingEncoder(), Pooled())
    for language in LANGUAGES:
        shared = {name for name in dense[language] if not name.startswith("interference")}
        for name in shared:
            assert found[language][name] == pytest.approx(dense[language][name], abs=1e-9), name
    short, _ = evaluate(ListSearch(depth=10), Pooled())
    for language in LANGUAGES:
        for name in ("ndcg_at_10", "mrr_at_10", "recall_at_10", "judged_at_10", "query_language_share_at_10"):
            assert short[language][name] == pytest.approx(dense[language][name], abs=1e-9), name
        assert short[language]["not_retrieved"] > 0
