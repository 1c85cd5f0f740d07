"""The HTML page: one file with everything in it, for a browser, a screen reader or a printer.

What it shows is put together here; how it looks is in ``templates/``. Needs the extra ``report``.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mteb_hybrid import __version__
from mteb_hybrid.errors import ResultsError
from mteb_hybrid.language_names import english_name, own_name
from mteb_hybrid.reporting import colours
from mteb_hybrid.reporting.bars import BarTable, language_mix, rank_distances, right_answer_ranks
from mteb_hybrid.reporting.columns import columns_of, main_score, score_name
from mteb_hybrid.reporting.formats import records
from mteb_hybrid.reporting.report_tables import (
    Cell,
    ReportTable,
    bias_table,
    compared_cells,
    language_table,
    summary_table,
)
from mteb_hybrid.reporting.views import LanguageMatrix, language_matrix, seen_scores
from mteb_hybrid.significance.terminal import better_model

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mteb_hybrid.reporting.summary import ModelSummary
    from mteb_hybrid.significance import Comparison


@dataclass(frozen=True, slots=True)
class HeatMap:
    """A matrix of languages, with a colour for every cell.

    Attributes:
        model: Whose it is.
        matrix: Its values.
        colours: Cell to its background and the colour of its text.
    """

    model: str
    matrix: LanguageMatrix
    colours: dict[tuple[str, str], tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Card:
    """A model in a few numbers.

    Attributes:
        model: Its name.
        revision: Its revision.
        numbers: Headings with their cells.
    """

    model: str
    revision: str
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
        heat_range: Their lowest and their highest value.
        bars: Tables with bars: mean ranks, rank distances, language mix, as far as they are there.
        needs_tables: Whether some of those are not, for want of rank tables.
        seen: Scores apart for languages seen and not seen in training; without rows where that is not known.
        comparisons: Tests of all pairs of models, each with the better model or None.
        span: The largest distance from 0 of any of their intervals.
        languages: A table of query languages for each model.
    """

    name: str
    cards: tuple[Card, ...]
    summary: ReportTable
    bias: ReportTable
    score_name: str
    heat: tuple[HeatMap, ...]
    heat_range: tuple[float, float]
    bars: tuple[BarTable, ...]
    needs_tables: bool
    seen: ReportTable
    comparisons: tuple[tuple[Comparison, str | None], ...]
    span: float
    languages: tuple[ReportTable, ...]


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


def html(
    summaries: Sequence[ModelSummary],
    *,
    languages: bool = True,
    comparisons: Sequence[Comparison] = (),
    trained_on: Mapping[str, Sequence[str]] | None = None,
) -> str:
    """The page as text; arguments as of `sections`.

    Raises:
        ResultsError: Jinja2 is not installed.
    """
    try:
        import jinja2
    except ImportError as error:
        raise ResultsError("the HTML page needs Jinja2: pip install 'mteb-hybrid[report]'") from error
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("mteb_hybrid.reporting"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(
        english_name=english_name, own_name=own_name, model_colours=colours.MODELS, scale=colours.SCALE
    )
    return environment.get_template("page.html.j2").render(
        sections=sections(summaries, comparisons, trained_on, languages=languages),
        models=list(dict.fromkeys(one.label for one in summaries)),
        version=__version__,
        records=list(records(summaries, languages=languages)),
    )


def _section(
    name: str,
    members: list[ModelSummary],
    comparisons: Sequence[Comparison],
    trained_on: Mapping[str, Sequence[str]],
    *,
    languages: bool,
) -> Section:
    columns = columns_of(members)
    score = main_score(columns, "CrossLingual")
    tested = [one for one in comparisons if one.collection == name]
    bars = (right_answer_ranks(members), rank_distances(members), language_mix(members))
    summary = summary_table(members, name)
    matrices = {one.label: matrix for one in members if (matrix := language_matrix(one, score)) is not None}
    values = [value for matrix in matrices.values() for value in matrix.cells.values()]
    low, high = min(values, default=0.0), max(values, default=1.0)
    return Section(
        name=name,
        cards=tuple(_card(one, row, summary) for one, row in zip(members, summary.rows, strict=True)),
        summary=summary,
        bias=bias_table(members, name),
        score_name=score_name(columns, score),
        heat=_heat_maps(matrices, low, high),
        heat_range=(low, high),
        bars=tuple(table for table in bars if table is not None),
        needs_tables=any("Multilingual" in one.scores and one.queries is None for one in members),
        seen=_seen_table(members, trained_on),
        comparisons=tuple((one, better_model(one)) for one in tested),
        span=max((max(abs(one.mean.low), abs(one.mean.high)) for one in tested), default=0.0),
        languages=tuple(map(language_table, members)) if languages else (),
    )


def _card(member: ModelSummary, row: tuple[Cell, ...], table: ReportTable) -> Card:
    """The headlines of a model's row of the summary."""
    headlines = {column.heading for column in columns_of([member]) if column.headline}
    numbers = tuple(pair for pair in zip(table.headings, row, strict=True) if pair[0] in headlines)
    return Card(member.label, member.revision, numbers)


def _heat_maps(matrices: Mapping[str, LanguageMatrix], low: float, high: float) -> tuple[HeatMap, ...]:
    """All models on one scale of colours, from the lowest of all their values to the highest."""

    def shades(matrix: LanguageMatrix) -> dict[tuple[str, str], tuple[str, str]]:
        width = (high - low) or 1.0
        backgrounds = {cell: colours.scale_colour((value - low) / width) for cell, value in matrix.cells.items()}
        return {cell: (colour, colours.text_colour(colour)) for cell, colour in backgrounds.items()}

    return tuple(HeatMap(model, matrix, shades(matrix)) for model, matrix in matrices.items())


def _seen_table(members: list[ModelSummary], trained_on: Mapping[str, Sequence[str]]) -> ReportTable:
    """A row for each setting and side of its languages, a column for each model that was trained on some of them."""
    columns = columns_of(members)
    rows = []
    models: dict[str, None] = {}
    for setting in dict.fromkeys(column.setting for column in columns):
        score = main_score(columns, setting)
        found = {one.label: seen_scores(one, trained_on.get(one.model, ()), setting, score) for one in members}
        known = {model: groups for model, groups in found.items() if groups}
        models |= dict.fromkeys(known)
        for sides in sorted({sides for groups in known.values() for sides in groups}):
            here = [groups.get(sides) for groups in known.values()]
            subsets = "/".join(dict.fromkeys(str(one.subsets) for one in here if one is not None))
            numbers = compared_cells([None if one is None else one.value for one in here], ".4f", "high")
            rows.append((*map(Cell, (setting, *sides, subsets)), *numbers))
    headings = ("Setting", "Query language", "Passage language", "Subsets", *models)
    return ReportTable("Languages seen and not seen in training", headings, tuple(rows), texts=4)
