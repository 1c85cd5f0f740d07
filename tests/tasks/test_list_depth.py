"""MTEB_HYBRID_LIST_DEPTH: deeper lists in the rank tables, of every subset, and the same scores."""

from __future__ import annotations

import json

import mteb
import numpy as np
import pytest
from encoders import CountingEncoder, OwnSimilarityEncoder, hashed_vector
from miracl_runs import LANGUAGES, Monolingual, Pooled, described, evaluate, oracle, passes, read

from mteb_hybrid.collections import miniqa_r
from mteb_hybrid.errors import OptionError
from mteb_hybrid.rank_table import RankTable
from mteb_hybrid.tasks.parallel import PoolSubset
from mteb_hybrid.tasks.predictions import missing_tables

VARIABLE = "MTEB_HYBRID_LIST_DEPTH"
MINI = ["MiniQARMonolingual", "MiniQARCrossLingual", "MiniQARMultilingual"]


class Search:
    """A search model on hash vectors that returns as many passages as MTEB asks for."""

    def __init__(self):
        self.mteb_model_meta = CountingEncoder("test/search").mteb_model_meta

    def index(self, corpus, **kwargs):
        rows = corpus[:]
        self.ids, self.passages = rows["id"], unit(rows["text"])

    def search(self, queries, *, top_k, **kwargs):
        rows = queries[:]
        scores = zip(rows["id"], unit(rows["text"]) @ self.passages.T, strict=True)
        return {one: {self.ids[i]: float(row[i]) for i in np.argsort(-row)[:top_k]} for one, row in scores}


def unit(texts):
    vectors = np.stack([hashed_vector(text) for text in texts]).astype(np.float64)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def run(model, folder, subsets=None, names=MINI, cache=None):
    """Scores by task and subset, and what is read from the tables of all query languages."""
    tasks = [mteb.get_task(name, hf_subsets=(subsets or {}).get(name)) for name in names]
    results = mteb.evaluate(
        model, tasks, cache=cache, prediction_folder=folder, show_progress_bar=False, co2_tracker=False
    )
    across = [json.loads(path.read_text()) for path in folder.rglob("*.across.json")]
    scores = {one.task_name: {row["hf_subset"]: row for row in one.scores["test"]} for one in results.task_results}
    return scores, across


def tables(folder) -> dict[str, RankTable]:
    """Rank tables by task and file name."""
    return {f"{path.parent.name} {path.name}": RankTable.read(path) for path in folder.rglob("*.parquet")}


SMALL = {"MiniQARMonolingual": ["de", "zh"], "MiniQARCrossLingual": ["de-en"]}


@pytest.mark.parametrize("model", [CountingEncoder, OwnSimilarityEncoder, pytest.param(Search, marks=pytest.mark.slow)])
def test_no_score_depends_on_the_depth(model, tmp_path, monkeypatch):
    """Scores of the three settings, and of all query languages at once, are equal to the bit; lists go on.

    The first hundred of a deeper list are the list of 100. Every subset has lists, as deep as its pool or as asked.
    """
    monkeypatch.delenv(VARIABLE, raising=False)
    shallow = run(model(), tmp_path / "100", SMALL)
    monkeypatch.setenv(VARIABLE, "1000")
    deep = run(model(), tmp_path / "1000", SMALL)
    assert deep == shallow
    assert len(deep[1]) == 1  # the scores across languages were there to be compared
    before, after = tables(tmp_path / "100"), tables(tmp_path / "1000")
    assert before.keys() == after.keys()
    assert len(before) == 3 + 11
    for name, table in after.items():
        size = min(1000, table.info.pool_size)
        old = before[name].rows
        for row, short in zip(table.rows.to_pylist(), old.to_pylist(), strict=True):
            assert len(row["top_id"]) == len(set(row["top_id"])) == size
            assert row["top_score"] == sorted(row["top_score"], reverse=True)
            kept = 100 if "Multilingual" in name else 0
            for column in ("top_id", "top_language", "top_score"):
                assert short[column] == row[column][:kept]
        assert table.rows.drop_columns(["top_id", "top_language", "top_score"]).equals(
            old.drop_columns(["top_id", "top_language", "top_score"])
        )


def test_deep_lists_are_the_ranking(tmp_path, monkeypatch):
    """A monolingual list as deep as the pool is the sorted pool: plain numpy's, and every rank is a place on it."""
    monkeypatch.setenv(VARIABLE, "5000")
    run(CountingEncoder(), tmp_path, SMALL, ["MiniQARMonolingual"])
    part = miniqa_r().load("zh")
    ids = np.array(miniqa_r().passage_ids("zh", len(part.passages)), dtype=object)
    order = np.argsort(-(unit(part.queries) @ unit(part.passages).T), axis=1)
    found = tables(tmp_path)["MiniQARMonolingual test.zh.parquet"].rows.to_pylist()
    assert [row["top_id"] for row in found] == ids[order].tolist()
    for row in found:
        assert [row["top_id"].index(one) + 1 for one in row["relevant_id"]] == row["rank"]


