"""The HTML page without a browser: what it shows, of whom, and what is missing."""

from __future__ import annotations

import itertools
import json
import re
import shutil

import pytest
from pages import Page
from subset_scores import one_subset
from typer.testing import CliRunner

from mteb_hybrid.cli import app
from mteb_hybrid.errors import RankTableError, ResultsError
from mteb_hybrid.reporting import ModelSummary, read_results, summarise
from mteb_hybrid.reporting.columns import BIAS, JUDGED, MEANINGS, PARALLEL
from mteb_hybrid.reporting.differences import read_differences
from mteb_hybrid.reporting.formats import records
from mteb_hybrid.reporting.page import html, sections

BASELINE, ODD = "mteb-hybrid/char-ngram", "test/<b>odd & $1_000$</b>"


@pytest.fixture(scope="module")
def comparisons(runs, summaries):
    return read_differences(summaries, [runs], draws=500)


@pytest.fixture(scope="module")
def text(summaries, comparisons):
    return html(summaries, comparisons=comparisons, trained_on={BASELINE: ("de", "en"), ODD: ("de", "en")})


@pytest.fixture(scope="module")
def page(text):
    return Page(text)


def test_every_number_is_one_of_the_results(page, summaries, runs):
    """What a cell shows is what it says in full, and the tables hold all numbers of the JSON report."""
    shown = page.numbers()
    assert len(shown) > 250
    for full, text in shown:
        value = float(full)
        forms = {format(value, form) for form in (".4f", ",.1f", "+.4f", ".1%", ".2f")}
        forms |= {f"{value:.2f}".removeprefix("0")}
        assert text in forms
    values = {float(full) for full, _ in shown}
    assert {record["value"] for record in records(summaries)} <= values
    (embedded,) = (one for one in page.of("script") if one.get("id") == "records")
    assert json.loads(embedded["text"]) == list(records(summaries))


def test_heat_map_holds_mtebs_scores(page, runs):
    """Row by row and column by column, against the result JSON of MTEB itself."""
    (path,) = runs.rglob("mteb-hybrid__char-ngram/*/MiniQARCrossLingual.json")
    expected = {row["hf_subset"]: row["map"] for row in json.loads(path.read_text())["scores"]["test"]}
    names = {"de": "German", "th": "Thai", "en": "English", "zh": "Chinese"}
    cells = {one["data-name"]: float(one["data-value"]) for one in page.of("td") if "data-name" in one}
    for subset in ("de-en", "en-de", "th-zh", "zh-en"):
        query, passage = subset.split("-")
        name = f"{names[query]} to {names[passage]}: {expected[subset]:.4f}"
        assert cells[name] == expected[subset]


def test_names_of_models_are_text(page, text):
    """A name that looks like HTML opens no element, and does not end the JSON."""
    assert "<b>odd" not in text
    assert not page.of("b")
    assert ODD in {one["text"].strip() for one in page.of("h3")}


