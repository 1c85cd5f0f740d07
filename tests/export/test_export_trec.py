"""Runs for trec_eval: trec_eval itself reads our order and our scores from them."""

from __future__ import annotations

import math
from itertools import pairwise

import mteb
import numpy as np
import pyarrow as pa
import pytest
import pytrec_eval
from encoders import CountingEncoder
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from mteb_hybrid.cli import app
from mteb_hybrid.errors import RankTableError, ResultsError
from mteb_hybrid.export import export_beir, export_runs
from mteb_hybrid.export.trec import run_scores
from mteb_hybrid.rank_table import TableInfo, list_column, table_path, write_rank_table

MINI = {"MiniQARMonolingual": ["de", "zh"], "MiniQARCrossLingual": ["en-de"], "MiniQARMultilingual": ["de", "th"]}
INFO = TableInfo(
    model="maker/model", revision="abc", task="Task", split="test", subset="en", query_language="en", pool={"en": 9},
    parallel=True, dataset_revision="1", similarity="cosine",
)  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Scores by task and subset, and the prediction folder, of a run whose lists hold whole pools."""
    folder = tmp_path_factory.mktemp("predictions")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("MTEB_HYBRID_LIST_DEPTH", "5000")
        tasks = [mteb.get_task(name, hf_subsets=subsets) for name, subsets in MINI.items()]
        results = mteb.evaluate(
            CountingEncoder(), tasks, cache=None, prediction_folder=folder, show_progress_bar=False, co2_tracker=False
        )
    return {
        one.task_name: {row["hf_subset"]: row for row in one.scores["test"]} for one in results.task_results
    }, folder


def parsed(path):
    with path.open(encoding="utf-8") as file:
        return pytrec_eval.parse_run(file)


@pytest.mark.parametrize("name", MINI)
def test_trec_eval_has_our_scores(name, run, tmp_path):
    """pytrec_eval on the exported run and judgments: every measure that both have, to 1e-9, on the whole ranking."""
    scores, predictions = run
    folders = export_beir(mteb.get_task(name, hf_subsets=MINI[name]), tmp_path)
    runs = export_runs([predictions], name, tmp_path)
    assert [path.relative_to(tmp_path).as_posix() for path in runs] == [
        f"{subset}/runs/test/test__encoder@1.trec" for subset in sorted(MINI[name])
    ]
    cuts = (1, 3, 5, 10, 20, 100, 1000)
    theirs = {"map_cut": "map", "ndcg_cut": "ndcg", "recall": "recall", "P": "precision", "success": "hit_rate"}
    measures = {f"{one}.{','.join(map(str, cuts))}" for one in theirs}
    for folder, path in zip(folders, runs, strict=True):
        with (folder / "qrels" / "test.trec").open(encoding="utf-8") as file:
            judged = pytrec_eval.parse_qrel(file)
        found = pytrec_eval.RelevanceEvaluator(judged, {"map", "recip_rank", *measures}).evaluate(parsed(path))
        assert len(found) == 48
        ours = scores[name][folder.name]
        names = {"map": "map", "recip_rank": "mrr"}
        names |= {f"{one}_{k}": f"{our}_at_{k}" for one, our in theirs.items() for k in cuts}
        for measure, our in names.items():
            assert np.mean([row[measure] for row in found.values()]) == pytest.approx(ours[our], abs=1e-9), measure


def test_a_line(run, tmp_path):
    """Query, Q0, passage, rank from 1, a score near the table's, and the name of the file as tag."""
    (path,) = export_runs([run[1]], "MiniQARMonolingual", tmp_path, ["de"])
    lines = [line.split(" ") for line in path.read_text(encoding="utf-8").splitlines()]
    assert len(lines) == 48 * 144
    assert {(line[1], line[5]) for line in lines} == {("Q0", "test__encoder@1")}
    assert [int(line[3]) for line in lines] == [*range(1, 145)] * 48
    assert all(float(a[4]) >= float(b[4]) for a, b in pairwise(lines) if a[0] == b[0])
    assert all(-1 <= float(line[4]) <= 1 for line in lines)