@pytest.mark.parametrize("wrong", ["99", "0", "-5", "all", "1e3", "100.0"])
@pytest.mark.parametrize("model", [CountingEncoder, Search])
def test_a_wrong_depth_is_said_before_anything_is_encoded(wrong, model, monkeypatch):
    """Below 100 scores would change; the message names the variable and the value."""
    monkeypatch.setenv(VARIABLE, wrong)

    def never(*args, **kwargs):
        pytest.fail("a text was encoded")

    monkeypatch.setattr(model, "encode" if model is CountingEncoder else "index", never)
    with pytest.raises(OptionError, match=rf"{VARIABLE} must be .* at least 100.*'{wrong}'"):
        mteb.evaluate(model(), mteb.get_task("MiniQARMonolingual", hf_subsets=["de"]), cache=None, co2_tracker=False)


def test_shorter_tables_are_completed_from_the_cache_on(tmp_path, monkeypatch):
    """With the variable set, tables with shorter lists count as missing, and once they are written no longer."""
    monkeypatch.delenv(VARIABLE, raising=False)
    cache, only = mteb.ResultCache(tmp_path / "cache"), {"MiniQARMonolingual": ["de"], "MiniQARMultilingual": ["de"]}
    arguments = (tmp_path / "tables", only, list(only), cache)
    for model in (CountingEncoder(), Search()):
        run(model, *arguments)
    for depth, lengths in (("1000", {144, 1000}), ("200", {144, 1000}), ("9999", {144, 1584, 1000})):
        monkeypatch.setenv(VARIABLE, depth)
        for model in (CountingEncoder(), Search()):
            run(model, *arguments)
        found = tables(tmp_path / "tables").values()
        assert len(found) == 2  # of two models, by task and file name
        every = [RankTable.read(path) for path in (tmp_path / "tables").rglob("*.parquet")]
        assert {len(row["top_id"]) for table in every for row in table.rows.to_pylist()} == lengths
        for model in (CountingEncoder(), Search()):
            for name, subsets in only.items():
                task = mteb.get_task(name, hf_subsets=subsets)
                assert missing_tables(task, model.mteb_model_meta, tmp_path / "tables") == []
    monkeypatch.setattr(PoolSubset, "rank", None)  # nothing is ranked again, with the variable or without
    run(CountingEncoder(), *arguments)
    monkeypatch.delenv(VARIABLE)
    run(CountingEncoder(), *arguments)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache folder of this test's own, and chunks of 20 passages."""
    monkeypatch.setenv("MTEB_HYBRID_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("MTEB_HYBRID_CHUNK", "20")
    return tmp_path / "cache"


@pytest.mark.usefixtures("folders")
def test_streamed_lists(data, cache, tmp_path, monkeypatch):
    """Streamed corpora: equal scores to the bit, and lists that go on as the oracle's ranking does."""
    monkeypatch.delenv(VARIABLE, raising=False)
    for task in (Monolingual, Pooled):
        shallow, _ = evaluate(CountingEncoder(), task())
        monkeypatch.setenv(VARIABLE, "150")
        deep, _ = evaluate(CountingEncoder(), task(), prediction_folder=tmp_path / "tables")
        monkeypatch.delenv(VARIABLE)
        assert deep == shallow
    part = read(data, "sw")
    table = tables(tmp_path / "tables")[f"{Pooled.metadata.name} dev.sw.parquet"]
    found = {row["query_id"]: row["top_id"] for row in table.rows.to_pylist()}
    assert found == {query: best[:150] for query, best in oracle(data).runs(part.topics).items()}


class Stopping(CountingEncoder):
    """Fails once it has encoded so many texts."""

    def __init__(self, after=10_000):
        super().__init__()
        self.after = after

    def vector(self, text):
        if self.seen.total() > self.after:
            raise RuntimeError("killed")
        return hashed_vector(text)


@pytest.mark.usefixtures("folders")
def test_a_killed_run_is_gone_on_with_at_its_own_depth_only(data, cache, monkeypatch):
    """What a run with lists of 100 left does not serve one with 150, which starts anew, and is still there after it."""
    monkeypatch.delenv(VARIABLE, raising=False)
    with pytest.raises(RuntimeError, match="killed"):
        evaluate(Stopping(after=200), Pooled())
    assert {described(path)["top_k"] for path in passes(cache)} == {100}
    monkeypatch.setenv(VARIABLE, "150")
    deep, rest = Stopping(), Stopping()
    scores, _ = evaluate(deep, Pooled())
    monkeypatch.delenv(VARIABLE)
    assert evaluate(rest, Pooled())[0] == scores
    assert rest.seen.total() < deep.seen.total()
    texts = {text for language in LANGUAGES for text in read(data, language).texts}
    assert {text for role, text in deep.seen if role == "document"} == texts
