"""Figures of a report for papers, drawn by matplotlib: PDF, PNG or SVG. Needs the extra ``report``.

Colours can be told apart by colour-blind readers, and models by hatches and line styles too.
"""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from mteb_hybrid.atomic import atomic_path
from mteb_hybrid.errors import ResultsError
from mteb_hybrid.printable import one_line
from mteb_hybrid.reporting import colours
from mteb_hybrid.reporting.columns import main_score, score_name
from mteb_hybrid.reporting.plot_fonts import language_labels
from mteb_hybrid.reporting.pooled import TOP
from mteb_hybrid.reporting.views import CollectionView

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from matplotlib.figure import Figure

    from mteb_hybrid.reporting.summary import ModelSummary
    from mteb_hybrid.reporting.views import LanguageMatrix

FORMATS = ("pdf", "png", "svg")
_HATCHES = ("", "///", "...", "xxx", "\\\\\\", "+++")
_LINES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 3)))
_STYLE: dict[str, Any] = {
    "pdf.fonttype": 42,  # publishers refuse Type 3
    "svg.hashsalt": "mteb-hybrid",
    "figure.dpi": 150,
    "savefig.bbox": "tight",
    "text.parse_math": False,  # a dollar sign in the name of a model is a dollar sign
}


def draw_all(summaries: Sequence[ModelSummary], folder: Path, form: str = "pdf") -> list[Path]:
    """Draw every figure that there are numbers for, named ``<collection>.<figure>.<form>``.

    Args:
        summaries: Sorted by collection.
        folder: Made if it is not there.
        form: One of `FORMATS`.

    Returns:
        The files.

    Raises:
        ResultsError: There is no such form, a file cannot be written, or matplotlib is not installed.
    """
    if form not in FORMATS:
        raise ResultsError(f"figures must be drawn as {', '.join(FORMATS)}, not as {form!r}")
    try:
        import matplotlib as mpl
    except ImportError as error:
        raise ResultsError("figures need matplotlib: pip install 'mteb-hybrid[report]'") from error
    written: list[Path] = []
    for collection, group in itertools.groupby(summaries, key=lambda summary: summary.collection):
        view = CollectionView.of(list(group))
        labels, families = language_labels(view.languages())
        style: Any = {**_STYLE, "font.family": families}
        with mpl.rc_context(style):
            for name, figure in _figures(view, labels):
                path = folder / f"{collection}.{name}.{form}"
                try:
                    with atomic_path(path) as temporary:
                        figure.savefig(temporary, format=form, metadata=_undated(form))
                except OSError as error:
                    raise ResultsError(f"{path} cannot be written: {error}; name another folder") from error
                written.append(path)
    return written


def _figures(view: CollectionView, labels: Mapping[str, str]) -> Iterator[tuple[str, Figure]]:
    score = score_name(view.columns, main_score(view.columns, "CrossLingual"))
    scale = view.scale()
    for model, matrix in view.matrices.items():
        yield f"languages.{_file_name(model, view.models)}", heat_map(matrix, labels, score, scale)
    place = {model: number for number, model in enumerate(view.models)}
    if view.ranks:
        yield "mean-rank", language_bars(view.ranks, labels, "mean rank of the right answer in the pool", place)
    if view.distances:
        excess = {model: one.excess_distance for model, one in view.distances.items()}
        yield "rank-distance", distribution(excess, place)
    if view.lists:
        shares = {model: one.top_share() for model, one in view.lists.items()}
        name = f"share of the first {TOP} passages"
        yield f"first-{TOP}", language_bars(shares, labels, name, place, view.pool_share())


def _file_name(model: str, models: Sequence[str]) -> str:
    """A model's name as part of a file's: short, of plain letters, and with its number where that is not enough."""
    plain = [re.sub(r"[^A-Za-z0-9.@-]+", "_", one)[:80] for one in models]
    number = models.index(model)
    return plain[number] if plain.count(plain[number]) == 1 and plain[number].strip("_") else f"model-{number + 1}"


