"""Reports in other forms than the terminal's: the same numbers, the best marked, nothing that breaks the format."""

from __future__ import annotations

import csv
import io
import json

import pytest
from typer.testing import CliRunner

from mteb_hybrid.cli import app
from mteb_hybrid.errors import ResultsError
from mteb_hybrid.reporting import ModelSummary, read_results
from mteb_hybrid.reporting.formats import FORMATS, format_of, records
from mteb_hybrid.reporting.report_tables import report_tables


def model(name: str, mono: float, pooled: float, distance: float, excess: float) -> ModelSummary:
    """A model on two languages; scores of `es` are half of those of `de`."""
    pool = {"map": pooled, "rank_distance": distance, "language_preference_excess": excess}
    return ModelSummary(
        name,
        "abcdef0123",
        "XQuADR",
        {
            "Monolingual": {"de": {"map": mono}, "es": {"map": mono / 2}},
            "Multilingual": {"de": pool, "es": {key: value / 2 for key, value in pool.items()}},
        },
    )


GOOD, FAIR, BAD = (
    model("a/good_one", 0.9, 0.8, 10.0, -0.1),
    model("a/fair", 0.6, 0.6, 40.0, 0.02),
    model("a/bad", 0.2, 0.1, 90.0, 0.5),
)
MODELS = [GOOD, FAIR, BAD]


def marks(rows, name: str) -> list[str]:
    return next([cell.mark for cell in row] for row in rows if row[0].text == name)


def test_best_and_second_best_are_marked():
    """By what is better: high mAP, low rank distance, an excess near 0; what was not run has no mark."""
    summary, bias, *languages = report_tables(MODELS)
    columns = {heading: number for number, heading in enumerate(summary.headings)}
    for heading in ("Mo. mAP", "Mul. mAP", "Rank distance"):
        assert [row[columns[heading]].mark for row in summary.rows] == ["best", "second", ""]
    assert [row[columns["Cr. mAP"]].text for row in summary.rows] == ["-"] * 3
    assert {row[columns["Cr. mAP"]].mark for row in summary.rows} == {""}
    assert marks(bias.rows, "rank_distance") == ["", "", "best", "second", ""]
    assert marks(bias.rows, "language_preference_excess") == ["", "", "second", "best", ""]
    assert [table.title for table in languages] == [f"{one.model} on XQuADR, by query language" for one in MODELS]


def test_equal_scores_share_a_mark():
    """What looks alike is marked alike; one model alone, or models that are all alike, are not marked."""
    tied = model("a/tied", 0.9, 0.80001, 10.0, -0.1)
    summary = next(report_tables([GOOD, tied, BAD]))
    assert [row[3].mark for row in summary.rows] == ["best", "best", "second"]
    for alike in ([GOOD], [GOOD, tied]):
        assert {cell.mark for table in report_tables(alike) for row in table.rows for cell in row} == {""}


def test_rows_have_a_cell_for_every_heading():
    """In all tables."""
    for table in report_tables(MODELS):
        assert {len(row) for row in table.rows} == {len(table.headings)}


def test_markdown():
    """Best in bold, second underlined; names do not become emphasis."""
    text = FORMATS["markdown"](MODELS)
    line = next(line for line in text.splitlines() if line.startswith(r"| a/good\_one"))
    assert line.startswith(r"| a/good\_one | **0.6750** | - | **0.6000** |")
    assert "| a/fair | <u>0.4500</u> |" in text
    assert "### XQuADR: macro-average over subsets" in text
    assert "by query language" not in FORMATS["markdown"](MODELS, languages=False)
    for block in text.split("### ")[1:]:
        bars = {line.replace(r"\|", "").count("|") for line in block.splitlines() if line.startswith("|")}
        assert len(bars) == 1


def test_latex():
    """Tabulars with as many cells as columns, and no bare special character."""
    odd = ModelSummary("a_b&c%d#{e}~^\\", "r", "XQuADR", GOOD.scores)
    text = FORMATS["latex"]([odd, FAIR])
    assert r"a\_b\&c\%d\#\{e\}\textasciitilde{}\textasciicircum{}\textbackslash{}" in text
    assert r"\textbf{0.6750}" in text
    assert r"\underline{0.4500}" in text
    assert text.count(r"\begin{tabular}") == text.count(r"\end{tabular}") == 4
    for block in text.split(r"\begin{tabular}{")[1:]:
        columns, _, body = block.partition("}\n")
        rows = [line for line in body.splitlines() if line.rstrip().endswith((r"\\", r"\midrule"))]
        assert {row.replace(r"\&", "").count("&") + 1 for row in rows} == {len(columns)}


def test_names_that_are_markup():
    """Whatever a model is called, it is text in Markdown and LaTeX, on one line."""
    odd = ModelSummary("[a](b)`c`</script>\\\nd", "r", "XQuADR", GOOD.scores)
    markdown = FORMATS["markdown"]([odd])
    assert r"\[a\](b)\`c\`\</script\>\\ d" in markdown
    assert {line.count("|") for line in markdown.splitlines() if line.startswith(r"| \[a")} == {11}
    latex = FORMATS["latex"]([odd])
    assert r"{[}a](b)`c`</script>\textbackslash{} d" in latex
    assert not [line for line in latex.splitlines() if line.startswith("[")]  # \\ would take it for its argument


