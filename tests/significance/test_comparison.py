"""From rank tables to comparisons: pairing, data that do not fit, what is said."""

from __future__ import annotations

import io
import shutil
from dataclasses import replace

import numpy as np
import pytest
from differing_models import differences
from made_tables import LANGUAGES, write
from rich.console import Console
from typer.testing import CliRunner

from mteb_hybrid.cli import app
from mteb_hybrid.errors import ResultsError
from mteb_hybrid.metrics import rank_distance
from mteb_hybrid.rank_table import RankTable
from mteb_hybrid.significance import PairedDifferences, compare, compare_all, holm, read_scores
from mteb_hybrid.significance.terminal import comparison_table, verdict

QUESTIONS = 40


def random_ranks(rng: np.random.Generator, highest: int, answers: int = 1) -> np.ndarray:
    return np.array([1 + rng.permutation(highest)[:answers] for _ in range(QUESTIONS)])


@pytest.fixture
def folder(tmp_path):
    """A good and a bad model on a monolingual and a pooled task."""
    rng = np.random.default_rng(0)
    for model, highest in (("my/good", 3), ("my/bad", 60)):
        for subset in LANGUAGES:
            write(tmp_path, model, "XQuADRMonolingual", subset, random_ranks(rng, highest))
            write(tmp_path, model, "XQuADRMultilingual", subset, random_ranks(rng, 5 * highest, 3))
    return tmp_path


def test_scores_are_those_of_the_tables(folder):
    """A mean of what is read is the mean of the metric; models are told apart."""
    good, bad = sorted(read_scores([folder]), key=lambda one: one.model, reverse=True)
    assert (good.model, bad.model) == ("my/good", "my/bad")
    table = RankTable.read(next(folder.rglob("my__good/1/XQuADRMonolingual/test.de.parquet")))
    expected = np.mean([1 / row[0] for row in table.rows.column("rank").to_pylist()])
    assert np.mean(list(good.scores["XQuADR", "Monolingual"]["de"].values())) == pytest.approx(expected)
    (spread,) = (one for one in read_scores([folder], "rank_distance") if one.model == "my/good")
    assert set(spread.scores) == {("XQuADR", "Multilingual")}
    table = RankTable.read(next(folder.rglob("my__good/1/XQuADRMultilingual/test.es.parquet")))
    found = np.mean(list(spread.scores["XQuADR", "Multilingual"]["es"].values()))
    assert found == pytest.approx(rank_distance(table.query_ranks()).mean())


def test_comparison(folder):
    """The better model is named, with the difference of the macro-averages, in every setting."""
    good, bad = sorted(read_scores([folder]), key=lambda one: one.model, reverse=True)
    comparisons = compare(good, bad, draws=2_000, samples=500)
    assert [(one.setting, one.first, one.second) for one in comparisons] == [
        ("Monolingual", "my/good", "my/bad"), ("Multilingual", "my/good", "my/bad"),
    ]  # fmt: skip
    for one in comparisons:
        assert [row.name for row in one.settings] == list(LANGUAGES)
        assert one.mean.difference == pytest.approx(np.mean([row.difference for row in one.settings]))
        assert one.mean.low < one.mean.difference < one.mean.high
        assert one.effect > 0.5
        for row in one.settings:
            assert row.questions == QUESTIONS
            assert row.p <= row.max_t <= 1
            assert row.p <= row.holm
        text = verdict(one)
        assert "my/good is better than my/bad" in text
        assert "my/good is better in 3, my/bad is better in 0" in text
        assert comparison_table(one).row_count == 4


def test_lower_rank_distance_is_better(folder):
    """The model with the smaller distance is the better one."""
    good, bad = sorted(read_scores([folder], "rank_distance"), key=lambda one: one.model, reverse=True)
    (one,) = compare(good, bad, "rank_distance", draws=2_000, samples=500)
    assert one.mean.difference < 0
    assert "my/good is better than my/bad" in verdict(one)


def test_the_same_model_twice(folder):
    """No difference: p is 1, and nothing is said to hold."""
    good = next(one for one in read_scores([folder]) if one.model == "my/good")
    one = compare(good, replace(good, model="my/twin"), draws=100, samples=100)[0]
    assert (one.mean.difference, one.mean.p, one.effect) == (0.0, 1.0, None)
    assert "no difference of the mean holds" in verdict(one)