def test_nothing_is_fetched(text, page):
    """No address outside of the page, and a policy that forbids all of them."""
    assert not re.search(r"(?:https?:)?//[a-z]", text)
    assert not [one for one in page.elements if "src" in one]
    assert {one["href"].split(":")[0][0] for one in page.elements if "href" in one} == {"#", "d"}  # parts, data:
    (policy,) = (one["content"] for one in page.of("meta") if one.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'")


def test_structure_for_screen_readers(page):
    """One main heading, none left out below it; tables with captions and headed rows; named regions; unique ids."""
    levels = [int(one["tag"][1]) for one in page.elements if re.fullmatch(r"h[1-6]", one["tag"])]
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    assert len(page.of("table")) == len(page.of("caption"))
    assert all(one.get("scope") in ("row", "col") for one in page.of("th"))
    assert all(one.get("aria-label") for one in page.elements if one.get("role") == "region")
    ids = [one["id"] for one in page.elements if "id" in one]
    assert len(ids) == len(set(ids))
    targets = {one["href"][1:] for one in page.of("a")}
    assert targets <= set(ids)
    assert page.of("html")[0]["lang"] == "en"


def test_all_figures_are_there(page, comparisons):
    """With rank tables, several models and known training languages, all parts of the page."""
    found = {one["text"] for one in page.of("h3")}
    assert {
        "Models side by side", "Query language and passage language", "Language bias in the pool",
        "Mean rank of the right answer, by passage language", "Rank distance of single queries",
        "Languages of the first 10", "Languages seen and not seen in training", "Differences between models",
        "Query languages",
    } <= found  # fmt: skip
    assert [one.setting for one in comparisons] == ["CrossLingual", "Monolingual", "Multilingual"]
    assert not [one for one in page.of("p") if "note" in one.get("class", "")]


def test_differences(text, page, comparisons, summaries):
    """Those of the macro-averages; the better model by name."""
    rows = [one["text"] for one in page.of("tr")]
    by_name = {one.model: one for one in summaries}
    for one in comparisons:
        first, second = by_name[one.first], by_name[one.second]
        expected = first.mean(one.setting, "map") - second.mean(one.setting, "map")
        assert one.mean.difference == pytest.approx(expected, abs=1e-5)  # MTEB rounds what it writes
        (row,) = (row for row in rows if row.startswith(one.setting) and one.first in row and "to" in row)
        assert f"{expected:+.4f}" in row
        assert row.rstrip().endswith(BASELINE)  # the baseline is better than vectors that know nothing of the texts


def test_from_json_alone(runs):
    """Results of others, without rank tables: what is missing is said, all else is shown."""
    scores = [
        one for path in runs.rglob("MiniQAR*.json") for one in read_results(path) if "predictions" not in path.parts
    ]
    page = Page(html(summarise(scores)))
    found = {one["text"] for one in page.of("h3")}
    assert {"Query language and passage language", "Mean rank of the right answer, by passage language"} <= found
    assert not {"Rank distance of single queries", "Languages of the first 10", "Differences between models"} & found
    notes = [one["text"] for one in page.of("p") if "note" in one.get("class", "")]
    assert len(notes) == 2
    assert all("--predictions" in note for note in notes)


def test_why_nothing_was_tested(summaries):
    """As the user asked for it, or as an error says; never advice that does not help."""
    page = Page(html(summaries, untested="Differences were not tested: --no-tests."))
    notes = [one["text"].strip() for one in page.of("p") if "note" in one.get("class", "")]
    assert notes == ["Differences were not tested: --no-tests."]


def test_one_model_with_one_setting():
    """As little as there can be is a page too."""
    page = Page(html([ModelSummary("a/b", "r", "XQuADR", {"Monolingual": {"de": {"map": 0.5}}})]))
    assert [text for _, text in page.numbers()] == ["0.5000", "0.5000"]  # macro-average, German
    assert "1 model on XQuADR" in page.of("p")[0]["text"]


def test_unjudged_collections():
    """MIRACL's columns and scores, with what is not defined for it left out."""
    pooled = {"map": 0.2, "ndcg_at_10": 0.3, "recall_at_100": 0.5, "judged_at_10": 0.4, "interference_ndcg_at_10": 0.1}
    crossed = {"map": 0.2, "mrr_at_10": 0.25}
    one = ModelSummary("a/b", "r", "MIRACL", {"Multilingual": {"sw": pooled}, "CrossLingual": {"en-sw": crossed}})
    (section,) = sections([one])
    assert section.score_name == "MRR@10"
    assert {pair: cell.value for pair, cell in section.heat[0].cells.items()} == {("en", "sw"): 0.25}
    assert [heading for heading, _ in section.cards[0].numbers] == [
        "Mo. nDCG@10", "Cr. MRR@10", "Mul. nDCG@10", "Interference nDCG@10",
    ]  # fmt: skip
    assert section.bars == ()


def test_models_of_one_name_are_told_apart():
    """Two revisions of a model are two columns."""
    both = summarise([*one_subset("r1", 3.0), *one_subset("r2", 5.0)])
    (section,) = sections(both)
    assert [card.model for card in section.cards] == ["a/b@r1", "a/b@r2"]
    assert section.bars[0].models == ("a/b@r1", "a/b@r2")
    assert [cell.value for cell in section.bars[0].rows[0][1]] == [3.0, 5.0]


def test_seen_table_has_a_cell_for_every_model():
    """Also where a model was not run in a setting; settings in the order of the paper."""
    only = ModelSummary("a/A", "r", "C", {"Monolingual": {"de": {"map": 0.1}, "el": {"map": 0.1}}})
    every = {"Monolingual": {"de": {"map": 0.9}, "el": {"map": 0.8}}, "Multilingual": {"de": {"map": 0.7}}}
    (section,) = sections([only, ModelSummary("b/B", "r", "C", every)], trained_on={"a/A": ("de",), "b/B": ("de",)})
    texts = [[cell.text for cell in row] for row in section.seen.rows]
    assert section.seen.headings[-2:] == ("a/A", "b/B")
    assert texts == [
        ["Monolingual", "seen", "seen", "1", "0.1000", "0.9000"],
        ["Monolingual", "unseen", "unseen", "1", "0.1000", "0.8000"],
        ["Multilingual", "seen", "all", "1", "-", "0.7000"],
    ]


def test_lower_bounds_are_marked():
    """Of a model with lists that lack right answers; not its recall, which is exact."""
    scores = {"map": 0.5, "recall_at_1": 0.25, "not_retrieved": 0.4}
    one = ModelSummary("a/b", "r", "XQuADR", {"Monolingual": {"de": scores}})
    (section,) = sections([one])
    row = dict(zip(section.summary.headings, section.summary.rows[0], strict=True))
    assert (row["Mo. mAP"].text, row["Mo. R@1"].text) == ("≥0.5000", "0.2500")
    assert section.languages[0].rows[0][1].text == "≥0.5000"
    assert "≥ marks a lower bound" in Page(html([one])).of("p")[0]["text"]


def test_every_score_says_what_it_is(page):
    """Names of scores carry their meaning, in all tables."""
    assert {score for score, _, _ in BIAS} | {column.score for column in (*PARALLEL, *JUDGED)} == set(MEANINGS)
    explained = {one["text"] for one in page.of("abbr") if one.get("title") in MEANINGS.values()}
    assert {"Mo. mAP", "Mul. R@10", "Rank distance", "query_language_share_excess_at_10"} <= explained


def test_command(runs, tmp_path):
    """`--output page.html` makes the page, with tests and languages seen in training."""
    page = tmp_path / "page.html"
    run = CliRunner().invoke(app, ["report", str(runs), "--output", str(page), "--train-languages", "de,en"])
    assert run.exit_code == 0, run.output
    found = {one["text"] for one in Page(page.read_text(encoding="utf-8")).of("h3")}
    assert {"Differences between models", "Languages seen and not seen in training"} <= found
    run = CliRunner().invoke(app, ["report", str(runs), "--format", "html", "--no-tests", "--no-languages"])
    assert "Differences between models" not in run.output
    assert "Query languages" not in run.output
    run = CliRunner().invoke(app, ["report", str(runs), "--train-languages", "de"])
    assert "for the HTML page" in str(run.exception)
    run = CliRunner().invoke(app, ["report", str(runs), "--no-tests", "--output", str(page / "below.html")])
    assert isinstance(run.exception, ResultsError)
    assert "cannot be written" in str(run.exception)


def test_a_problem_with_the_tests_does_not_cost_the_page(runs, tmp_path):
    """Two copies of one model's tables: the page says why nothing was tested, and so does the terminal."""
    for name in ("one", "two"):
        shutil.copytree(runs / "predictions", tmp_path / name)
    results = tmp_path / "results"
    shutil.copytree(runs, results, ignore=shutil.ignore_patterns("predictions"))
    where = [str(results), "--predictions", str(tmp_path / "one" / "mteb-hybrid__char-ngram")]
    broken = ["--predictions", str(tmp_path / "one"), "--predictions", str(tmp_path / "two")]
    run = CliRunner().invoke(app, ["report", *where, "--format", "html"])
    assert run.exit_code == 0, run.output
    run = CliRunner().invoke(app, ["report", str(results), *broken, "--format", "csv"])
    assert isinstance(run.exception, RankTableError)
    mono = tmp_path / "two"
    for path in mono.rglob("*Multilingual"):
        shutil.rmtree(path)
    run = CliRunner().invoke(app, ["report", str(results), *broken, "--output", str(tmp_path / "page.html")])
    assert run.exit_code == 0, run.output
    assert "Differences could not be tested" in run.stderr
    assert "has two tables of" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_without_jinja(summaries, monkeypatch):
    """The message names the extra."""
    monkeypatch.setitem(__import__("sys").modules, "jinja2", None)
    with pytest.raises(ResultsError, match=r"pip install 'mteb-hybrid\[report\]'"):
        html(summaries)
    run = CliRunner().invoke(app, ["report", "nowhere", "--format", "html"])
    assert "pip install" in str(run.exception)  # before anything is read
