"""docs/reading.md: its drawings are the input, and every worked number comes out of the package."""

from __future__ import annotations

import itertools
import math
import re
from collections import Counter

import numpy as np
import pytest
from drawn_pages import (
    DOCS,
    LANGUAGES,
    PAGE,
    by_question,
    drawings,
    evaluated,
    is_worth,
    of_subset,
    rank_tables,
    ranked,
    rows_of,
    subsets,
)

from mteb_hybrid.across import across_languages, asked_lists
from mteb_hybrid.metrics import pairwise_consistency, rank_biased_overlap
from mteb_hybrid.reporting.columns import BIAS, JUDGED, PARALLEL
from mteb_hybrid.reporting.report_tables import report_tables
from mteb_hybrid.reporting.summary import ModelSummary
from mteb_hybrid.significance import METRICS, PairedDifferences, compare, read_scores
from mteb_hybrid.tasks.scores import scores_of

SETTINGS = {"Mo.": "Monolingual", "Cr.": "CrossLingual", "Mul.": "Multilingual"}


@pytest.fixture(scope="module")
def predictions(tmp_path_factory):
    """The rank tables of A and B."""
    folder = tmp_path_factory.mktemp("predictions")
    for model, setting in itertools.product("AB", SETTINGS.values()):
        rank_tables(model, setting, folder)
    return folder


@pytest.fixture(scope="module")
def summaries(tmp_path_factory):
    """What the report makes of A and B on one collection, and of C on another."""
    found = []
    for model in "ABC":
        scores = {
            setting: {subset: scores_of(ranked(model, setting, subset)) for subset in subsets(model, setting)}
            for setting in SETTINGS.values()
            if subsets(model, setting)
        }
        across = across_languages(rank_tables(model, "Multilingual", tmp_path_factory.mktemp(model)))
        found.append(ModelSummary(model, "1", "C" if model == "C" else "AB", scores=scores, across=across))
    return found


# what must be true of the page


def test_every_drawn_row_is_the_same_pool():
    """A row of a pool holds each passage once; the answers are those with the question's number, one a language."""
    unjudged = drawings()["C", "pool"].values()
    assert {tuple(sorted(cell[:3] for cell in row)) for row in unjudged} == {(*numbered("en", 7), *numbered("sw", 5))}
    for model in "AB":
        rows = drawings()[model, "pool"]
        assert rows.keys() == set(itertools.product(("Q1", "Q2", "Q3"), LANGUAGES[model]))
        for (question, _), row in rows.items():
            assert sorted(cell[:3] for cell in row) == [*numbered("de", 4), *numbered("en", 8)]
            assert {cell for cell in row if cell[3:]} == {f"{language}{question[1]}*" for language in LANGUAGES[model]}


def numbered(language: str, count: int) -> list[str]:
    return [f"{language}{number}" for number in range(1, count + 1)]


@pytest.mark.parametrize("model", ["A", "C"])
def test_apart_is_the_pool_without_the_other_language(model):
    """The drawn monolingual and cross-lingual lists keep the order of the pool."""
    drawn = drawings()
    for key, row in drawn[model, "pool"].items():
        shown = {cell[:2] for cell in drawn[model, "apart"][key]}
        assert drawn[model, "apart"][key] == [c for one in sorted(shown) for c in row if c.startswith(one)]
    assert drawn[model, "apart"].keys() == drawn[model, "pool"].keys()


def test_map_of_every_setting():
    """By question, by subset, by setting."""
    rows = rows_of("map of A")
    assert len(rows) == 6
    for label, (*questions, mean, macro) in rows.items():
        setting, subset = SETTINGS[label.split()[0]], label.split()[1]
        one = ranked("A", setting, subset)
        assert all(map(is_worth, questions, by_question(one, "map").value))
        assert is_worth(mean, scores_of(one)["map"])
        if macro:
            assert is_worth(
                macro, np.mean([scores_of(ranked("A", setting, name))["map"] for name in subsets("A", setting)])
            )


@pytest.mark.parametrize("score", rows_of("A, pool"))
def test_scores_of_the_pool(score):
    """Each question asked in German, both subsets, their mean."""
    *questions, de, en, macro = rows_of("A, pool")[score]
    found = [ranked("A", "Multilingual", language) for language in ("de", "en")]
    assert all(map(is_worth, questions, by_question(found[0], score).value))
    means = [of_subset(one, score) for one in found]
    assert [is_worth(*pair) for pair in zip((de, en, macro), (*means, np.mean(means)), strict=True)] == [True] * 3