def heat_map(matrix: LanguageMatrix, labels: Mapping[str, str], score: str, scale: tuple[float, float]) -> Figure:
    """A score by query language (rows) and passage language (columns), with the values in the cells.

    Args:
        matrix: The values.
        labels: Language to its name.
        score: What the values are.
        scale: The values at the ends of the colour scale, which differ.
    """
    from matplotlib.colors import LinearSegmentedColormap

    values = np.full((len(matrix.queries), len(matrix.passages)), np.nan)
    for (query, passage), value in matrix.cells.items():
        values[matrix.queries.index(query), matrix.passages.index(passage)] = value
    figure, axes = _axes(0.42 * len(matrix.passages) + 1.8, 0.34 * len(matrix.queries) + 1.4)
    image = axes.imshow(
        values, LinearSegmentedColormap.from_list("scale", colours.SCALE), vmin=scale[0], vmax=scale[1], aspect="auto"
    )
    for (row, column), value in np.ndenumerate(values):
        if np.isfinite(value):
            text = f"{value:.2f}".removeprefix("0")
            background = colours.scale_colour((value - scale[0]) / (scale[1] - scale[0]))
            axes.text(
                column, row, text, ha="center", va="center", fontsize=7, color=colours.text_colour(background)
            )  # fmt: skip
    axes.set_xticks(
        range(len(matrix.passages)),
        [labels[one] for one in matrix.passages],
        rotation=60,
        ha="right",
        rotation_mode="anchor",
    )
    axes.set_yticks(range(len(matrix.queries)), [labels[one] for one in matrix.queries])
    axes.set(xlabel="passages", ylabel="queries")
    figure.colorbar(image, ax=axes, label=score)
    return figure


def language_bars(
    columns: Mapping[str, Mapping[str, float]],
    labels: Mapping[str, str],
    name: str,
    place: Mapping[str, int],
    reference: Mapping[str, float] | None = None,
) -> Figure:
    """Bars by language, one for each model.

    Args:
        columns: Model to language to value.
        labels: Language to its name.
        name: What the values are.
        place: Model to its number, which is its colour and hatch in all figures.
        reference: What is marked beside each language's bars: its share of the pool.
    """
    languages = list(dict.fromkeys(language for values in columns.values() for language in values))
    height = 0.8 / len(columns)
    figure, axes = _axes(5.5, 0.18 * len(languages) * (len(columns) + 1) + 1.0)
    rows = np.arange(len(languages))
    for number, (model, values) in enumerate(columns.items()):
        turn, colour = divmod(place[model], len(colours.MODELS))
        axes.barh(
            rows + (number + 0.5) * height - 0.4,
            [values.get(language, np.nan) for language in languages],
            height,
            label=one_line(model),
            color=colours.MODELS[colour],
            hatch=_HATCHES[(colour + turn) % len(_HATCHES)],
            edgecolor="white",
        )
    if reference is not None:
        axes.vlines(
            [reference.get(language, np.nan) for language in languages],
            rows - 0.45,
            rows + 0.45,
            color="black",
            label="the pool",
        )
    axes.set_yticks(rows, [labels[language] for language in languages])
    axes.invert_yaxis()
    axes.set(xlabel=name)
    _legend(figure)
    return figure


def distribution(distances: Mapping[str, Mapping[str, Any]], place: Mapping[str, int]) -> Figure:
    """Share of queries with at most so large an excess rank distance, macro-averaged over query languages.

    Args:
        distances: Model to query language to excess rank distances, int64, shape (queries,).
        place: As in `language_bars`.
    """
    figure, axes = _axes(5.5, 3.5)
    for model, by_language in distances.items():
        turn, colour = divmod(place[model], len(colours.MODELS))
        each = np.concatenate(list(by_language.values()))
        weight = np.concatenate([np.full(len(one), 1.0 / len(one) / len(by_language)) for one in by_language.values()])
        order = np.argsort(each, kind="stable")
        axes.step(
            each[order],
            np.cumsum(weight[order]),
            where="post",
            label=one_line(model),
            color=colours.MODELS[colour],
            linestyle=_LINES[(colour + turn) % len(_LINES)],
        )
    axes.set(
        xscale="symlog", xlim=(0, None), ylim=(0, 1), ylabel="share of queries",
        xlabel="ranks between first and last right answer beyond a perfect ranking's",
    )  # fmt: skip
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")  # the default one needs text.parse_math
    axes.grid(alpha=0.3)
    _legend(figure)
    return figure


def _axes(width: float, height: float) -> tuple[Figure, Any]:
    """A figure of so many inches with one pair of axes; nothing of pyplot's, which is one for the whole process."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.add_subplot()


def _legend(figure: Figure) -> None:
    figure.legend(loc="outside lower center", frameon=False, fontsize="small")


def _undated(form: str) -> dict[str, Any]:
    """Metadata without the time, so that the same numbers give the same file."""
    return {"pdf": {"CreationDate": None}, "svg": {"Date": None}}.get(form, {})
