"""Rank tables: what they hold, and that none is silently absent."""

from __future__ import annotations

import logging

import mteb
import numpy as np
import pytest
from encoders import CountingEncoder

from mteb_hybrid.errors import ResultsError
from mteb_hybrid.metrics import effectiveness, rank_distance
from mteb_hybrid.rank_table import RankTable
from mteb_hybrid.tasks.together import our_tasks

FOLDER = "test__encoder/1"


def run(tmp_path, names, languages=None, predictions=True, model=None):
    return mteb.evaluate(
        model or CountingEncoder(),
        mteb.get_tasks(tasks=names, languages=languages),
        cache=mteb.ResultCache(tmp_path / "cache"),
        prediction_folder=tmp_path / "predictions" if predictions else None,
        show_progress_bar=False,
        co2_tracker=False,
    )


def table(tmp_path, task, subset):
    return RankTable.read(tmp_path / "predictions" / FOLDER / task / f"test.{subset}.parquet")


def test_scores_can_be_computed_again_from_the_table(tmp_path):
    """Map and rank distance of the table's ranks are those of the result."""
    result = run(tmp_path, ["MiniQARMultilingual"], ["deu"]).task_results[0].scores["test"][0]
    ranks = table(tmp_path, "MiniQARMultilingual", "de").query_ranks()
    assert effectiveness(ranks)["map"].mean() == pytest.approx(result["map"], abs=1e-12)
    assert rank_distance(ranks).mean() == pytest.approx(result["rank_distance"], abs=1e-9)


def test_table_of_a_pooled_subset(tmp_path):
    """Every query has 11 ranks, one a language, best first, and a top 100 that agrees with them."""
    run(tmp_path, ["MiniQARMultilingual"], ["deu"])
    found = table(tmp_path, "MiniQARMultilingual", "de")
    assert found.info.pool == dict.fromkeys(["ar", "de", "el", "en", "es", "hi", "ru", "th", "tr", "vi", "zh"], 144)
    assert found.info.query_language == "de"
    assert found.info.full_ranking
    assert found.info.similarity == "cosine"
    rows = found.rows.to_pylist()
    assert len(rows) == 48
    for row in rows:
        assert row["rank"] == sorted(row["rank"])
        assert sorted(row["relevant_language"]) == sorted(found.info.pool)
        assert len(row["top_id"]) == len(row["top_language"]) == len(row["top_score"]) == 100
        assert row["top_score"] == sorted(row["top_score"], reverse=True)
        for rank, relevant, language in zip(row["rank"], row["relevant_id"], row["relevant_language"], strict=True):
            if rank <= 100:
                assert row["top_id"][rank - 1] == relevant
                assert row["top_language"][rank - 1] == language
            else:
                assert relevant not in row["top_id"]


def test_one_table_a_subset_and_no_top_for_one_language(tmp_path):
    """Monolingual subsets have a table each, without a top 100."""
    run(tmp_path, ["MiniQARMonolingual"])
    paths = sorted((tmp_path / "predictions" / FOLDER / "MiniQARMonolingual").iterdir())
    assert len(paths) == 11
    assert all(row["top_id"] == [] for row in RankTable.read(paths[0]).rows.to_pylist())


def test_tables_of_cached_subsets_are_written_too(tmp_path, caplog):
    """Scores from MTEB's cache do not leave a table missing; the missing ones are named, the scores untouched."""
    first = run(tmp_path, ["MiniQARMonolingual"], ["deu", "eng"], predictions=False).task_results[0]
    with caplog.at_level(logging.WARNING, "mteb_hybrid"):
        second = run(tmp_path, ["MiniQARMonolingual"], ["deu", "eng", "rus"]).task_results[0]
    assert "2 subsets have scores but no rank table" in caplog.text
    assert "de, en" in caplog.text
    names = {path.name for path in (tmp_path / "predictions" / FOLDER / "MiniQARMonolingual").iterdir()}
    assert names == {"test.de.parquet", "test.en.parquet", "test.ru.parquet"}
    before = {row["hf_subset"]: row["map"] for row in first.scores["test"]}
    after = {row["hf_subset"]: row["map"] for row in second.scores["test"]}
    assert {subset: round(after[subset], 6) for subset in before} == {s: round(v, 6) for s, v in before.items()}