def test_what_cannot_be_compared(folder, tmp_path):
    """Other data, no common task, other questions, one table twice, an unknown metric: each is said."""
    good, bad = sorted(read_scores([folder]), key=lambda one: one.model, reverse=True)
    other = replace(bad, data=dict.fromkeys(bad.data, "revision 8"))
    with pytest.raises(ResultsError, match=r"my/good and my/bad were run on different data.*run the older one again"):
        compare(good, other)
    with pytest.raises(ResultsError, match="no task and subset in common"):
        compare(good, replace(bad, scores={("MLQAR", "Monolingual"): {}}))
    fewer = {("XQuADR", "Monolingual"): {"de": {"q0": 0.5}}}
    with pytest.raises(ResultsError, match="XQuADRMonolingual: de: both models need the same questions"):
        compare(good, replace(bad, scores=fewer))
    assert read_scores([folder, folder / "my__good"]) == read_scores([folder])  # the same tables
    copy = tmp_path.with_name(tmp_path.name + "-copy")
    shutil.copytree(folder, copy)
    with pytest.raises(
        ResultsError, match=r"my/bad@1 has two tables of XQuADRMonolingual de: .*test\.de\.parquet and .*-copy"
    ):
        read_scores([folder, copy])
    with pytest.raises(ResultsError, match="no metric 'f1' of single queries; there are map"):
        read_scores([folder], "f1")
    with pytest.raises(ResultsError, match="is not a folder"):
        read_scores([tmp_path / "gone"])


def test_settings_of_one_model_are_left_out_and_named(folder):
    """Only what both have is compared."""
    good, bad = sorted(read_scores([folder]), key=lambda one: one.model, reverse=True)
    del bad.scores["XQuADR", "Monolingual"]["es"]
    one = compare(good, bad, draws=200, samples=100)[0]
    assert [row.name for row in one.settings] == ["de", "en"]
    assert "Left out, because only one model has them: es." in verdict(one)


def test_command(folder):
    """`mteb-hybrid compare` shows tables and verdicts; with one model it says what it found."""
    run = CliRunner().invoke(app, ["compare", str(folder), "--draws", "500"])
    assert run.exit_code == 0, run.output
    assert "XQuADR Multilingual, map: my/bad - my/good" in run.output
    assert "XQuADR Multilingual, map: my/good is better than my/bad" in run.output
    assert "95 % interval" in run.output
    for first, second in (("my/good", "my/bad"), ("my/bad", "my/good")):  # as they are named
        run = CliRunner().invoke(app, ["compare", str(folder), "--draws", "500", "--model", first, "--model", second])
        assert f"XQuADR Multilingual, map: {first} - {second}" in run.output
    run = CliRunner().invoke(app, ["compare", str(folder), "--model", "my/good"])
    assert isinstance(run.exception, ResultsError)
    assert "found: my/good@1. Name the folders that `mteb run --prediction-folder`" in str(run.exception)
    run = CliRunner().invoke(app, ["compare", str(folder), "--model", "my/god"])
    assert "no rank tables of a model 'my/god'; there are those of my/bad, my/good" in str(run.exception)


def test_adjustment_by_choice(folder):
    """Holm's method decides where it is asked for: bold differences and counts; another name is refused."""
    good, bad = sorted(read_scores([folder]), key=lambda one: one.model, reverse=True)
    one = compare(good, bad, draws=200, samples=100)[0]
    rows = tuple(replace(row, max_t=0.01, holm=0.2) for row in one.settings)
    one = replace(one, settings=rows)
    assert "my/good is better in 3" in verdict(one)
    assert "(max-T over these settings" in verdict(one, "max-t")
    assert "undecided" not in verdict(one)
    assert "my/good is better in 0" in verdict(one, "holm")
    assert "3 are undecided (Holm over these settings" in verdict(one, "holm")
    run = CliRunner().invoke(app, ["compare", str(folder), "--draws", "500", "--adjust", "holm"])
    assert "(Holm over these settings" in run.output
    run = CliRunner().invoke(app, ["compare", str(folder), "--adjust", "bonferroni"])
    assert "--adjust must be max-t or holm, not 'bonferroni'" in str(run.exception)


