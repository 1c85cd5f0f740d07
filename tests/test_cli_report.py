"""The command `mteb-hybrid report` on the terminal."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest
from installed_commands import command, report
from typer.testing import CliRunner

from mteb_hybrid import cli
from mteb_hybrid.errors import ResultsError


def write_result(
    folder: Path, task: str, rows: dict[str, dict[str, float]], *, model: str = "someone/model", revision: str = "r1"
) -> Path:
    """A result file in MTEB's layout."""
    place = folder / "results" / model.replace("/", "__") / revision
    place.mkdir(parents=True, exist_ok=True)
    (place / "model_meta.json").write_text(json.dumps({"name": model, "revision": revision}), encoding="utf-8")
    content = {
        "dataset_revision": "d1",
        "task_name": task,
        "mteb_version": "2.20.0",
        "evaluation_time": 1.5,
        "scores": {
            "test": [
                {"hf_subset": subset, "languages": ["deu-Latn"], "main_score": scores.get("map", 0.0), **scores}
                for subset, scores in rows.items()
            ]
        },
    }
    path = place / f"{task}.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Results of one model in the three settings, with averages that are easy to do by hand."""
    write_result(
        tmp_path,
        "MiniQARMonolingual",
        {"de": {"map": 0.5, "recall_at_1": 0.25}, "en": {"map": 0.25, "recall_at_1": 0.5}},
    )
    write_result(
        tmp_path,
        "MiniQARCrossLingual",
        {
            "de-en": {"map": 0.1, "recall_at_1": 0.0},
            "de-es": {"map": 0.2, "recall_at_1": 0.3},
            "en-de": {"map": 0.6, "recall_at_1": 0.6},
        },
    )
    write_result(
        tmp_path,
        "MiniQARMultilingual",
        {
            "de": {"map": 0.3, "recall_at_10": 0.9, "rank_distance": 1000.0},
            "en": {"map": 0.4, "recall_at_10": 0.7, "rank_distance": 2001.0},
        },
    )
    return tmp_path


