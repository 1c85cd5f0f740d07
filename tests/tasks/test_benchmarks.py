"""Our benchmarks in MTEB's hands: found by name, run, and read by its own table functions."""

from __future__ import annotations

import mteb
import pytest
from task_names import BENCHMARKS

from mteb_hybrid.tasks import benchmarks as ours


@pytest.mark.parametrize("name", BENCHMARKS)
def test_every_benchmark_is_known_with_its_tasks_and_citations(name):
    """mteb.get_benchmark finds it; every paper that its data come from is cited."""
    benchmark = mteb.get_benchmark(name)
    assert [task.metadata.name for task in benchmark.tasks] == BENCHMARKS[name]
    assert "2408.10536" in benchmark.citation
    expected = {
        "XQuADR": "artetxe-etal-2020-cross",
        "MLQAR": "lewis-etal-2020-mlqa",
        "MIRACL": "zhang-etal-2023-miracl",
    }
    for family, key in expected.items():
        assert (key in benchmark.citation) == any(task.startswith(family) for task in BENCHMARKS[name])


def test_no_beta_task_is_in_a_benchmark():
    """MTEB advises against beta tasks in benchmarks; ours say what they leave out."""
    for benchmark in ours.benchmarks():
        assert not any(task.metadata.is_beta for task in benchmark.tasks)
        if "MIRACL" in benchmark.description:
            assert "cross-lingual task" in benchmark.description


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*Missing subsets")
def test_mtebs_tables_read_a_run(tmp_path, lareqa_data):
    """A run of MLQA-R's benchmark fills to_dataframe and get_benchmark_result with its main scores."""
    benchmark = mteb.get_benchmark("MLQA-R")
    cache = mteb.ResultCache(tmp_path)
    model = mteb.get_model("mteb-hybrid/char-ngram")
    result = mteb.evaluate(model, benchmark, cache=cache, show_progress_bar=False, co2_tracker=False)
    results = cache.load_results(tasks=benchmark, include_remote=False, require_model_meta=False)
    frame = results.to_dataframe(aggregation_level="task")
    column = next(name for name in frame.columns if "char-ngram" in name)
    scores = dict(zip(frame["task_name"], frame[column], strict=True))
    expected = {one.task_name: one.get_score() for one in result.task_results}
    assert scores == pytest.approx(expected, abs=1e-6)
    table = results.get_benchmark_result()
    assert len(table) == 1
    assert table["Mean (Task)"].item() == pytest.approx(sum(expected.values()) / 3, abs=1e-4)
    assert set(expected) == set(results.task_names)
