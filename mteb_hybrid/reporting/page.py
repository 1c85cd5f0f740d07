"""The HTML page: one file with everything in it, for a browser, a screen reader or a printer.

What it shows is put together here; how it looks is in ``templates/``. Needs the extra ``report``.
"""

from __future__ import annotations

import importlib.util
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mteb_hybrid import __version__
from mteb_hybrid.errors import ResultsError
from mteb_hybrid.language_names import english_name, own_name
from mteb_hybrid.printable import one_line
from mteb_hybrid.reporting import colours
from mteb_hybrid.reporting.bars import BarTable, bar_tables
from mteb_hybrid.reporting.columns import MEANINGS, main_score, score_name
from mteb_hybrid.reporting.formats import records
from mteb_hybrid.reporting.report_tables import (
    Cell,
    ReportTable,
    bias_table,
    compared_cells,
    language_table,
    summary_table,
)
from mteb_hybrid.reporting.views import CollectionView, LanguageMatrix, seen_scores
from mteb_hybrid.significance.terminal import better_model
from mteb_hybrid.task_names import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mteb_hybrid.reporting.columns import Column
    from mteb_hybrid.reporting.summary import ModelSummary
    from mteb_hybrid.significance import Comparison


@dataclass(frozen=True, slots=True)
class HeatCell:
    """A cell of a heat map.

    Attributes:
        value: Its value.
        text: As there is room for it.
        name: Its languages and its value, in words.
        background: Its colour.
        colour: That of its text.
    """

    value: float
    text: str
    name: str
    background: str
    colour: str


@dataclass(frozen=True, slots=True)
class HeatMap:
    """A matrix of languages with colours.

    Attributes:
        model: Whose it is.
        queries: Languages of the rows.
        passages: Languages of the columns.
        cells: (query language, passage language) to cell; pairs that were not run are absent.
    """

    model: str
    queries: tuple[str, ...]
    passages: tuple[str, ...]
    cells: dict[tuple[str, str], HeatCell]


@dataclass(frozen=True, slots=True)
class Card:
    """A model in a few numbers: headings with their cells."""

    model: str
    numbers: tuple[tuple[str, Cell], ...]


@dataclass(frozen=True, slots=True)
class Section:
    """What the page shows of one collection.

    Attributes:
        name: The collection.
        cards: A card for each model.
        summary: Macro-averages.
        bias: Language bias in the pool; without rows where nothing was pooled.
        score_name: Heading of the score of the heat maps.
        heat: A heat map for each model that has cross-lingual results.
        scale: The values at the ends of their colours.
        models: Labels of all models.
        bars: Tables with bars: mean ranks, rank distances, language mix, as far as they are there.
        needs_tables: Whether some of those are not, for want of rank tables.
        seen: Scores apart for languages seen and not seen in training; without rows where that is not known.
        comparisons: Tests of all pairs of models, by setting, each with the better model or None.
        span: The largest distance from 0 of any of their intervals.
        languages: A table of query languages for each model.
        has_bounds: Whether some scores are lower bounds.
    """

    name: str
    cards: tuple[Card, ...]
    summary: ReportTable
    bias: ReportTable
    score_name: str
    heat: tuple[HeatMap, ...]
    scale: tuple[float, float]
    models: tuple[str, ...]
    bars: tuple[BarTable, ...]
    needs_tables: bool
    seen: ReportTable
    comparisons: tuple[tuple[Comparison, str | None], ...]
    span: float
    languages: tuple[ReportTable, ...]
    has_bounds: bool


def sections(
    summaries: Sequence[ModelSummary],
    comparisons: Sequence[Comparison] = (),
    trained_on: Mapping[str, Sequence[str]] | None = None,
    *,
    languages: bool = True,
) -> list[Section]:
    """Everything that the page shows, by collection.

    Args:
        summaries: Sorted by collection.
        comparisons: Tests of pairs of models, if any.
        trained_on: Model to the languages it was trained on.
        languages: Whether tables of query languages are shown.
    """
    return [
        _section(name, list(group), comparisons, trained_on or {}, languages=languages)
        for name, group in itertools.groupby(summaries, key=lambda summary: summary.collection)
    ]


def check_jinja() -> None:
    """Raise an error that says how to get Jinja2, if it is not there.

    Raises:
        ResultsError: It is not installed.
    """
    if importlib.util.find_spec("jinja2") is None:
        raise ResultsError("the HTML page needs Jinja2: pip install 'mteb-hybrid[report]'")