def test_a_failed_task_is_not_run_a_second_time(tmp_path):
    """With raise_error=False a model that fails is asked once, not once more for its missing tables."""

    class Failing(CountingEncoder):
        calls = 0

        def encode(self, inputs, **kwargs):
            self.calls += 1
            raise RuntimeError("out of memory")

    model = Failing()
    result = mteb.evaluate(
        model, mteb.get_task("MiniQARMonolingual"), cache=None, raise_error=False, prediction_folder=tmp_path,
        show_progress_bar=False, co2_tracker=False,
    )  # fmt: skip
    assert "out of memory" in result.exceptions[0].exception
    assert model.calls == 1


def test_a_table_that_cannot_be_completed_is_named(tmp_path):
    """If ranking a cached subset again fails, the run's result is returned and a warning names the subset."""

    class Failing(CountingEncoder):
        def encode(self, inputs, **kwargs):
            raise RuntimeError("out of memory")

    run(tmp_path, ["MiniQARMonolingual"], ["deu"], predictions=False)
    with pytest.warns(UserWarning, match="MiniQARMonolingual: no rank tables for de: RuntimeError: out of memory"):
        result = run(tmp_path, ["MiniQARMonolingual"], ["deu"], model=Failing())
    assert result.task_results[0].get_score() > 0


def test_tables_of_an_aggregate_are_completed_too():
    """Tasks inside of a benchmark, a list or an aggregate are found, tasks of others are not."""
    mono, other = mteb.get_task("MiniQARMonolingual"), mteb.get_task("NFCorpus")

    class Aggregate:
        metadata = type("Metadata", (), {"tasks": [mono, other]})

    assert list(our_tasks([Aggregate(), other])) == [mono]
    assert [task.metadata.name for task in our_tasks(mteb.get_benchmark("XQuAD-R"))] == [
        "XQuADRMonolingual", "XQuADRCrossLingual", "XQuADRMultilingual",
    ]  # fmt: skip
    assert list(our_tasks(mono)) == [mono]


def test_another_precision_has_tables_of_its_own(tmp_path):
    """MTEB files results of another output precision apart, and so are the tables."""
    task = mteb.get_task("MiniQARMonolingual", hf_subsets=["de"])
    for options in ({}, {"precision": "int8"}):
        mteb.evaluate(
            CountingEncoder(), task, cache=None, prediction_folder=tmp_path, encode_kwargs=dict(options),
            show_progress_bar=False, co2_tracker=False,
        )  # fmt: skip
    tables = sorted(path.relative_to(tmp_path).parent.parent.as_posix() for path in tmp_path.rglob("*.parquet"))
    assert len(tables) == 2
    assert tables[0] == FOLDER
    assert tables[1].startswith(f"{FOLDER}/experiments/")


def test_a_folder_that_cannot_be_written_is_refused_before_the_run(tmp_path):
    """The first table may come after hours of encoding."""
    (tmp_path / "predictions").touch()
    model = CountingEncoder()
    with pytest.raises(ResultsError, match=r"--prediction-folder: .* cannot be written: .*name another folder"):
        run(tmp_path, ["MiniQARMonolingual"], ["deu"], model=model)
    assert not model.seen


def test_a_damaged_table_is_written_again(tmp_path):
    """A table that cannot be read counts as missing."""
    run(tmp_path, ["MiniQARMonolingual"], ["deu"])
    path = tmp_path / "predictions" / FOLDER / "MiniQARMonolingual" / "test.de.parquet"
    path.write_bytes(path.read_bytes()[:200])
    run(tmp_path, ["MiniQARMonolingual"], ["deu"])
    assert len(RankTable.read(path).rows) == 48


def test_nothing_is_ranked_again_when_no_table_is_missing(tmp_path):
    """A run whose scores and tables exist does not call the model."""
    run(tmp_path, ["MiniQARMonolingual"], ["deu"])
    model = CountingEncoder()
    run(tmp_path, ["MiniQARMonolingual"], ["deu"], model=model)
    assert not model.seen


def test_ties_favour_no_language(tmp_path):
    """With all embeddings equal, every language's relevant passages have about the mean rank of the pool."""

    class Constant(CountingEncoder):
        def vector(self, text):
            return np.ones(4, dtype=np.float32)

    result = run(tmp_path, ["MiniQARMultilingual"], ["deu"], model=Constant()).task_results[0].scores["test"][0]
    means = np.array([value for name, value in result.items() if name.startswith("mean_rank_")])
    pool = 11 * 144
    # a random rank has standard deviation pool / sqrt(12); a mean of 48 of them leaves 5 of its own with p < 1e-6
    assert np.abs(means - (pool + 1) / 2).max() < 5 * pool / np.sqrt(12 * 48)
    assert len(means) == 11
