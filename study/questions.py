"""The study's questions as tables: which groups of arms, which scores, which differences.

What is compared was written down here before the results were there. Every table of differences is one family of tests.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evidence import Contrast, Group
from plan import BASELINES, DIVERSITY, MODES, arms

from mteb_hybrid.reporting.columns import BIAS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from mteb_hybrid.reporting import ModelSummary

UNSEEN = ("el", "ru", "th", "tr")
"""Languages of XQuAD-R that MLQA-R, and so fine-tuning on it, does not have."""
SEEN = ("ar", "de", "en", "es", "hi", "vi", "zh")
SETTINGS = {"Mo.": "Monolingual", "Cr.": "CrossLingual", "Mul.": "Multilingual"}
MAIN = (("map", "Mo."), ("map", "Cr."), ("map", "Mul."), ("rank_distance", "Mul."))
"""What most differences are tested in."""
Scores = dict[str, "Callable[[ModelSummary], float | None]"]


@dataclass(frozen=True)
class Table:
    """One table of the study.

    Attributes:
        question: Number of the question.
        groups: Rows of the scores: heading to group.
        scores: Columns of the scores: heading to what computes it.
        contrasts: Rows of the differences.
        scores_as_rows: Scores are rows and groups columns.
    """

    question: int
    groups: Mapping[str, Group]
    scores: Scores
    contrasts: tuple[Contrast, ...] = ()
    scores_as_rows: bool = False


def tables(results: Path) -> dict[str, Table]:
    """All tables by the name that their place in docs/study.md has.

    Args:
        results: Folder with the results of all arms; groups have the arms that are there.
    """
    made = _Makers(results)
    found = {}
    for data, start in (("mlqa-r", "layers4"), ("mlqa-r", "e5"), ("xquad-r", "e5")):
        modes = made.modes(data, start)
        found[f"modes {data} {start}"] = Table(1, modes, _main_scores(recall=True), _pairs(modes, MAIN))
        found[f"bias {data} {start}"] = Table(1, modes, _bias_scores(), scores_as_rows=True)
        found[f"english {data} {start}"] = Table(6, modes, _english_scores(), tuple(_english(modes)))
        found[f"lareqa {data} {start}"] = Table(
            7, modes, {"mAP@20": _mean("map_at_20", "Mul.")}, _pairs(modes, [("map_at_20", "Mul.")])
        )
        if data == "mlqa-r":
            found[f"unseen {start}"] = Table(3, modes, _seen_scores(), tuple(_seen_and_unseen(modes)))
    found |= {"alpha": made.alphas(), "diversity": made.diversity(), "data": made.fractions(), "loss": made.losses()}
    return found | {"starting points": made.starting_points(), "samplers": made.samplers()}


class _Makers:
    """Tables of one folder of results."""

    def __init__(self, results: Path) -> None:
        self.results = results
        self.arms = [arm for arm in arms() if (results / arm.id / "done").is_file()]

    def group(self, name: str, data: str = "mlqa-r", start: str = "layers4") -> Group:
        found = [arm for arm in self.arms if (arm.name, arm.data, arm.start) == (name, data, start)]
        return Group(self.results, tuple(sorted(found, key=lambda arm: arm.seed)))

    def modes(self, data: str, start: str) -> dict[str, Group]:
        return {name: self.group(name, data, start) for name in ("start", *MODES)}

    def alphas(self) -> Table:
        names = {0: "X-Y", 5: "hybrid", 10: "X-X-mono"}
        groups = {f"{tenths / 10:.1f}": self.group(names.get(tenths, f"alpha{tenths}")) for tenths in range(11)}
        return Table(2, groups, _main_scores(), _against(groups, "0.5", MAIN))

    def diversity(self) -> Table:
        groups = {
            f"{len(languages.split())}: {languages}": self.group(f"languages{len(languages.split())}", "xquad-r")
            for languages in DIVERSITY
        }
        groups["11: all of XQuAD-R"] = self.group("hybrid", "xquad-r")
        first = DIVERSITY[0].split()
        both = [f"{one}-{other}" for one, other in itertools.permutations(first, 2)]
        neither = [f"{one}-{other}" for one, other in itertools.permutations(set(SEEN) - set(first), 2)]
        mrr = {
            "MRR, 42 pairs": _mean("mrr", "Cr."),
            "en-zh, zh-en": _mean("mrr", "Cr.", both),
            "pairs without en, zh": _mean("mrr", "Cr.", sorted(neither)),
        }
        asked = [*MAIN, ("mrr", "Cr.")]
        successive = [_pair(groups, second, first, metric, setting)
                      for first, second in itertools.pairwise(groups) for metric, setting in asked]  # fmt: skip
        return Table(4, groups, {**mrr, **_main_scores()}, tuple(successive))

    def fractions(self) -> Table:
        groups = {f"{percent} %": self.group(f"data{percent}") for percent in (10, 25, 50)}
        groups = {"none (start)": self.group("start"), **groups, "100 %": self.group("hybrid")}
        return Table(5, groups, _main_scores(), _against(groups, "100 %", MAIN))

    def losses(self) -> Table:
        names = {
            "hybrid": "hybrid", "+ parallel positives": "parallel", "+ consistency 0.1": "consistency",
            "+ a hard negative": "negatives",
        }  # fmt: skip
        groups = {heading: self.group(name) for heading, name in names.items()}
        return Table(8, groups, _main_scores(), _against(groups, "hybrid", MAIN))

    def starting_points(self) -> Table:
        groups = {
            "start": self.group("start"),
            "English only": self.group("english"),
            **self.modes("mlqa-r", "layers4"),
        }
        after = self.modes("mlqa-r", "layers4-ntrex")
        groups |= {f"NTREX, {'no fine-tuning' if name == 'start' else name}": group for name, group in after.items()}
        asked = [("English only", "hybrid"), ("English only", "start"), ("NTREX, no fine-tuning", "start")]
        asked += [(f"NTREX, {name}", name) for name in MODES]
        return Table(
            9, groups, _main_scores(),
            tuple(_pair(groups, one, other, *what) for one, other in asked for what in MAIN),
        )  # fmt: skip

    def samplers(self) -> Table:
        headings = {
            "batch-sampler": "`BATCH_SAMPLER`, plain loss", "no-duplicates": "`NO_DUPLICATES`, plain loss",
            "batch-sampler-masked": "`BATCH_SAMPLER`, `HybridLoss`", "X-X-mixed": "X-X, languages mixed (LAReQA)",
        }  # fmt: skip
        groups = {"hybrid": self.group("hybrid")}
        groups |= {headings[name]: self.group(name) for name in (*BASELINES, "X-X-mixed")}
        plain, masked = headings["batch-sampler"], headings["batch-sampler-masked"]
        masking = tuple(_pair(groups, masked, plain, *what) for what in MAIN)
        return Table(10, groups, _main_scores(), (*_against(groups, "hybrid", MAIN), *masking))


def _mean(score: str, setting: str, subsets: Iterable[str] | None = None) -> Callable[[ModelSummary], float | None]:
    """A score averaged over the subsets of a setting, or some of them."""
    chosen = None if subsets is None else tuple(subsets)

    def value(summary: ModelSummary) -> float | None:
        if chosen is None:
            return summary.mean(SETTINGS[setting], score)
        found = summary.scores[SETTINGS[setting]]
        return sum(found[name][score] for name in chosen) / len(chosen)

    return value


def _main_scores(*, recall: bool = False) -> Scores:
    scores = {f"{setting} mAP": _mean("map", setting) for setting in SETTINGS}
    if recall:
        scores |= {"Mo. R@1": _mean("recall_at_1", "Mo."), "Cr. R@1": _mean("recall_at_1", "Cr.")}
        scores |= {"Mul. R@10": _mean("recall_at_10", "Mul.")}
    return {**scores, "rank distance": _mean("rank_distance", "Mul.")}


def _bias_scores() -> Scores:
    """All bias metrics of a pooled setting that parallel collections have."""
    return {f"`{name}`": (lambda summary, name=name: summary.pooled(name)) for name, *_ in BIAS}


def _seen_scores() -> Scores:
    return {
        f"{setting} {metric}, {what}": _mean(score, setting, languages)
        for setting in ("Mo.", "Mul.")
        for score, metric in (("map", "mAP"),)
        for what, languages in (("seen", SEEN), ("unseen", UNSEEN))
    }


def _english_scores() -> Scores:
    return {f"{name}": _mean(score, "Mo.", ["en"]) for name, score in (("mAP", "map"), ("nDCG@10", "ndcg_at_10"))}


def _english(groups: Mapping[str, Group]) -> Iterable[Contrast]:
    """Retrieval in English against before, and hybrid against dedicated monolingual training."""
    for one, other in (*((name, "start") for name in MODES), ("hybrid", "X-X-mono"), ("hybrid", "X-Y")):
        yield Contrast((one, groups[one]), (other, groups[other]), "map", "Monolingual", ("en",), "en")


def _seen_and_unseen(groups: Mapping[str, Group]) -> Iterable[Contrast]:
    for what, languages in (("seen", SEEN), ("unseen", UNSEEN)):
        for one, other in (("hybrid", "start"), ("hybrid", "X-X-mono"), ("hybrid", "X-Y")):
            for setting in ("Mo.", "Mul."):
                yield Contrast(
                    (one, groups[one]), (other, groups[other]), "map", SETTINGS[setting], languages, what
                )  # fmt: skip


def _pair(groups: Mapping[str, Group], one: str, other: str, metric: str, setting: str) -> Contrast:
    return Contrast((one, groups[one]), (other, groups[other]), metric, SETTINGS[setting])


def _pairs(groups: Mapping[str, Group], asked: Iterable[tuple[str, str]]) -> tuple[Contrast, ...]:
    """Hybrid against each other way, and X-Y against X-X-mono."""
    chosen = (("hybrid", "X-X-mono"), ("hybrid", "X-Y"), ("X-Y", "X-X-mono"))
    return tuple(_pair(groups, one, other, *what) for one, other in chosen for what in asked)


def _against(groups: Mapping[str, Group], base: str, asked: Iterable[tuple[str, str]]) -> tuple[Contrast, ...]:
    """Every other group against one."""
    return tuple(_pair(groups, one, base, *what) for one in groups if one != base for what in asked)
