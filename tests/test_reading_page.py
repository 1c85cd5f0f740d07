"""docs/reading.md: its drawings are the input, and our own functions give every number that the page works out.

The rankings are read from the page, scored as `mteb run` scores them, written as rank tables, and read back by the
report and by `mteb-hybrid compare`.
"""

from __future__ import annotations

import itertools
import math
import re
from collections import Counter
from fractions import Fraction
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from encoders import named_meta

from mteb_hybrid import metrics
from mteb_hybrid.across import across_languages, asked_lists
from mteb_hybrid.metrics import PerQuery, effectiveness, pairwise_consistency, rank_biased_overlap
from mteb_hybrid.rank_table import RankTable
from mteb_hybrid.reporting.columns import BIAS, JUDGED, PARALLEL
from mteb_hybrid.reporting.report_tables import report_tables
from mteb_hybrid.reporting.summary import ModelSummary
from mteb_hybrid.significance import METRICS, PairedDifferences, compare, read_scores
from mteb_hybrid.tasks.predictions import save_rank_table
from mteb_hybrid.tasks.ranked import JudgedQueries, RankedSubset
from mteb_hybrid.tasks.scores import scores_of
from mteb_hybrid.tasks.search import rank_from_lists

DOCS = Path(__file__).parents[1] / "docs"
PAGE = (DOCS / "reading.md").read_text(encoding="utf-8")
LANGUAGES = {"A": ("de", "en"), "B": ("de", "en"), "C": ("en", "sw")}
SETTINGS = {"Mo.": "Monolingual", "Cr.": "CrossLingual", "Mul.": "Multilingual"}
CUTOFFS = (1, 3, 10, 20, 100)


# what stands on the page


def drawings() -> dict[tuple[str, str], dict[tuple[str, str], list[str]]]:
    """(model, "pool" or "apart") to (question, query language) to the passages of the row, such as ``de1*``."""
    found: dict = {}
    for line in PAGE.splitlines():
        if title := re.match(r"    ([ABC]), (pool|apart)((?: +\d+)+)$", line):
            rows, numbers = found.setdefault((title[1], title[2]), {}), title[3].split()
        elif row := re.match(r"    ([QS]\d) in (\w\w) +(\|.*\|)$", line):
            rows[row[1], row[2]] = re.findall(r"[a-z]{2}\d[*-]?", row[3])
            assert numbers == [
                str(rank) for part in row[3].split("|  |") for rank in range(1, part.strip("|").count("|") + 2)
            ]
    return found


def tables() -> list[tuple[list[str], list[list[str]]]]:
    """Heading and rows of every table, code marks removed."""
    blocks = re.findall(r"(?:^\|.*\|\n)+", PAGE + "\n", re.MULTILINE)
    parsed = [
        [[cell.strip() for cell in line.strip("|").split("|")] for line in block.splitlines()] for block in blocks
    ]
    return [([cell.replace("`", "") for cell in heading], rows) for heading, _, *rows in parsed]


def rows_of(heading: str) -> dict[str, list[str]]:
    """Rows of the tables whose first heading this is, by their first cell."""
    rows = [row for first, rows in tables() for row in rows if first[0] == heading]
    assert rows, heading
    return {re.sub(r"^\[(.*)\]\(.*\)$", r"\1", row[0].replace("`", "")): row[1:] for row in rows}


def evaluated(text: str) -> Fraction | float:
    """The value of an expression in fractions, ``sqrt`` and ``log2``."""
    assert re.fullmatch(r"(?:log2|sqrt|[-+×/(). 0-9])+", text), text
    code = re.sub(r"\d+(?:\.\d+)?", r"Fraction('\g<0>')", re.sub(r"log2", "lb", text).replace("×", "*"))
    return eval(code, {"Fraction": Fraction, "lb": math.log2, "sqrt": math.sqrt})


def is_worth(text: str, value: float) -> bool:
    """Whether every side of ``a = b = c`` has this value: a decimal to its last digit, all else exactly."""
    for side in text.split(" = "):
        decimal = re.fullmatch(r"[-+]?\d+\.(\d+)", side)
        if abs(float(evaluated(side)) - value) > (0.5001 * 10 ** -len(decimal[1]) if decimal else 1e-12):
            return False
    return True


# what our functions make of it