def test_models_of_a_collection_have_the_same_columns():
    """Also where one of them lacks the score that tells what kind of collection it is."""
    rows = {"ndcg_at_10": 0.5, "map": 0.4}
    pooled = {"sw": {**rows, "judged_at_10": 1.0}}
    whole = ModelSummary("a/b", "r", "MIRACL", {"Monolingual": {"sw": rows}, "Multilingual": pooled})
    part = ModelSummary("c/d", "r", "MIRACL", {"Monolingual": {"sw": rows}})
    assert {row["score"] for row in records([whole, part]) if row["model"] == "c/d"} == {"ndcg_at_10"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"scores": {"test": [{"hf_subset": 5, "map": 0.5}]}}, "hf_subset is 5, no text"),
        ({"scores": {"test": [{"map": 0.5}]}}, "hf_subset"),
        ({"scores": {"test": [{"hf_subset": "de", "map": 10**400}]}}, "not a result of MTEB"),
        ({"scores": {"test": [{"hf_subset": "de", "map": 1e16}]}}, "map of 'de' is 1e\\+16, which no score can be"),
        ({"scores": {"test": [{"hf_subset": "\ud800", "map": 0.5}]}}, "not a result of MTEB.*half of a character"),
        ({"scores": {"test": [{"hf_subset": [[[[[["de"]]]]]], "map": 0.5}]}}, "hf_subset is .*, no text"),
        ({"scores": []}, "not a result of MTEB"),
        ({"scores": {"test": [{"hf_subset": "de", "map": "0.5"}]}}, "holds no result .* with the score map"),
        ({"scores": {"test": [{"hf_subset": "de", "map": float("nan")}]}}, "holds no result .* with the score map"),
        ([], "not a result of MTEB"),
    ],
)
def test_damaged_results(tmp_path, content, message):
    """Are said with the file, or the folder."""
    (tmp_path / "XQuADRMonolingual.json").write_text(json.dumps(content))
    with pytest.raises(ResultsError, match=message) as raised:
        read_results(tmp_path)
    assert str(tmp_path) in str(raised.value)


@pytest.mark.parametrize(
    "meta", ["[]", "{", '{"name": "a"}', '{"name": "local/a", "revision": "1", "languages": [5, "deu-Latn"]}']
)
def test_damaged_metadata(results, meta):
    """The model is named by its folders then; of its languages those are taken that can be read."""
    (path,) = results.rglob("XQuADRMonolingual.json")
    path.with_name("model_meta.json").write_text(meta)
    first, *_ = read_results(results)
    expected = ("local/a", "1", ("de",)) if "local" in meta else ("someone/model", "r1", ())
    assert (first.model, first.revision, first.languages) == expected


def test_csv_and_json_hold_every_number():
    """Both are the records; macro-averages and query languages are those of the summaries, in full precision."""
    found = list(records(MODELS))
    assert json.loads(FORMATS["json"](MODELS)) == found
    rows = list(csv.DictReader(io.StringIO(FORMATS["csv"](MODELS))))
    assert [{**row, "value": float(row["value"])} for row in rows] == found
    for one in MODELS:
        of_model = [row for row in found if row["model"] == one.model]
        macro = {(row["setting"], row["score"]): row["value"] for row in of_model if not row["query_language"]}
        assert macro["Monolingual", "map"] == one.mean("Monolingual", "map")
        assert macro["Multilingual", "language_preference_excess"] == one.pooled("language_preference_excess")
        languages = {
            row["query_language"]: row["value"]
            for row in of_model
            if (row["setting"], row["score"]) == ("Multilingual", "map") and row["query_language"]
        }
        assert languages == one.by_query_language("Multilingual", "map")
        keys = [(row["setting"], row["score"], row["query_language"]) for row in of_model]
        assert len(keys) == len(set(keys))
    assert all(not row["query_language"] for row in records(MODELS, languages=False))


def test_format_of(tmp_path):
    """By name, by the file's ending, or the terminal; others are refused with what there is."""
    assert format_of(None, None) is None
    assert format_of(None, tmp_path / "a.tex") == "latex"
    assert format_of("csv", tmp_path / "a.txt") == "csv"
    assert format_of(None, tmp_path / "a.HTML") == "html"
    with pytest.raises(ResultsError, match=r"a\.txt: name the format with --format, or end the file in \.md"):
        format_of(None, tmp_path / "a.txt")
    with pytest.raises(ResultsError, match="there is no format 'html5'; there are markdown"):
        format_of("html5", None)


@pytest.fixture
def results(tmp_path):
    """A results folder of MTEB with one task."""
    folder = tmp_path / "results" / "someone__model" / "r1"
    folder.mkdir(parents=True)
    rows = [{"hf_subset": name, "languages": [], "main_score": 0.5, "map": 0.5} for name in ("de", "es")]
    content = {"dataset_revision": "1", "task_name": "XQuADRMonolingual", "scores": {"test": rows}}
    (folder / "XQuADRMonolingual.json").write_text(json.dumps(content))
    return tmp_path / "results"


def test_command(results, tmp_path):
    """`--output` writes a file whole, `--format` prints; a wrong one is said before anything is read."""
    run = CliRunner().invoke(app, ["report", str(results), "--output", str(tmp_path / "table.csv")])
    assert run.exit_code == 0, run.output
    rows = list(csv.DictReader((tmp_path / "table.csv").open(encoding="utf-8")))
    assert [(row["query_language"], float(row["value"])) for row in rows if row["score"] == "map"] == [
        ("", 0.5), ("de", 0.5), ("es", 0.5),
    ]  # fmt: skip
    run = CliRunner().invoke(app, ["report", str(results), "--format", "markdown", "--no-languages"])
    assert "| someone/model | 0.5000 | - |" in run.output
    run = CliRunner().invoke(app, ["report", str(tmp_path / "gone"), "--format", "xml"])
    assert "there is no format 'xml'" in str(run.exception)
