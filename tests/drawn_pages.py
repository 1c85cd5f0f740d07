"""The drawings and tables of docs/reading.md, and the drawings as the tasks rank them."""

from __future__ import annotations

import itertools
import math
import re
from fractions import Fraction
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from encoders import named_meta

from mteb_hybrid import metrics
from mteb_hybrid.metrics import PerQuery, effectiveness
from mteb_hybrid.rank_table import RankTable
from mteb_hybrid.tasks.predictions import save_rank_table
from mteb_hybrid.tasks.ranked import JudgedQueries, RankedSubset
from mteb_hybrid.tasks.scores import scores_of
from mteb_hybrid.tasks.search import rank_from_lists

DOCS = Path(__file__).parents[1] / "docs"
PAGE = (DOCS / "reading.md").read_text(encoding="utf-8")
LANGUAGES = {"A": ("de", "en"), "B": ("de", "en"), "C": ("en", "sw")}
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