def html(
    summaries: Sequence[ModelSummary],
    *,
    languages: bool = True,
    comparisons: Sequence[Comparison] = (),
    untested: str = "",
    trained_on: Mapping[str, Sequence[str]] | None = None,
) -> str:
    """The page as text.

    Args:
        summaries: As in `sections`.
        languages: Likewise.
        comparisons: Likewise.
        untested: Why there are no comparisons of several models, in a sentence.
        trained_on: As in `sections`.

    Raises:
        ResultsError: Jinja2 is not installed.
    """
    check_jinja()
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("mteb_hybrid.reporting"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_finalized,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(
        english_name=english_name,
        own_name=own_name,
        meanings=MEANINGS,
        model_colours=colours.MODELS,
        scale_colours=colours.SCALE,
    )
    return environment.get_template("page.html.j2").render(
        sections=sections(summaries, comparisons, trained_on, languages=languages),
        models=list(dict.fromkeys(one.label for one in summaries)),
        untested=untested,
        version=__version__,
        records=list(records(summaries, languages=languages)),
    )


def _finalized(value: object) -> object:
    """What the templates write: texts without orders to whoever shows them; what is HTML already stays."""
    return one_line(value) if type(value) is str else value


def _section(
    name: str,
    members: list[ModelSummary],
    comparisons: Sequence[Comparison],
    trained_on: Mapping[str, Sequence[str]],
    *,
    languages: bool,
) -> Section:
    view = CollectionView.of(members)
    scale = view.scale()
    tested = sorted((one for one in comparisons if one.collection == name), key=lambda one: SETTINGS.index(one.setting))
    summary = summary_table(members, view.columns, name)
    return Section(
        name=name,
        cards=tuple(map(_card, members, summary.rows, itertools.repeat(view.columns))),
        summary=summary,
        bias=bias_table(members, name),
        score_name=score_name(view.columns, main_score(view.columns, "CrossLingual")),
        heat=tuple(_heat_map(model, matrix, scale) for model, matrix in view.matrices.items()),
        scale=scale,
        models=view.models,
        bars=tuple(bar_tables(view)),
        needs_tables=any(one.queries is None and one.subsets("Multilingual") for one in members),
        seen=_seen_table(members, view.columns, trained_on),
        comparisons=tuple((one, better_model(one)) for one in tested),
        span=max((max(abs(one.mean.low), abs(one.mean.high)) for one in tested), default=0.0),
        languages=tuple(language_table(one, view.columns) for one in members) if languages else (),
        has_bounds=any(one.is_bound(column.setting, column.score) for one in members for column in view.columns),
    )


def _card(member: ModelSummary, row: tuple[Cell, ...], columns: Sequence[Column]) -> Card:
    """The headlines of a model's row of the summary, which begins with its name."""
    numbers = zip(columns, row[1:], strict=False)
    return Card(member.label, tuple((column.heading, cell) for column, cell in numbers if column.headline))


def _heat_map(model: str, matrix: LanguageMatrix, scale: tuple[float, float]) -> HeatMap:
    """All models of a collection are on one scale."""
    low, high = scale
    cells = {}
    for (query, passage), value in matrix.cells.items():
        background = colours.scale_colour((value - low) / (high - low))
        cells[query, passage] = HeatCell(
            value=value,
            text=f"{value:.2f}".removeprefix("0"),
            name=f"{english_name(query)} to {english_name(passage)}: {value:.4f}",
            background=background,
            colour=colours.text_colour(background),
        )
    return HeatMap(model, matrix.queries, matrix.passages, cells)


def _seen_table(
    members: list[ModelSummary], columns: Sequence[Column], trained_on: Mapping[str, Sequence[str]]
) -> ReportTable:
    """A row for each setting and side of its languages, a column for each model that was trained on some of them."""
    found = {
        (one.label, setting): seen_scores(one, trained_on.get(one.model, ()), setting, main_score(columns, setting))
        for one in members
        for setting in SETTINGS
    }
    models = [one.label for one in members if any(found[one.label, setting] for setting in SETTINGS)]
    rows = []
    for setting in SETTINGS:
        for sides in sorted({sides for model in models for sides in found[model, setting]}):
            here = [found[model, setting].get(sides) for model in models]
            numbers = compared_cells(
                [None if one is None else one.value for one in here],
                ".4f",
                "high",
                over=[() if one is None else one.subsets for one in here],
            )
            subsets = "/".join(dict.fromkeys(str(len(one.subsets)) for one in here if one is not None))
            rows.append((*map(Cell, (setting, *sides, subsets)), *numbers))
    headings = ("Setting", "Query language", "Passage language", "Subsets", *models)
    return ReportTable("Languages seen and not seen in training", headings, tuple(rows), texts=4)