@pytest.mark.parametrize(
    ("heading", "model", "setting", "subset", "depth"),
    [
        ("A, cut after 3", "A", "Multilingual", "de", 3),
        ("C, apart", "C", "Monolingual", "sw", None),
        ("C, pool", "C", "Multilingual", "sw", None),
    ],
)
def test_lists_that_end_and_unjudged_passages(heading, model, setting, subset, depth):
    """By question and in the mean; a question that is left out is counted."""
    one = ranked(model, setting, subset, depth)
    for score, (*questions, mean) in rows_of(heading).items():
        values = by_question(one, score)
        known = dict(zip(values.query.tolist(), values.value.tolist(), strict=True))
        for number, text in enumerate(questions):
            assert is_worth(text, known[number]) if number in known else text == "left out"
        assert is_worth(mean, of_subset(one, score)), score
        assert scores_of(one).get(f"{score}_left_out", 0) == questions.count("left out")
    if heading == "C, pool":
        assert f"`complete_at_20_left_out` = {scores_of(one)['complete_at_20_left_out']:.0f} in the JSON" in PAGE


def test_single_target_matrix(summaries):
    """The matrix of A, and what is made of it."""
    matrix = summaries[0].across.single_target
    for asked, row in rows_of("asked in").items():
        assert [is_worth(text, matrix.cell[asked, target]) for text, target in zip(row, ("de", "en"), strict=True)] == [
            True
        ] * 2
    for score, (text,) in rows_of("of the matrix of A").items():
        assert is_worth(text, summaries[0].across.scores()[score])


def test_consistency(tmp_path):
    """Overlaps to depth 4 and to 100, and what the depths add at which both lists are the whole pool."""
    lists = asked_lists({table.info.query_language: table for table in rank_tables("A", "Multilingual", tmp_path)})
    shallow = rank_biased_overlap(lists["de"].top, lists["en"].top, depth=4)
    deep = pairwise_consistency(lists)["de", "en"].value
    for text, values in zip(rows_of("A, de against en").values(), (shallow, deep), strict=True):
        assert all(map(is_worth, text, (*values, values.mean())))
    assert f"alone adds {0.9**11 - 0.9**100:.2f} here" in PAGE


def test_exposure_of_the_first_question():
    """The written sums are over the ranks of each language, and the share gives the score of the table."""
    row = drawings()["A", "pool"]["Q1", "de"]
    written = dict(re.findall(r"^    (share of de|de|en) = (.*)$", PAGE, re.MULTILINE))
    exposure = {
        language: sum(1 / math.log2(max(rank, 2)) for rank, cell in enumerate(row, start=1) if cell[:2] == language)
        for language in ("de", "en")
    }
    assert is_worth(written["de"], exposure["de"])
    assert is_worth(written["en"], exposure["en"])
    *_, share = written["share of de"].split(" = ")
    assert is_worth(share, exposure["de"] / sum(exposure.values()))
    for rank, gain in re.findall(r"rank (\d+) (0\.\d+)", PAGE):
        assert is_worth(gain, 1 / math.log2(int(rank) + 1))


def test_comparison(predictions):
    """The command's table, from the tables on disk; the 27 samples of the bootstrap, one by one."""
    first, second = read_scores([predictions])
    one = next(one for one in compare(first, second) if one.setting == "Multilingual")
    rows = rows_of("setting")
    for found in (one.mean, *one.settings):
        *numbers, interval, p, max_t, by_holm = rows.pop(found.name)
        assert all(map(is_worth, numbers, (found.questions, found.first, found.second, found.difference)))
        assert all(map(is_worth, (p, max_t, by_holm), (found.p, found.max_t, found.holm)))
        assert all(map(is_worth, interval.split(" to "), (found.low, found.high)))
    assert not rows
    assert is_worth(re.search(r"^    effect = (.*)$", PAGE, re.MULTILINE)[1], one.effect)
    differences = [float(evaluated(text)) for text in rows_of("map, A - B")["mean"][:3]]
    samples = Counter(round(sum(drawn) / 3, 9) for drawn in itertools.product(differences, repeat=3))
    assert (sum(samples.values()), samples[min(samples)]) == (27, 1)
    assert (min(samples), max(samples)) == pytest.approx((one.mean.low, one.mean.high))


