"""What takes all query languages at once: from the rank tables alone, and absent where one is missing."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import mteb
import numpy as np
import pytest
from encoders import CountingEncoder, hashed_vector
from typer.testing import CliRunner

from mteb_hybrid import cli
from mteb_hybrid.across import across_languages
from mteb_hybrid.collections import miniqa_r
from mteb_hybrid.errors import RankTableError
from mteb_hybrid.metrics.ranks import QueryRanks
from mteb_hybrid.rank_table import RankTable, write_rank_table
from mteb_hybrid.reporting import read_pooled

TABLES = "predictions/test__encoder/1/MiniQARMultilingual"
LANGUAGES = miniqa_r().languages


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of the pooled MiniQA-R by hash vectors, in the folders of `mteb run`."""
    folder = tmp_path_factory.mktemp("run")
    mteb.evaluate(
        CountingEncoder(),
        mteb.get_tasks(tasks=["MiniQARMultilingual"]),
        cache=mteb.ResultCache(folder),
        prediction_folder=folder / "predictions",
        show_progress_bar=False,
        co2_tracker=False,
    )
    return folder


@pytest.fixture(scope="module")
def lists():
    """Every question's whole pooled list by a plain sort: language to question id to rows, and the relevant rows."""
    parts = {language: miniqa_r().load(language) for language in LANGUAGES}
    passages = unit([text for part in parts.values() for text in part.passages])
    first = dict(zip(LANGUAGES, np.cumsum([0, *(len(part.passages) for part in parts.values())]), strict=False))
    ranked = {
        language: {
            query: np.argsort(-row).tolist()
            for query, row in zip(part.query_ids, unit(part.queries) @ passages.T, strict=True)
        }
        for language, part in parts.items()
    }
    relevant: dict[str, dict[str, int]] = {}
    for language, part in parts.items():
        for query, (position,) in zip(part.query_ids, part.relevant, strict=True):
            relevant.setdefault(query, {})[language] = int(first[language]) + position
    return ranked, relevant


def unit(texts):
    vectors = np.stack([hashed_vector(text) for text in texts]).astype(np.float64)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def tables(run):
    return [RankTable.read(path) for path in sorted((run / TABLES).glob("*.parquet"))]


def test_consistency_equals_overlaps_of_plain_sorts(run, lists):
    """Mean rank-biased overlap over the other ten languages, question by question, from sets that grow by depth."""
    ranked, _ = lists
    found = across_languages(tables(run))
    for language in ("de", "zh"):
        values = [
            np.mean([overlap(own, ranked[other][query]) for other in LANGUAGES if other != language])
            for query, own in ranked[language].items()
        ]
        assert found.consistency[language] == pytest.approx(np.mean(values), abs=1e-9)
    assert found.scores()["query_language_consistency"] == pytest.approx(np.mean(list(found.consistency.values())))
    assert found.consistency_left_out == 0


def overlap(a, b):
    return 0.1 * sum(0.9 ** (d - 1) * len(set(a[:d]) & set(b[:d])) / d for d in range(1, 101))


def test_single_target_matrix_equals_pools_without_the_other_answers(run, lists):
    """The pool of each question really loses its ten other answers; 1 / rank of the one that is left."""
    ranked, relevant = lists
    found = across_languages(tables(run)).single_target
    assert len(found.cell) == len(LANGUAGES) ** 2
    for query_language, target in (("de", "de"), ("de", "ar"), ("th", "en")):
        values = []
        for query, rows in ranked[query_language].items():
            gone = set(relevant[query].values()) - {relevant[query][target]}
            left = [row for row in rows if row not in gone]
            values.append(1 / (1 + left.index(relevant[query][target])))
        assert found.cell[query_language, target] == pytest.approx(np.mean(values), abs=1e-12)


def test_nothing_is_ranked_or_encoded_again(run, monkeypatch):
    """The report works where no encoder and no kernel can be had."""
    monkeypatch.setattr("mteb_hybrid.ranking.RankCounter.count", None)
    monkeypatch.setattr(CountingEncoder, "encode", None)
    (found,) = read_pooled([run])[0]
    assert found.scores().keys() == {
        "query_language_consistency", "single_target_map", "single_target_map_same", "single_target_map_other",
        "single_target_map_gap",
    }  # fmt: skip


def test_a_run_with_all_query_languages_writes_them_beside_the_tables(run):
    """test.across.json holds the scores, the consistency of each language and the matrix."""
    content = json.loads((run / TABLES / "test.across.json").read_text(encoding="utf-8"))
    found = across_languages(tables(run))
    assert content["scores"] == found.scores()
    assert content["query_language_consistency"] == found.consistency
    assert content["single_target_map"]["th"]["en"] == found.single_target.cell["th", "en"]
    assert (content["task"], content["model"]) == ("MiniQARMultilingual", "test/encoder")
    assert content["dataset_revision"] == found.dataset_revision


