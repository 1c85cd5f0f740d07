"""The study's questions as tables: which groups of arms, which scores, which differences.

Every table of differences is one family of tests.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from evidence import Contrast, Group
from plan import DIVERSITY, MODES, SAMPLERS, arms

from mteb_hybrid.reporting.columns import BIAS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from evidence import ArmScores
    from plan import Arm

UNSEEN = ("el", "ru", "th", "tr")
"""Languages of XQuAD-R that MLQA-R, and so fine-tuning on it, does not have."""
SEEN = ("ar", "de", "en", "es", "hi", "vi", "zh")
SETTINGS = {"Mo.": "Monolingual", "Cr.": "CrossLingual", "Mul.": "Multilingual"}
MAIN = (("map", "Mo."), ("map", "Cr."), ("map", "Mul."), ("rank_distance", "Mul."))
"""What most differences are tested in."""
Scores = dict[str, "Callable[[ArmScores], float | None]"]


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
    there = [arm for arm in arms() if (results / arm.id / "done").is_file()]
    return tables_of(results, there)


def tables_of(results: Path, there: Sequence[Arm]) -> dict[str, Table]:
    """The same, of some arms."""
    made = _Makers(results, there)
    found = {}
    for data, start in (("mlqa-r", "layers4"), ("mlqa-r", "e5"), ("xquad-r", "e5")):
        modes = made.modes(data, start)
        from_start = [_pair(modes, mode, "start", *what) for mode in MODES for what in MAIN]
        found[f"modes {data} {start}"] = Table(1, modes, _main_scores(recall=True), (*_pairs(modes, MAIN), *from_start))
        found[f"bias {data} {start}"] = Table(1, modes, _bias_scores(), scores_as_rows=True)
        found[f"english {data} {start}"] = Table(6, modes, _english_scores(), tuple(_english(modes)))
        found[f"lareqa {data} {start}"] = Table(
            7, modes, {"mAP@20": _mean("map_at_20", "Mul.")}, _pairs(modes, [("map_at_20", "Mul.")])
        )
        if data == "mlqa-r":
            found[f"unseen {start}"] = Table(3, modes, _seen_scores(), tuple(_unseen(modes)))
    found["starts"] = made.starts()
    found |= {"alpha": made.alphas(), "diversity": made.diversity(), "data": made.fractions(), "loss": made.losses()}
    found |= {"starting points": made.starting_points(), "samplers": made.samplers()}
    return found | {"samplers little data": made.samplers_little_data()}


class _Makers:
    """Tables of one folder of results."""

    def __init__(self, results: Path, there: Sequence[Arm]) -> None:
        self.results = results
        self.arms = there

    def group(self, name: str, data: str = "mlqa-r", start: str = "layers4") -> Group:
        found = [arm for arm in self.arms if (arm.name, arm.data, arm.start) == (name, data, start)]
        return Group(self.results, tuple(sorted(found, key=lambda arm: arm.seed)))

    def modes(self, data: str, start: str) -> dict[str, Group]:
        return {name: self.group(name, data, start) for name in ("start", *MODES)}

    def starts(self) -> Table:
        """Whether what hybrid adds depends on the initialiser: a difference of differences."""
        small, whole = self.modes("mlqa-r", "layers4"), self.modes("mlqa-r", "e5")
        groups = {
            f"{mode}, {name}": modes[mode] for name, modes in (("layers4", small), ("e5", whole)) for mode in MODES
        }
        contrasts = [
            Contrast(
                (("hybrid, layers4", small["hybrid"]), (f"{other}, e5", whole[other])),
                ((f"{other}, layers4", small[other]), ("hybrid, e5", whole["hybrid"])),
                metric, SETTINGS[setting],
            )
            for other in ("X-X-mono", "X-Y")
            for metric, setting in MAIN
        ]  # fmt: skip
        return Table(1, groups, _main_scores(), tuple(contrasts))

    def alphas(self) -> Table:
        names = {0: "X-Y", 5: "hybrid", 10: "X-X-mono"}
        groups = {f"{tenths / 10:.1f}": self.group(names.get(tenths, f"alpha{tenths}")) for tenths in range(11)}
        return Table(2, groups, _main_scores(), _against(groups, "0.5", MAIN))

    def diversity(self) -> Table:
        groups = {"start": self.group("start", "xquad-r")}
        groups |= {
            f"{len(languages.split())}: {languages}": self.group(f"languages{len(languages.split())}", "xquad-r")
            for languages in DIVERSITY
        }
        groups["11: all of XQuAD-R"] = self.group("hybrid", "xquad-r")
        first = DIVERSITY[0].split()
        parts = {
            "42 pairs": None,
            "en-zh, zh-en": tuple("-".join(pair) for pair in itertools.permutations(first)),
            "20 pairs without en, zh": tuple(
                "-".join(pair) for pair in itertools.permutations(sorted(set(SEEN) - set(first)), 2)
            ),
        }
        scores = {f"MRR, {name}": _mean("mrr", "Cr.", subsets) for name, subsets in parts.items()}
        fewest, *more = list(groups)[1:]
        contrasts = [
            _pair(groups, name, fewest, "mrr", "Cr.", subsets=subsets, note="" if subsets is None else part)
            for name in more
            for part, subsets in parts.items()
        ]  # fmt: skip
        contrasts += [_pair(groups, name, fewest, *what) for name in more for what in MAIN]
        return Table(4, groups, {**scores, **_main_scores()}, tuple(contrasts))

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
        asked += [("NTREX, hybrid", f"NTREX, {name}") for name in MODES if name != "hybrid"]
        contrasts = tuple(_pair(groups, one, other, *what) for one, other in asked for what in MAIN)
        return Table(9, groups, _main_scores(), contrasts)

    def samplers(self) -> Table:
        groups = {"hybrid": self.group("hybrid")}
        groups |= {SAMPLERS[name]: self.group(name) for name in ("batch-sampler", "no-duplicates")}
        groups["X-X, languages mixed (LAReQA)"] = self.group("X-X-mixed")
        return Table(10, groups, _main_scores(), _against(groups, "hybrid", MAIN))

    def samplers_little_data(self) -> Table:
        groups = {"hybrid": self.group("data10")}
        groups |= {SAMPLERS[name]: self.group(f"data10-{name}") for name in ("batch-sampler", "batch-sampler-masked")}
        plain, masked = SAMPLERS["batch-sampler"], SAMPLERS["batch-sampler-masked"]
        masking = tuple(_pair(groups, masked, plain, *what) for what in MAIN)
        return Table(10, groups, _main_scores(), (*masking, *_against(groups, "hybrid", MAIN)))


def _mean(score: str, setting: str, subsets: Iterable[str] | None = None) -> Callable[[ArmScores], float | None]:
    """A score averaged over the subsets of a setting, or some of them."""
    chosen = None if subsets is None else tuple(subsets)
    return lambda scores: scores.mean(SETTINGS[setting], score, chosen)


def _main_scores(*, recall: bool = False) -> Scores:
    scores = {f"{setting} mAP": _mean("map", setting) for setting in SETTINGS}
    if recall:
        scores |= {"Mo. R@1": _mean("recall_at_1", "Mo."), "Cr. R@1": _mean("recall_at_1", "Cr.")}
        scores |= {"Mul. R@10": _mean("recall_at_10", "Mul.")}
    return {**scores, "rank distance": _mean("rank_distance", "Mul.")}


def _bias_scores() -> Scores:
    """All bias metrics of a pooled setting that parallel collections have."""
    return {f"`{name}`": (lambda scores, name=name: scores.pooled(name)) for name, *_ in BIAS}


def _seen_scores() -> Scores:
    return {
        f"{setting} mAP, {what}": _mean("map", setting, languages)
        for setting in ("Mo.", "Mul.")
        for what, languages in (("seen", SEEN), ("unseen", UNSEEN))
    }


def _english_scores() -> Scores:
    return {name: _mean(score, "Mo.", ["en"]) for name, score in (("mAP", "map"), ("nDCG@10", "ndcg_at_10"))}


def _english(groups: Mapping[str, Group]) -> Iterable[Contrast]:
    """Retrieval in English against before, and hybrid against dedicated monolingual training."""
    for one, other in (*((name, "start") for name in MODES), ("hybrid", "X-X-mono"), ("hybrid", "X-Y")):
        yield _pair(groups, one, other, "map", "Mo.", subsets=("en",), note="en")


def _unseen(groups: Mapping[str, Group]) -> Iterable[Contrast]:
    """What training adds in seen and in unseen languages, and whether it adds more in one of them."""
    parts = {"seen": (SEEN, ()), "unseen": (UNSEEN, ()), "unseen less seen": (UNSEEN, SEEN)}
    pairs = [*((mode, "start") for mode in MODES), ("hybrid", "X-X-mono"), ("hybrid", "X-Y")]
    for (one, other), setting, (note, (languages, less)) in itertools.product(pairs, ("Mo.", "Mul."), parts.items()):
        yield _pair(groups, one, other, "map", setting, subsets=languages, less=less, note=note)


def _pair(groups: Mapping[str, Group], one: str, other: str, metric: str, setting: str, **subsets: Any) -> Contrast:
    return Contrast(((one, groups[one]),), ((other, groups[other]),), metric, SETTINGS[setting], **subsets)


def _pairs(groups: Mapping[str, Group], asked: Iterable[tuple[str, str]]) -> tuple[Contrast, ...]:
    """Hybrid against each other way, and X-Y against X-X-mono."""
    chosen = (("hybrid", "X-X-mono"), ("hybrid", "X-Y"), ("X-Y", "X-X-mono"))
    return tuple(_pair(groups, one, other, *what) for one, other in chosen for what in asked)


def _against(groups: Mapping[str, Group], base: str, asked: Iterable[tuple[str, str]]) -> tuple[Contrast, ...]:
    """Every other group against one."""
    return tuple(_pair(groups, one, base, *what) for one in groups if one != base for what in asked)
