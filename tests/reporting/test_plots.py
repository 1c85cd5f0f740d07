"""Figures for papers: the numbers that they draw, the names of languages, the files."""

from __future__ import annotations

import itertools
import logging
import re

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import font_manager
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.ft2font import FT2Font
from typer.testing import CliRunner

from mteb_hybrid.cli import app
from mteb_hybrid.errors import ResultsError
from mteb_hybrid.language_names import own_name
from mteb_hybrid.languages import LANGUAGE_SCRIPTS
from mteb_hybrid.reporting import ModelSummary, plot_fonts
from mteb_hybrid.reporting.plot_fonts import language_labels
from mteb_hybrid.reporting.plots import distribution, draw_all, heat_map, language_bars
from mteb_hybrid.reporting.views import LanguageMatrix, language_matrix

MIRACL = ("ar", "bn", "de", "en", "es", "fa", "fi", "fr", "hi", "id", "ja", "ko", "ru", "sw", "te", "th", "yo", "zh")
LABELS = {"de": "German", "en": "English"}


def test_heat_map_draws_the_matrix():
    """A row for each query language; the cells' values as text; what was not run is blank."""
    matrix = LanguageMatrix(("de", "en"), ("de", "en"), {("de", "de"): 0.5, ("de", "en"): 0.25, ("en", "en"): 1.0})
    axes, bar = heat_map(matrix, LABELS, "mAP", (0.25, 1.0)).axes
    drawn = np.ma.filled(axes.images[0].get_array(), np.nan)
    np.testing.assert_equal(drawn, [[0.5, 0.25], [np.nan, 1.0]])
    texts = {(text.get_position()[1], text.get_position()[0]): text.get_text() for text in axes.texts}
    assert texts == {(0, 0): ".50", (0, 1): ".25", (1, 1): "1.00"}
    assert [text.get_text() for text in axes.get_yticklabels()] == ["German", "English"]
    assert bar.get_ylabel() == "mAP"


def test_bars_are_as_long_as_their_values():
    """A bar for each model and language, the pool marked beside them."""
    columns = {"a": {"de": 0.5, "en": 0.25}, "b": {"de": 0.1, "en": 0.2}}
    (axes,) = language_bars(columns, LABELS, "share", {"a": 0, "b": 1}, {"de": 0.3, "en": 0.7}).axes
    assert [bar.get_width() for bar in axes.patches] == [0.5, 0.25, 0.1, 0.2]
    tops = [bar.get_y() for bar in axes.patches]
    assert tops[0] < tops[2] < tops[1] < tops[3]  # both models of German above those of English, the axis points down
    assert axes.yaxis_inverted()
    (marks,) = axes.collections
    assert [segment[0][0] for segment in marks.get_segments()] == [0.3, 0.7]


def test_distribution_counts_query_languages_alike():
    """The curve at x is the mean over query languages of their queries' share with at most x."""
    distances = {"a": {"de": np.array([1, 3, 3, 9]), "en": np.array([9])}}
    figure = distribution(distances, {"a": 0})
    (axes,) = figure.axes
    (line,) = axes.lines
    x, y = line.get_data()
    for value, share in ((1, 1 / 8), (3, 3 / 8), (9, 1.0)):
        assert y[np.flatnonzero(x <= value)[-1]] == pytest.approx(share)
    with mpl.rc_context({"text.parse_math": False}):  # as figures are drawn
        FigureCanvasAgg(figure).draw()
    assert [text.get_text() for text in axes.get_xticklabels()][:3] == ["0", "1", "10"]


def test_a_model_has_one_colour_and_many_models_have_many():
    """By its place among all models, whichever of them a figure shows; the seventh looks like no other."""
    place = {f"m{number}": number for number in range(14)}
    (axes,) = language_bars({model: {"de": 0.5} for model in place}, LABELS, "share", place).axes
    looks = [(bar.get_facecolor(), bar.get_hatch()) for bar in axes.patches]
    assert len(set(looks)) == 14
    (alone,) = language_bars({"m8": {"de": 0.5}}, LABELS, "share", place).axes
    assert (alone.patches[0].get_facecolor(), alone.patches[0].get_hatch()) == looks[8]
    (axes,) = distribution({model: {"de": np.array([1])} for model in place}, place).axes
    assert len({(line.get_color(), line.get_linestyle(), str(line._dash_pattern)) for line in axes.lines}) == 14


def test_figures_of_models_with_like_names(tmp_path):
    """No file is written twice, whatever the names; long ones are cut."""
    crossed = {"CrossLingual": {"de-en": {"map": 0.5}}}
    names = ("a/b", "a_b", "模型", "型号", "long/" + "x" * 300)
    paths = draw_all([ModelSummary(name, "r", "C", crossed) for name in names], tmp_path, "svg")
    assert [path.name for path in paths] == [
        *(f"C.languages.model-{number}.svg" for number in (1, 2, 3, 4)), f"C.languages.long_{'x' * 75}.svg",
    ]  # fmt: skip
    assert all(path.is_file() for path in paths)