@cache
def ranked(model: str, setting: str, subset: str, depth: int | None = None) -> RankedSubset:
    """A subset as the tasks rank it, from the drawn pools alone; with a depth from lists that are cut there."""
    asked, passages = subset.split("-")[0], subset.split("-")[-1]
    searched = LANGUAGES[model] if setting == "Multilingual" else (passages,)
    rows = {question: row for (question, language), row in drawings()[model, "pool"].items() if language == asked}
    lists, ids = [[cell for cell in row if cell[:2] in searched] for row in rows.values()], list(rows)
    pairs = [(query, cell) for query, row in enumerate(lists) for cell in row if cell.endswith("*")]
    data = JudgedQueries(
        query_ids=ids,
        queries=ids,
        query_language=asked,
        languages=searched,
        pool=np.array([sum(cell.startswith(language) for cell in lists[0]) for language in searched]),
        pair_query=np.array([query for query, _ in pairs]),
        pair_id=np.array([cell[:3] for _, cell in pairs], dtype=object),
        pair_language=np.array([searched.index(cell[:2]) for _, cell in pairs]),
        pair_grade=np.ones(len(pairs)),
        judged={q: {c[:3]: int(c[3] == "*") for c in row if c[3:]} for q, row in zip(ids, lists, strict=True)},
        pooled=len(searched) > 1,
        parallel=model != "C",
    )
    if depth is not None:
        scored = {q: {c[:3]: -float(i) for i, c in enumerate(row[:depth])} for q, row in zip(ids, lists, strict=True)}
        return rank_from_lists(scored, data, lambda passage: searched.index(passage[:2]), depth=depth)
    top_id, top_language = np.full((len(lists), 100), None, dtype=object), np.full((len(lists), 100), -1)
    for query, row in enumerate(lists):
        top_id[query, : len(row)] = [cell[:3] for cell in row]
        top_language[query, : len(row)] = [searched.index(cell[:2]) for cell in row]
    own = [[cell for cell in lists[query] if cell[:2] == passage[:2]].index(passage) + 1 for query, passage in pairs]
    return RankedSubset(
        data=data,
        rank=np.array([lists[query].index(cell) + 1 for query, cell in pairs]),
        own_rank=np.array(own),
        retrieved=np.ones(len(pairs), dtype=bool),
        depth=None,
        top_id=top_id,
        top_language=top_language,
        top_score=np.where(top_language >= 0, -np.arange(100.0), -np.inf),
        similarity="cosine",
    )


def by_question(one: RankedSubset, score: str) -> PerQuery:
    """A score of each question, by the function that the tasks take the mean of; any k."""
    name, _, k = score.partition("_at_")
    ranks, top, pool, own = one.query_ranks(), one.top_language, one.data.pool, one.data.language
    if score.startswith("mean_rank_"):
        there = ranks.languages() == one.data.languages.index(score[-2:])
        return PerQuery(ranks.query[there], ranks.rank[there].astype(float))
    if score.startswith("interference_"):
        both = (one.own_query_ranks(), ranks)
        alone, pooled = (effectiveness(each, CUTOFFS)[score.removeprefix("interference_")] for each in both)
        return PerQuery(np.arange(len(alone)), alone - pooled)
    if score == "not_retrieved":
        missing = (~one.retrieved).astype(float)
        return PerQuery(np.arange(ranks.queries), ranks.sum_by_query(missing) / ranks.counts())
    functions = {
        "rank_distance": lambda: metrics.rank_distance(ranks, int(k) if k else None),
        "complete": lambda: metrics.complete_at_k(ranks, int(k)),
        "query_language_share": lambda: metrics.query_language_share(top, own, int(k)),
        "query_language_share_excess": lambda: metrics.query_language_share_excess(top, own, int(k), pool),
        "exposure_fairness": lambda: metrics.exposure_fairness(top, metrics.relevant_languages(ranks, 2), int(k)),
        "judged": lambda: metrics.judged_at_k(one.top_judged(), (top >= 0).sum(axis=1), int(k)),
        "rank_distance_median": lambda: metrics.rank_distance(ranks),
        "rank_distance_normalized": lambda: metrics.rank_distance_normalized(ranks),
        "language_preference": lambda: metrics.language_preference(ranks, own),
        "language_preference_excess": lambda: metrics.language_preference_excess(ranks, own),
    }
    if name in functions:
        return functions[name]()
    return PerQuery(np.arange(ranks.queries), effectiveness(ranks, CUTOFFS)[score])


def of_subset(one: RankedSubset, score: str) -> float:
    """What the JSON of the subset has; the mean of what it does not have, such as another k."""
    return scores_of(one).get(score, by_question(one, score).mean())


def rank_tables(model: str, setting: str, folder: Path) -> list[RankTable]:
    """The tables that a run of the setting would write, read back."""
    named = SimpleNamespace(name=f"Drawn{model}{setting}", dataset={"revision": "1"})
    encoder = SimpleNamespace(mteb_model_meta=named_meta(f"my/{model}"))
    if model in "AB":
        named.name = f"Drawn{setting}"
    for subset in subsets(model, setting):
        save_rank_table(folder, encoder, named, "test", subset, ranked(model, setting, subset))
    return [RankTable.read(path) for path in sorted(folder.rglob(f"my__{model}/*/{named.name}/*.parquet"))]


def subsets(model: str, setting: str) -> list[str]:
    asked = ("sw",) if model == "C" else LANGUAGES[model]
    return ["-".join(pair) for pair in itertools.permutations(asked, 2)] if setting == "CrossLingual" else [*asked]


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