class TestReport:
    """`mteb-hybrid report`."""

    def test_macro_averages(self, results: Path) -> None:
        """The model's row holds the means over subsets, done by hand, in the paper's columns."""
        rows = report(results)
        scores = ["Mo. mAP", "Cr. mAP", "Mul. mAP", "Mo. R@1", "Cr. R@1", "Mul. R@10", "Rank distance"]
        assert ["Model", *scores, "Subsets", "Revision"] in rows
        # .75/2, .9/3, .7/2, .75/2, .9/3, 1.6/2, 3001/2
        means = ["0.3750", "0.3000", "0.3500", "0.3750", "0.3000", "0.8000", "1,500.5"]
        assert ["someone/model", *means, "2 + 3 + 2", "r1"] in rows

    def test_a_variant_of_a_model_has_a_row_of_its_own(self, tmp_path: Path) -> None:
        """Results below experiments/ do not replace those of the model itself."""
        plain = write_result(tmp_path, "XQuADRMonolingual", {"de": {"map": 0.875}})
        variant = plain.parent / "experiments" / "int8" / plain.name
        variant.parent.mkdir(parents=True)
        variant.write_text(plain.read_text(encoding="utf-8").replace("0.875", "0.125"), encoding="utf-8")
        rows = {row[0]: row[1] for row in report(tmp_path, "--no-languages") if row[0].startswith("someone")}
        assert rows == {"someone/model": "0.8750", "someone/model (int8)": "0.1250"}

    def test_query_languages(self, results: Path) -> None:
        """Below it each query language; its cross-lingual value is the mean over the corpus languages."""
        rows = report(results)
        assert ["Query", "Mo. mAP", "Cr. mAP", "Mul. mAP", "Rank distance"] in rows
        assert ["de", "0.5000", "0.1500", "0.3000", "1,000.0"] in rows
        assert ["en", "0.2500", "0.6000", "0.4000", "2,001.0"] in rows
        assert not any(row[0] in {"de", "en", "Query"} for row in report(results, "--no-languages"))

    def test_splits(self, tmp_path: Path) -> None:
        """Test before dev before any other; a collection with a split of another name is reported too."""
        for task, splits in (("AMonolingual", ("dev", "test")), ("BMonolingual", ("validation",))):
            path = tmp_path / "someone__model" / "r1" / f"{task}.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            rows = {split: [{"hf_subset": "de", "languages": [], "map": len(split) / 10}] for split in splits}
            path.write_text(json.dumps({"dataset_revision": "1", "task_name": task, "scores": rows}))
        found = [row[1] for row in report(tmp_path, "--no-languages") if row[0] == "someone/model"]
        assert found == ["0.4000", "1.0000"]

    def test_settings_that_were_not_run(self, tmp_path: Path) -> None:
        """A dash for a setting that is not there, and for a score that a subset lacks: no mean of a part."""
        rows = {"de": {"map": 0.5, "recall_at_1": 0.25}, "en": {"map": 0.25}}
        write_result(tmp_path, "XQuADRMonolingual", rows)
        assert ["someone/model", "0.3750", "-", "-", "-", "-", "-", "-", "2", "r1"] in report(tmp_path)

    def test_models_collections_and_folders(self, results: Path, tmp_path: Path) -> None:
        """Every model of every folder has a row in its collection's table."""
        more = tmp_path / "more"
        write_result(more, "MiniQARMonolingual", {"de": {"map": 1.0}}, model="another/model")
        write_result(more, "XQuADRMultilingual", {"de": {"map": 0.125, "rank_distance": 7.0}}, model="another/model")
        shutil.move(results / "results", tmp_path / "first")
        rows = report(tmp_path / "first", more, "--no-languages")
        titles = [row[0] for row in rows if len(row) == 1 and "macro-average" in row[0]]
        assert [title.split(":")[0] for title in titles] == ["MiniQAR", "XQuADR"]
        models = [row for row in rows if "/model" in row[0]]
        assert [row[0] for row in models] == ["another/model", "someone/model", "another/model"]
        assert models[0][1] == "1.0000"
        assert models[2][3] == "0.1250"
        assert models[2][7] == "7.0"

    def test_results_of_different_data_are_not_averaged(self, tmp_path: Path) -> None:
        """Two states of one task's data for one model: an error that names both revisions."""
        write_result(tmp_path / "a", "MIRACLMonolingual", {"fi": {"map": 0.5}})
        other = write_result(tmp_path / "b", "MIRACLMonolingual", {"te": {"map": 0.25}})
        other.write_text(other.read_text(encoding="utf-8").replace('"d1"', '"d2"'), encoding="utf-8")
        done = CliRunner().invoke(cli.app, ["report", str(tmp_path)])
        assert isinstance(done.exception, ResultsError)
        assert "revision d1, split test for someone/model, and d2, split test" in str(done.exception)

    def test_name_from_the_folders(self, results: Path) -> None:
        """Without model_meta.json the model's name is read from its folder."""
        for path in results.rglob("model_meta.json"):
            path.unlink()
        assert "someone/model" in [row[0] for row in report(results)]

    def test_missing_folder(self, tmp_path: Path) -> None:
        """The installed script on a missing folder: exit code 2, one line on stderr that names it, no traceback."""
        done = command("report", str(tmp_path / "missing"), cwd=tmp_path)
        assert done.returncode == 2
        assert done.stdout == ""
        assert len(done.stderr.splitlines()) == 1
        assert done.stderr.startswith("error: ")
        assert str(tmp_path / "missing") in done.stderr

    @pytest.mark.parametrize(
        "content",
        [
            '{"scores": {"test": [{"hf_subset": "de", "ma',
            "{}",
            "[]",
            "null",
            '{"scores": []}',
            '{"scores": {"test": [{"map": 0.5}]}}',
            '{"scores": {"test": ["de"]}}',
        ],
    )
    def test_damaged_result(
        self, results: Path, content: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """A file that is no result of MTEB: exit code 2 and one line that names the file."""
        (path,) = results.rglob("MiniQARMultilingual.json")
        path.write_text(content, encoding="utf-8")
        monkeypatch.setattr(sys, "argv", ["mteb-hybrid", "report", str(results)])
        with pytest.raises(SystemExit) as caught:
            cli.main()
        assert caught.value.code == 2
        printed = capsys.readouterr()
        assert len(printed.err.splitlines()) == 1
        assert str(path) in printed.err

    @pytest.mark.parametrize("foreign", [None, "NFCorpus", "WikipediaRetrievalMultilingual"])
    def test_nothing_of_ours(
        self,
        tmp_path: Path,
        foreign: str | None,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """A folder that is empty or holds results of MTEB's own tasks alone: exit code 2 and one line."""
        if foreign is not None:
            write_result(tmp_path, foreign, {"de": {"map_at_10": 0.5, "ndcg_at_10": 0.5, "recall_at_10": 0.5}})
        monkeypatch.setattr(sys, "argv", ["mteb-hybrid", "report", str(tmp_path)])
        with pytest.raises(SystemExit) as caught:
            cli.main()
        assert caught.value.code == 2
        assert len(capsys.readouterr().err.splitlines()) == 1