def test_all_sign_patterns(predictions):
    """Differences by question, eight rows of signs, and the p-values that counting them gives."""
    scores = [one.scores["Drawn", "Multilingual"] for one in read_scores([predictions])]
    differences = PairedDifferences.between(*scores)
    values = np.column_stack([differences.values, differences.values.mean(axis=1)]).T
    for text, row in zip(rows_of("map, A - B").values(), values, strict=True):
        assert all(map(is_worth, text, (*row, row.mean())))
    norms = np.sqrt((differences.values**2).sum(axis=0))
    rows = rows_of("signs of Q1, Q2, Q3")
    assert len(rows) == 8
    for signs, text in rows.items():
        flipped = np.array([1 if sign == "+" else -1 for sign in signs.split()]) @ differences.values
        assert all(map(is_worth, text, (*flipped, flipped.sum(), np.abs(flipped / norms).max())))


def test_the_report_shows_these_numbers(summaries):
    """Both tables of the report, for the models that ran on parallel data and for the one that did not."""
    bias, first = rows_of("score"), {heading: row[1:] for heading, row in rows_of("heading").items()}
    shown = {row[0]: row[3:6] for row in ([name, *cells] for name, cells in bias.items())}
    texts = shown | {heading: cells[:3] for heading, cells in first.items()}
    seen = set()
    for models in (summaries[:2], summaries[2:]):
        summary, pooled = report_tables(models, languages=False)
        columns = [[name, *(row[place].text for row in summary.rows)] for place, name in enumerate(summary.headings)]
        lines = [[row[0].text, *(cell.text for cell in row[2:])] for row in pooled.rows]
        for name, *printed in (*columns[1:-2], *lines):
            places = [("A", "B", "C").index(one.model) for one in models]
            assert [texts[name][place].split(" = ")[-1] for place in places] == printed, name
            seen |= {(name, place) for place in places}
    for name, cells in texts.items():
        for place, text in enumerate(cells):
            assert text == "-" or (name, place) in seen
            *exact, printed = text.split(" = ")
            assert all(is_worth(printed, float(evaluated(side))) for side in exact)


def test_every_score_is_explained():
    """Every heading and score of the report and of `compare` has a line, or stands in a worked table."""
    headings, bias = rows_of("heading"), rows_of("score")
    assert {one.heading: one.score for one in (*PARALLEL, *JUDGED)} == {
        heading: row[0].strip("`") for heading, row in headings.items()
    }
    assert {name: better for name, better, _ in BIAS} == {name: row[0] for name, row in bias.items()}
    assert all(row[-1] for row in (*headings.values(), *bias.values()))
    worked = {name for heading in ("A, pool", "C, pool") for name in rows_of(heading)}
    assert set(METRICS) <= worked | {one.score for one in PARALLEL} | set(bias)


def test_ranges_are_those_of_the_definitions():
    """docs/bias.md states the same ranges, with k for 1000; its rows name some scores by their ends."""
    ranges = {}
    for line in (DOCS / "bias.md").read_text(encoding="utf-8").splitlines():
        if row := re.match(r"\| (`[^|]*`) \| ([^|]* to [^|]*) \|", line):
            first, *ends = re.findall(r"`([\w<>]+)`", row[1])
            stems = (first, re.sub(r"_at_10$", "", first), re.sub(r"_ndcg_at_10$", "", first))
            ranges |= dict.fromkeys([first, *ends, *(stem + end for end in ends for stem in stems)], row[2])
    for score, (_, between, *_) in rows_of("score").items():
        assert between == ranges[score.replace("1000", "k")].replace("k", "1000"), score


def test_links_lead_somewhere():
    """Every link is to a heading of this page or of another one that is there."""
    found = re.findall(r"\]\(([\w.]*)(?:#([\w-]+))?\)", PAGE)
    assert len(found) > 20
    for name, anchor in found:
        text = (DOCS / name).read_text(encoding="utf-8") if name else PAGE
        titles = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
        assert not anchor or anchor in {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}