def test_a_run_without_all_of_them_does_not(tmp_path):
    """Two of eleven query languages: no file, and no score made of a part."""
    task = mteb.get_task("MiniQARMultilingual", hf_subsets=["de", "en"])
    mteb.evaluate(CountingEncoder(), task, cache=None, prediction_folder=tmp_path / "predictions", co2_tracker=False)
    assert not list(tmp_path.rglob("*.across.json"))
    assert read_pooled([tmp_path])[0] == []


def test_the_last_language_completes_what_earlier_runs_left(run, tmp_path):
    """A later run of one language, in the folder that has the tables of the others, writes the file."""
    shutil.copytree(run / "predictions", tmp_path / "predictions")
    (tmp_path / TABLES / "test.across.json").unlink()
    (tmp_path / TABLES / "test.de.parquet").unlink()
    task = mteb.get_task("MiniQARMultilingual", hf_subsets=["de"])
    mteb.evaluate(CountingEncoder(), task, cache=None, prediction_folder=tmp_path / "predictions", co2_tracker=False)
    written = json.loads((tmp_path / TABLES / "test.across.json").read_text(encoding="utf-8"))
    assert written == json.loads((run / TABLES / "test.across.json").read_text(encoding="utf-8"))


def test_a_damaged_table_is_a_warning_at_the_end_of_a_run(run, tmp_path):
    """The run is done and its result returned, whatever lies in the prediction folder."""
    shutil.copytree(run / "predictions", tmp_path / "predictions")
    (tmp_path / TABLES / "test.en.parquet").write_bytes(b"PAR1")
    task = mteb.get_task("MiniQARMultilingual", hf_subsets=["de"])
    with pytest.warns(UserWarning, match=r"no scores across query languages.*test\.en\.parquet"):
        result = mteb.evaluate(
            CountingEncoder(), task, cache=None, prediction_folder=tmp_path / "predictions", co2_tracker=False
        )
    assert result.task_results[0].get_score() > 0


def test_the_report_shows_bias(run):
    """`mteb-hybrid report` prints the JSON's scores and those from the tables, macro-averaged."""
    shown = CliRunner().invoke(cli.app, ["report", str(run)]).output
    (path,) = (run / "results").rglob("MiniQARMultilingual.json")
    rows = json.loads(path.read_text(encoding="utf-8"))["scores"]["test"]
    cells = {
        parts[0]: parts[-1]
        for line in shown.splitlines()
        if len(parts := [cell.strip() for cell in line.strip("│").split("│")]) == 3
    }
    for score in ("rank_distance_normalized", "exposure_fairness_at_100", "query_language_share_at_10"):
        assert cells[score] == f"{np.mean([row[score] for row in rows]):.4f}"
    for score, value in across_languages(tables(run)).scores().items():
        assert float(cells[score]) == pytest.approx(value, abs=5.1e-5)


def test_predictions_elsewhere(run, tmp_path):
    """--predictions names a folder that is not below the results."""
    shutil.copytree(run / "results", tmp_path / "results")
    without = CliRunner().invoke(cli.app, ["report", str(tmp_path)]).output
    given = CliRunner().invoke(cli.app, ["report", str(tmp_path), "--predictions", str(run / "predictions")]).output
    assert "query_language_consistency" not in without
    assert "query_language_consistency" in given
    missing = CliRunner().invoke(cli.app, ["report", str(tmp_path), "--predictions", str(Path("nowhere"))])
    assert missing.exit_code != 0


def test_no_consistency_where_questions_are_not_parallel(run):
    """Ids that are shared by chance, as MIRACL's, are not taken for one question."""
    foreign = [RankTable(dataclasses.replace(table.info, parallel=False), table.rows) for table in tables(run)]
    assert across_languages(foreign).scores() == {}


def test_query_ranks_of_a_table_have_languages(run):
    """The languages of the relevant passages come back with their ranks."""
    table = tables(run)[0]
    ranks = table.query_ranks()
    assert isinstance(ranks, QueryRanks)
    names = list(table.info.pool)
    flat = [language for row in table.rows.column("relevant_language").to_pylist() for language in row]
    assert [names[i] for i in ranks.languages()] == flat


def test_a_variant_of_a_model_is_another_row(run, tmp_path):
    """Tables below experiments/ neither replace nor mix with those of the model itself."""
    folder = tmp_path / TABLES
    shutil.copytree(run / TABLES, folder)
    variant = folder.parent / "experiments" / "output_dtypes_int8" / folder.name
    for table in tables(run):
        info = dataclasses.replace(table.info, experiment="output_dtypes_int8")
        columns = {name: table.rows.column(name).combine_chunks() for name in table.rows.column_names}
        write_rank_table(variant / f"test.{table.info.subset}.parquet", info, columns)
    assert [one.model for one in read_pooled([tmp_path])[0]] == ["test/encoder", "test/encoder (output_dtypes_int8)"]


def test_tables_of_two_runs_are_not_mixed(run, tmp_path):
    """Two tables of one query language: an error that says so, and no score made of both."""
    shutil.copytree(run / "predictions", tmp_path / "other")
    with pytest.raises(RankTableError, match="different runs"):
        read_pooled([run, tmp_path])