def test_a_folder_that_cannot_be_made(tmp_path):
    """Is said, with the path."""
    (tmp_path / "file").write_text("")
    one = ModelSummary("a/b", "r", "C", {"CrossLingual": {"de-en": {"map": 0.5}}})
    with pytest.raises(ResultsError, match=r"file.*cannot be written"):
        draw_all([one], tmp_path / "file" / "figures", "svg")


@pytest.mark.parametrize("form", [pytest.param("pdf", marks=pytest.mark.slow), "png", "svg"])
def test_files(form, summaries, tmp_path):
    """Whole files of the kind that is asked for; the same numbers give the same file."""
    paths = draw_all(summaries, tmp_path / "one", form)
    assert sorted(path.name for path in paths) == [
        f"MiniQAR.first-10.{form}",
        f"MiniQAR.languages.mteb-hybrid_char-ngram.{form}",
        f"MiniQAR.languages.test_b_odd_1_000_b_.{form}",
        f"MiniQAR.mean-rank.{form}",
        f"MiniQAR.rank-distance.{form}",
    ]
    starts = {"pdf": b"%PDF", "png": b"\x89PNG", "svg": b"<?xml"}
    again = {path.name: path.read_bytes() for path in draw_all(summaries, tmp_path / "two", form)}
    for path in paths:
        content = path.read_bytes()
        assert content.startswith(starts[form])
        assert content == again[path.name]
        if form == "pdf":
            assert b"/Type3" not in content  # journals refuse it
    assert not list(tmp_path.rglob("*.tmp"))


def test_every_language_in_its_script(caplog):
    """With fonts for all scripts, MIRACL's 18 languages are named by those who speak them, and no letter is a box."""
    labels, families = language_labels(MIRACL)
    if "install fonts" in caplog.text:
        pytest.skip("fonts for some scripts are not installed: Debian has them in fonts-noto-core and fonts-noto-cjk")
    assert labels == {one: f"{one} {own_name(one)}" for one in MIRACL}
    letters = set()
    for family in families:
        letters |= set(FT2Font(font_manager.findfont(family, fallback_to_default=False)).get_charmap())
    assert {ord(letter) for label in labels.values() for letter in label} <= letters


def test_figures_of_18_languages(tmp_path, recwarn):
    """Drawn without a complaint about a missing letter, wherever that is; labels do not lie over each other."""
    rng = np.random.default_rng(0)
    crossed = {f"{a}-{b}": {"map": rng.random()} for a in MIRACL for b in MIRACL if a != b}
    one = ModelSummary("a/b", "r", "MIRACL", {"CrossLingual": crossed})
    (path,) = draw_all([one], tmp_path, "svg")
    assert path.stat().st_size > 10_000
    assert not [warning for warning in recwarn if "Glyph" in str(warning.message)]
    labels, families = language_labels(MIRACL)
    with mpl.rc_context({"font.family": families}):
        figure = heat_map(language_matrix(one), labels, "mAP", (0.0, 1.0))
        FigureCanvasAgg(figure).draw()
        axes = figure.axes[0]
        boxes = [tick.get_window_extent() for tick in axes.get_yticklabels()]
        assert all(not a.overlaps(b) for a, b in itertools.pairwise(boxes))


def test_languages_without_a_font_are_named_in_english(monkeypatch, caplog):
    """One warning says which, and what to install; others keep their names."""
    monkeypatch.setattr(plot_fonts, "_family_for", lambda text: "DejaVu Sans" if text.isascii() else None)
    with caplog.at_level(logging.WARNING):
        labels, families = language_labels(["de", "th", "zh"])
    assert labels == {"de": "de Deutsch", "th": "th Thai", "zh": "zh Chinese"}
    assert families == ["DejaVu Sans"]
    (record,) = caplog.records
    assert "figures name th, zh in English: install fonts" in record.getMessage()


def test_older_matplotlib_names_shaped_scripts_in_english(monkeypatch):
    """Before 3.11 it draws Arabic letters apart from each other and backwards."""
    monkeypatch.setattr(plot_fonts, "_shapes", lambda: False)
    labels, _ = language_labels(["ar", "de", "hi"])
    assert labels == {"ar": "ar Arabic", "de": "de Deutsch", "hi": "hi Hindi"}


def test_every_language_has_a_name():
    """Those of all collections."""
    unnamed = [code for code in LANGUAGE_SCRIPTS if own_name(code) == code]
    assert unnamed == []


def test_command(runs, tmp_path):
    """`--plots` draws beside whatever else is asked for; a wrong format is refused."""
    run = CliRunner().invoke(
        app, ["report", str(runs), "--format", "json", "--plots", str(tmp_path / "figures"), "--plot-format", "svg"]
    )
    assert run.exit_code == 0, run.output
    assert len(list((tmp_path / "figures").glob("MiniQAR.*.svg"))) == 5
    assert re.match(r"\[\n\{", run.stdout)
    run = CliRunner().invoke(app, ["report", str(runs), "--plots", str(tmp_path), "--plot-format", "gif"])
    assert isinstance(run.exception, ResultsError)
    assert "drawn as pdf, png, svg, not as 'gif'" in str(run.exception)


def test_without_matplotlib(summaries, tmp_path, monkeypatch):
    """The message names the extra."""
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    with pytest.raises(ResultsError, match=r"pip install 'mteb-hybrid\[report\]'"):
        draw_all(summaries, tmp_path)
