"""Hostile names of models, revisions, subsets and languages in reports of every form: they stay words."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from hostile_words import INJECTIONS, ORDERS, WORDS, write_results
from hypothesis import given, settings
from hypothesis import strategies as st
from made_tables import write
from pages import Page
from rich.console import Console

from mteb_hybrid.across import AcrossLanguages
from mteb_hybrid.rank_table import RankTable, find_tables
from mteb_hybrid.reporting import ModelSummary, read_pooled, read_results, summarise
from mteb_hybrid.reporting.formats import FORMATS
from mteb_hybrid.reporting.page import html
from mteb_hybrid.reporting.plots import draw_all
from mteb_hybrid.reporting.pooled import PooledQueries
from mteb_hybrid.reporting.report_tables import report_tables
from mteb_hybrid.reporting.terminal import rich_table
from mteb_hybrid.significance.comparison import Comparison, SettingComparison
from mteb_hybrid.significance.terminal import comparison_table, verdict

HOSTILE = [*INJECTIONS, *WORDS.values()]


def comparison(first: str, second: str, subset: str) -> Comparison:
    """A test whose models and settings have these names."""
    row = SettingComparison(subset, 10, 0.5, 0.4, 0.05, 0.15, 0.01, 0.02, 0.02)
    return Comparison(
        "XQuADR",
        "Monolingual",
        "map",
        first,
        second,
        replace(row, name="mean"),
        0.5,
        (row,),
        (subset,),
        100,
        False,
        0,
        0.02,
    )


def summaries(first: str, second: str, language: str) -> list[ModelSummary]:
    """Two models of these names with a language of this name, and all that a page can show of them."""
    found = []
    for number, name in enumerate((first, second)):
        scores = {"map": 0.5 + number / 8, "recall_at_1": 0.25, "mean_rank_de": 3.0, f"mean_rank_{language}": 4.0}
        one = ModelSummary(
            name, f"{name}-{number}", "XQuADR",
            {
                "Monolingual": {language: scores, "de": scores},
                "CrossLingual": {f"{language}-de": scores, f"de-{language}": scores},
                "Multilingual": {language: scores, "de": scores},
            },
            languages=("de",),
        )  # fmt: skip
        pool = {language: 5, "de": 5}
        one.queries = PooledQueries(
            name, one.revision, "XQuADR", "1", "test", (language, "de"), pool,
            {code: np.array([0, 2, 5]) for code in pool}, {code: dict.fromkeys(pool, 0.5) for code in pool},
        )  # fmt: skip
        one.across = AcrossLanguages(
            name, one.revision, "XQuADRMultilingual", "test", (language, "de"), dict.fromkeys(pool, 0.5), 0, None, "1"
        )
        found.append(one)
    return found


def page(first: str, second: str, language: str) -> str:
    return html(
        summaries(first, second, language),
        comparisons=[comparison(first, second, language)],
        untested=first,
        trained_on={first: ("de",), second: ("de",)},
    )


def skeleton(text: str) -> list[tuple[str, tuple[str, ...]]]:
    """Elements in their order, each with the names of its attributes."""
    return [
        (one["tag"], tuple(sorted(name for name in one if name not in ("tag", "text", "inside"))))
        for one in Page(text).elements
    ]


PLAIN = ("one/model", "two/models", "xx")


def code(word: str) -> str:
    """A language of this name that stands where the plain one does: after ``de``, and not cut at a hyphen."""
    return f"x{word}".replace("-", "_")


class TestPage:
    """No name becomes an element, an attribute, a style or a script."""

    @pytest.mark.parametrize("word", HOSTILE)
    def test_words(self, word):
        """The page has the elements and attributes that it has with plain names, and its scripts are untouched."""
        self.check(word, f"other {word}")

    @given(
        st.text(min_size=1, max_size=20),
        st.text(st.sampled_from("<>\"'&/=`;{}%#\0\n\r\\- ax"), min_size=1, max_size=30),
    )
    @settings(deadline=None, max_examples=40)
    def test_any_text(self, first, second):
        """Likewise for any name."""
        self.check(first, f"other {second}")

    def check(self, first: str, second: str) -> None:
        plain, hostile = page(*PLAIN), page(first, second, code(first))
        found = skeleton(hostile)
        # an unknown language has no name of its own, and a name may say nothing of what a score is
        assert [one for one in found if one[0] != "abbr"] == [one for one in skeleton(plain) if one[0] != "abbr"]
        before, after = Page(plain), Page(hostile)
        for tag in ("style", "title", "meta", "link", "a", "button"):
            assert [list(one.items())[3:] for one in before.of(tag)] == [list(one.items())[3:] for one in after.of(tag)]
        assert [one["text"] for one in before.of("style")] == [one["text"] for one in after.of("style")]
        (records, *scripts), (_, *plain_scripts) = after.of("script"), before.of("script")
        assert [one["text"] for one in scripts] == [one["text"] for one in plain_scripts]
        assert {row["model"] for row in json.loads(records["text"])} == {first, second}
        styles = {value for one in after.elements if (value := one.get("style"))}
        assert all(re.fullmatch(r"[a-z:;,.%#0-9()\- ]+", value) for value in styles)
        assert not [name for one in after.elements for name in one if name.startswith("on")]


LATEX = {
    "begin", "end", "toprule", "midrule", "bottomrule", "textbf", "underline", "textbackslash", "textasciitilde",
    "textasciicircum", "geq",
}  # fmt: skip


class TestOtherForms:
    """Markdown, LaTeX, CSV, JSON, the terminal, figures."""

    @pytest.mark.parametrize("word", HOSTILE)
    def test_latex(self, word):
        """As many lines and cells as with plain names, and no command that we did not write."""
        text, plain = (FORMATS["latex"](summaries(*names)) for names in ((word, f"b{word}", code(word)), PLAIN))
        lines, plain_lines = text.split("\n"), plain.split("\n")
        assert len(lines) == len(plain_lines)
        assert not ORDERS.search(text)
        for line, other in zip(lines, plain_lines, strict=True):
            assert line.startswith("% ") == other.startswith("% ")
            if line.startswith("% "):
                continue
            bare = re.sub(r"\\[\\{}&%$#_]", "", line)
            assert set(re.findall(r"\\([a-zA-Z]+)", bare)) <= LATEX
            assert not re.search(r"\\[^a-zA-Z]", bare)
            assert not re.search(r"[%#~^_]", bare)
            assert bare.count("$") == 2 * bare.count(r"\geq")
            assert bare.count("&") == re.sub(r"\\[\\{}&%$#_]", "", other).count("&")
            assert bare.count("{") == bare.count("}")
            assert not line.startswith(("[", "*"))  # \\ of the line before would take it for its argument

    @pytest.mark.parametrize("word", HOSTILE)
    def test_markdown(self, word):
        """As many lines and bars as with plain names, and no sign that means something."""
        text, plain = (FORMATS["markdown"](summaries(*names)) for names in ((word, f"b{word}", code(word)), PLAIN))
        lines, plain_lines = text.split("\n"), plain.split("\n")
        assert len(lines) == len(plain_lines)
        assert not ORDERS.search(text)
        for line, other in zip(lines, plain_lines, strict=True):
            bare, plain_bare = (re.sub(r"\\[\\`*_\[\]|<>&~$]", "", one) for one in (line, other))
            assert bare.count("|") == plain_bare.count("|")
            assert bare.startswith("#") == plain_bare.startswith("#")
            assert not re.search(r"[`\[\]~$&\\]", bare)
            assert set(re.findall(r"<[^>]*>", bare)) <= {"<u>", "</u>"}

    @pytest.mark.parametrize("word", HOSTILE)
    def test_csv_and_json(self, word):
        """Names come back as they are."""
        both = summaries(word, f"b{word}", code(word))
        rows = list(csv.DictReader(io.StringIO(FORMATS["csv"](both), newline="")))
        listed = json.loads(FORMATS["json"](both))
        for found in (rows, listed):
            assert {row["model"] for row in found} == {word, f"b{word}"}
            assert code(word) in {row["query_language"] for row in found}
        assert [{**row, "value": float(row["value"])} for row in rows] == listed

    @pytest.mark.parametrize("word", HOSTILE)
    def test_terminal(self, word):
        """Tables and verdicts give no orders to a terminal and none to rich, and the name can be read."""
        stream = io.StringIO()
        console = Console(file=stream, width=4000, color_system=None)
        for table in report_tables(summaries(word, f"b{word}", code(word))):
            console.print(rich_table(table))
        one = comparison(word, f"b{word}", word)
        console.print(comparison_table(one))
        said = verdict(one)
        console.print(said, markup=False, highlight=False, soft_wrap=True)
        shown = stream.getvalue()
        assert not ORDERS.search(shown)
        assert "\n" not in said
        if not re.search(r"[\s\ud800-\udfff]", word) and not ORDERS.search(word) and word.isprintable():
            assert word in shown

    def test_figures(self, tmp_path):
        """SVG is well-formed, has no script and leads nowhere, and all files lie in the folder."""
        for number, word in enumerate(
            (INJECTIONS[1], INJECTIONS[3], WORDS["NUL"], WORDS["control characters"], "../../x")
        ):
            folder = tmp_path / str(number)
            written = draw_all(summaries(word, f"b{word}", "fr"), folder, "svg")
            assert written
            assert {path.parent for path in written} == {folder}
            assert set(folder.iterdir()) == set(written)
            for path in written:
                elements = list(ET.parse(path).iter())
                assert not {"script", "foreignObject", "a"} & {one.tag.rpartition("}")[2] for one in elements}
                attributes = [(name.rpartition("}")[2], value) for one in elements for name, value in one.items()]
                assert all(value.startswith(("#", "data:image/png")) for name, value in attributes if name == "href")
                assert not [name for name, _ in attributes if name.startswith("on")]
        assert {path.name for path in tmp_path.iterdir()} == {str(number) for number in range(5)}


@pytest.mark.parametrize("word", [*INJECTIONS[:6], *WORDS.values(), "[/x]", "\x1b[2J", "\u202eevil"])
def test_read_from_files(word, tmp_path):
    """Names that stand in results and rank tables are those of the report."""
    write_results(tmp_path / "results", word, "en")
    write(tmp_path / "predictions", "m", "XQuADRMonolingual", "de", np.array([[1], [2]]), model=word)
    found = summarise(read_results(tmp_path / "results"), *read_pooled([tmp_path / "predictions"]))
    assert [one.model for one in found] == [word]
    (path,) = find_tables([tmp_path / "predictions"])
    assert RankTable.read(path).info.model == word
    Page(html(found))