def write_lists(folder, lists, info=INFO, **changes):
    """A rank table whose rows have these lists, (id, score) best first."""
    info = TableInfo(**{name: getattr(info, name) for name in info.__dataclass_fields__} | changes)
    lengths = np.array([len(one) for one in lists.values()])
    flat = [pair for one in lists.values() for pair in one]
    empty = [[]] * len(lists)
    columns = {
        "query_id": list(lists), "relevant_id": empty, "relevant_language": empty, "relevant_grade": empty,
        "rank": empty,
        "top_id": list_column(np.array([one for one, _ in flat], dtype=object), lengths),
        "top_language": list_column(np.array(["en"] * len(flat), dtype=object), lengths),
        "top_score": list_column(np.array([score for _, score in flat], dtype=np.float64), lengths),
    }  # fmt: skip
    model = f"{info.model}/{info.revision}"
    path = table_path(folder, model, info.task, info.split, info.subset)
    write_rank_table(path, info, columns)
    return path


def trec_evals_order(run: dict[str, float]) -> list[str]:
    """Passages in the order of trec_eval's own code: a query for each, whose only relevant passage it is."""
    judged = {one: {one: 1} for one in run}
    found = pytrec_eval.RelevanceEvaluator(judged, {"recip_rank"}).evaluate(dict.fromkeys(run, run))
    return sorted(run, key=lambda one: -found[one]["recip_rank"])


@st.composite
def score_lists(draw):
    """Scores, best first, that float32 cannot tell apart or cannot hold, and ids in any order."""
    special = [0.0, -0.0, 1e-12, 1e-46, -1e-46, 1e-40, 5e-324, 1.0, 16777217.0, 3.4028235e38, 1e300, -1e300, -3.5e38]
    finite = st.floats(-1e308, 1e308)
    base = st.one_of(st.sampled_from([*special, np.inf, -np.inf]), finite, st.floats(-1, 1))
    scores = []
    for one in draw(st.lists(base, min_size=1, max_size=8)):
        kind = draw(st.sampled_from(["alone", "tie", "near", "next"]))
        scores.append(one)
        if kind != "alone":
            for step in range(draw(st.integers(1, 4))):
                near = {"tie": one, "near": one * (1 - step * 1e-12), "next": math.nextafter(scores[-1], -math.inf)}[
                    kind
                ]
                scores.append(near)
    ids = draw(st.permutations([f"d{number}" for number in range(len(scores))]))
    return list(zip(ids, sorted(scores, reverse=True), strict=True))


@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(best=score_lists())
def test_trec_eval_reads_our_order(best, tmp_path_factory):
    """Whatever scores and ties there are: from the file, trec_eval makes the order that the table has."""
    folder = tmp_path_factory.mktemp("lists")
    write_lists(folder, {"q": best})
    (path,) = export_runs([folder], "Task", folder)
    assert trec_evals_order(parsed(path)["q"]) == [one for one, _ in best]


def test_plain_rounding_would_not_do():
    """The lists of the property above do need it: trec_eval has another order for scores as they are."""
    best = [("a", 0.5), ("b", 0.5 - 1e-12), ("c", 0.25)]
    assert trec_evals_order(dict(best)) == ["b", "a", "c"]


@settings(deadline=None)
@given(best=score_lists())
def test_scores_move_as_little_as_can_be(best):
    """A score that keeps its place by itself is its float32; the others are at most a step for each passage below."""
    ids, scores = [one for one, _ in best], np.array([score for _, score in best])
    found = run_scores(ids, scores)
    assert found.dtype == np.float32
    assert np.isfinite(found).all()
    with np.errstate(over="ignore"):
        plain = scores.astype(np.float32)
    if np.isfinite(plain).all() and np.abs(plain).max() < 3e38:
        if all(a > b for a, b in pairwise(plain.tolist())):
            assert found.tolist() == plain.tolist()
        lowest = plain.copy()
        for _ in ids:
            lowest = np.nextafter(lowest, np.float32(-np.inf))
        highest = np.maximum(plain, np.float32(0) * plain)
        assert (lowest <= found).all()
        assert (found <= np.where(plain == 0, highest, plain)).all()