def test_several_models(folder, caplog):
    """Every pair once; p of the means adjusted by Holm over the pairs of a setting, and what decides is that."""
    rng = np.random.default_rng(1)
    for subset in LANGUAGES:
        write(folder, "my/middling", "XQuADRMonolingual", subset, random_ranks(rng, 4))
        write(folder, "else/where", "MLQARMonolingual", subset, random_ranks(rng, 4))
    models = read_scores([folder])
    found = compare_all(models, draws=2_000, samples=100)
    assert sum("not compared" in record.message for record in caplog.records) == 3
    alone = [one for one in found if one.setting == "Multilingual"]
    assert [(one.pairs, one.p_over_pairs) for one in alone] == [(1, alone[0].mean.p)]
    mono = [one for one in found if one.setting == "Monolingual"]
    assert {frozenset((one.first, one.second)) for one in mono} == {
        frozenset(pair) for pair in (("my/good", "my/bad"), ("my/good", "my/middling"), ("my/bad", "my/middling"))
    }
    ordered = sorted(mono, key=lambda one: one.mean.p)
    largest = 0.0
    for number, one in enumerate(ordered):
        largest = max(largest, min(1.0, one.mean.p * (3 - number)))
        assert (one.pairs, one.p_over_pairs) == (3, pytest.approx(largest))
        assert f"{one.p_over_pairs:.2g} over all 3 pairs of models" in verdict(one)
    close = replace(mono[0], mean=replace(mono[0].mean, p=0.03), p_over_pairs=0.06)
    assert "no difference of the mean holds" in verdict(close)
    assert not next(iter(comparison_table(close).columns[4].cells)).startswith("[bold]")
    with pytest.raises(ResultsError, match="no task and subset in common"):
        compare_all([one for one in models if one.model in ("my/good", "else/where")])


def test_models_of_one_name_are_told_apart(tmp_path):
    """By their revisions, in every pair, also in one with a third model."""
    rng = np.random.default_rng(2)
    for model, revision in (("my/model", "1"), ("my/model", "2"), ("other/model", "1")):
        write(tmp_path / revision, model, "XQuADRMonolingual", "de", random_ranks(rng, 4), revision=revision)
    found = compare_all(read_scores([tmp_path]), draws=100, samples=50)
    names = [(one.first, one.second) for one in found]
    assert names == [
        ("my/model@1", "other/model"), ("my/model@1", "my/model@2"), ("other/model", "my/model@2"),
    ]  # fmt: skip


def test_names_that_look_like_markup(folder):
    """Brackets in the name of a model are brackets."""
    good, bad = read_scores([folder])
    good.label = "a/[/b]x[red]"
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(comparison_table(compare(good, bad, draws=50, samples=50)[0]))
    assert "a/[/b]x[red]" in console.export_text()


def test_questions_without_translations_are_not_one(tmp_path):
    """Equal ids in two languages are two questions where nothing is parallel; one, where it is."""
    rng = np.random.default_rng(3)
    for model in ("my/good", "my/bad"):
        for subset in ("sw", "te"):
            write(tmp_path, model, "MIRACLMonolingual", subset, random_ranks(rng, 9), parallel=False)
        write(tmp_path, model, "MIRACLCrossLingual", "en-sw", random_ranks(rng, 9), parallel=False)
        for subset in ("de", "es"):
            write(tmp_path, model, "XQuADRMonolingual", subset, random_ranks(rng, 9))
    first, second = read_scores([tmp_path])
    questions = {(one.collection, one.setting): one.mean.questions for one in compare(first, second, draws=50)}
    assert questions == {
        ("MIRACL", "Monolingual"): 2 * QUESTIONS,
        ("MIRACL", "CrossLingual"): QUESTIONS,
        ("XQuADR", "Monolingual"): QUESTIONS,
    }
    assert set(first.scores["MIRACL", "CrossLingual"]["en-sw"]) == {f"sw/q{number}" for number in range(QUESTIONS)}


def test_holm_by_hand():
    """Sorted .01 .02 .03 .2 by 4, 3, 2, 1: .04, .06, .06, .2; never above 1, in the given order."""
    assert holm(np.array([0.03, 0.2, 0.01, 0.02])) == pytest.approx([0.06, 0.2, 0.04, 0.06])
    assert holm(np.array([0.9, 0.8])) == pytest.approx([1.0, 1.0])


def test_differences_by_hand():
    """Two settings, of two and one questions: means, macro mean, effect."""
    first = {"a": {"q1": 1.0, "q2": 0.5}, "b": {"q1": 0.25}}
    second = {"a": {"q1": 0.5, "q2": 0.5}, "b": {"q1": 0.0}}
    found = PairedDifferences.between(first, second)
    assert found.means == pytest.approx([0.25, 0.25])
    assert found.macro == pytest.approx(0.25)
    assert found.counts.tolist() == [2, 1]
    # contributions to the macro mean: q1 (0.5 / 2 + 0.25) / 2 = 0.25, q2 0; times 2 questions: 0.5 and 0
    assert found.effect == pytest.approx(0.25 / np.std([0.5, 0.0], ddof=1))
    assert found.strata().tolist() in ([0, 1], [1, 0])
    assert differences([[0.1], [0.1]]).effect is None
    with pytest.raises(ValueError, match="finite"):
        PairedDifferences.between({"a": {"q": float("nan")}}, {"a": {"q": 0.0}})
    with pytest.raises(ValueError, match="the same settings"):
        PairedDifferences.between(first, {"a": second["a"]})