def test_ties_in_the_order_of_ids_stay_ties():
    """Equal scores need no help where ids descend; where they ascend, each is a step lower."""
    assert run_scores(["c", "b", "a"], np.full(3, 0.5)).tolist() == [0.5] * 3
    half = np.float32(0.5)
    step = np.nextafter(half, np.float32(0))
    assert run_scores(["a", "b"], np.full(2, 0.5)).tolist() == [half, step]
    assert run_scores(["b", "a"], np.array([0.5, 0.5 - 1e-12])).tolist() == [half, step]
    assert run_scores([], np.empty(0)).tolist() == []


def test_no_lists_says_what_to_do(tmp_path):
    """Of a monolingual task nothing is kept unless it is asked for; no file is left."""
    task = mteb.get_task("MiniQARMonolingual", hf_subsets=["de"])
    with pytest.MonkeyPatch.context() as patched:
        patched.delenv("MTEB_HYBRID_LIST_DEPTH", raising=False)
        mteb.evaluate(CountingEncoder(), task, cache=None, prediction_folder=tmp_path / "p", co2_tracker=False)
    with pytest.raises(ResultsError, match="MTEB_HYBRID_LIST_DEPTH=1000 and the same prediction folder"):
        export_runs([tmp_path / "p"], "MiniQARMonolingual", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_models_without_lists_do_not_stop_the_others(tmp_path, caplog):
    """Runs are written of the models that have lists; for the others a warning names model, subsets and what to do."""
    lists, bare = {"empty": [], "q": [("a", 1.0)]}, {"q": [], "r": []}
    write_lists(tmp_path / "p", lists)
    write_lists(tmp_path / "p", lists, model="other/full")
    for subset in ("de", "en"):
        write_lists(tmp_path / "p", bare, model="other/bare", subset=subset)
    written = export_runs([tmp_path / "p"], "Task", tmp_path / "out")
    assert [path.name for path in written] == ["maker__model@abc.trec", "other__full@abc.trec"]
    assert sorted(path for path in (tmp_path / "out").rglob("*") if path.is_file()) == written
    (warning,) = caplog.messages
    assert "other/bare abc on Task de, en" in warning
    assert "MTEB_HYBRID_LIST_DEPTH=1000 and the same prediction folder" in warning


def test_what_cannot_be_exported_is_said(tmp_path):
    """No table of a subset, two of one, other data, white space in an id, a damaged file."""
    lists = {"q": [("a", 1.0)], "empty": []}
    path = write_lists(tmp_path / "one", lists)
    write_lists(tmp_path / "two", lists)
    for arguments, message in (
        (([tmp_path / "one"], "Tusk"), "no rank table of Tusk"),
        (([tmp_path / "one"], "Task", ["de"]), "no rank table of Task de"),
        (([tmp_path / "one", tmp_path / "two"], "Task"), "are two tables of one model and subset"),
        (([tmp_path / "one"], "Task", None, "2"), "is of the data 1, the task is of 2"),
        (([tmp_path / "none"], "Task"), "is not a folder"),
    ):
        task, rest = arguments[1], arguments[2:]
        with pytest.raises(ResultsError, match=message):
            export_runs(arguments[0], task, tmp_path / "out", *rest)
    write_lists(tmp_path / "space", {"q": [("a", 1.0), ("b c", 0.5)]})
    with pytest.raises(ResultsError, match="the id 'b c' has white space"):
        export_runs([tmp_path / "space"], "Task", tmp_path / "out")
    content = bytearray(path.read_bytes())
    content[20] ^= 255
    path.write_bytes(content)
    with pytest.raises(RankTableError, match="altered"):
        export_runs([tmp_path / "one"], "Task", tmp_path / "out")
    assert not [path for path in (tmp_path / "out").rglob("*") if path.is_file()]


def test_every_model_split_and_experiment_has_a_file(tmp_path):
    """Names that differ in the model, the revision, the experiment, the split or the subset never meet."""
    lists = {"q": [("a", 1.0)], "empty": []}
    for number, changes in enumerate(
        [{}, {"revision": "abcdefgh1"}, {"revision": "abcdefgh2"}, {"split": "dev"}, {"subset": "de"},
         {"model": "other/my model"}, {"experiment": "precision=int8"}]
    ):  # fmt: skip
        write_lists(tmp_path / str(number), lists, **changes)
    folder = tmp_path / "out"
    written = export_runs([tmp_path], "Task", folder)
    assert sorted(path.relative_to(folder).as_posix() for path in written) == [
        "de/runs/test/maker__model@abc.trec",
        "en/runs/dev/maker__model@abc.trec",
        "en/runs/test/maker__model@abc.trec",
        "en/runs/test/maker__model@abc@precision=int8.trec",
        "en/runs/test/maker__model@abcdefgh1.trec",
        "en/runs/test/maker__model@abcdefgh2.trec",
        "en/runs/test/other__my_model@abc.trec",
    ]
    assert all(len(path.read_text().split()) == 6 for path in written)


def test_tables_are_read_some_rows_at_a_time(tmp_path, monkeypatch):
    """Lists come out in the order of the table, whatever is read at once."""
    monkeypatch.setattr("mteb_hybrid.export.trec._AT_ONCE", 3)
    lists = {f"q{number}": [(f"d{number}", 0.5), ("x", 0.25)] for number in range(10)}
    path = write_lists(tmp_path, lists)
    assert len(pa.parquet.read_table(path)) == 10
    (run,) = export_runs([tmp_path], "Task", tmp_path / "out")
    assert {query: list(found) for query, found in parsed(run).items()} == {
        query: [one for one, _ in best] for query, best in lists.items()
    }


def test_command(run, tmp_path):
    """--predictions writes the runs beside the judgments, of the named subsets only."""
    arguments = ["export", "MiniQARMultilingual", "--output", str(tmp_path), "--subset", "th", "--predictions"]
    done = CliRunner().invoke(app, [*arguments, str(run[1])])
    assert done.exit_code == 0, done.output
    assert done.output.split() == [str(tmp_path / "th"), str(tmp_path / "th/runs/test/test__encoder@1.trec")]
    assert sorted(path.name for path in (tmp_path / "th").iterdir()) == [
        "corpus.jsonl", "qrels", "queries.jsonl", "runs", "task.json",
    ]  # fmt: skip


def test_predictions_are_looked_at_first(tmp_path, monkeypatch):
    """No folder, no tables, tables without lists or of other data: said before data is loaded or a file written."""
    name = "MiniQARMonolingual"
    revision = mteb.get_task(name).metadata.dataset["revision"]
    monkeypatch.setattr(type(mteb.get_task(name)), "load_data", lambda *_, **__: pytest.fail("data was loaded"))
    (tmp_path / "empty").mkdir()
    lists = {"q": [("a", 1.0)]}
    write_lists(tmp_path / "bare", {"q": []}, task=name, subset="de", dataset_revision=revision)
    write_lists(tmp_path / "old", lists, task=name, subset="de", dataset_revision="of old")
    write_lists(tmp_path / "other", lists, task=name, subset="en", dataset_revision=revision)
    for folder, message in (
        ("none", "is not a folder"),
        ("empty", "there is no rank table of MiniQARMonolingual de"),
        ("other", "there is no rank table of MiniQARMonolingual de"),
        ("bare", "no rank table of MiniQARMonolingual has lists"),
        ("old", "is of the data of old"),
    ):
        arguments = ["export", name, "--output", str(tmp_path / "out"), "--subset", "de", "--predictions"]
        done = CliRunner().invoke(app, [*arguments, str(tmp_path / folder)])
        assert isinstance(done.exception, ResultsError), folder
        assert message in str(done.exception)
        assert not (tmp_path / "out").exists()
