"""Hostile texts and ids: through a user's collection, MTEB's task, scores, rank tables, reports, exports."""

from __future__ import annotations

import csv
import io
import json
import re
import sys

import mteb
import numpy as np
import pytest
from beir_folders import write_folder
from hostile_words import INJECTIONS, ORDERS, WORDS, write_results
from hypothesis import given, settings
from hypothesis import strategies as st
from made_tables import write

from mteb_hybrid import cli
from mteb_hybrid.errors import CollectionError
from mteb_hybrid.export import export_beir, export_runs
from mteb_hybrid.rank_table import RankTable, find_tables
from mteb_hybrid.tasks import from_beir

LONG = "".join(chr(0x4E00 + (number * 7919) % 20_000) for number in range(350_000))  # 1 MB in UTF-8, no part twice
TEXTS = [*WORDS.values(), *INJECTIONS]
IDS = [word for word in TEXTS if not re.search(r"[\t\n\r]", word)]  # what a file of judgments can name


def letter(number: int) -> str:
    """A text of one rare letter, so that no two texts are alike to anybody."""
    return chr(0x13000 + number) * 8


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    """A collection of hostile texts and ids in two languages, scored by the baseline; results, tables and tasks.

    Every question is the text of its passage, so the right answer is the best one.
    """
    root = tmp_path_factory.mktemp("hostile")
    texts = [f"{letter(number)} {word}" for number, word in enumerate(IDS)]
    for place, language in enumerate(("en", "de")):
        mine = [f"{letter(200 * (place + 1) + number)} {word}" for number, word in enumerate(IDS)]
        rows = [{"_id": word, "text": text} for word, text in zip(IDS, mine, strict=True)]
        rows.append({"_id": "long", "title": LONG[::-1][: 1000 * (place + 1)], "text": LONG[place:]})
        write_folder(
            root / "data" / language,
            rows,
            [{"_id": row["_id"], "text": f"{row.get('title', '')} {row['text']}".strip()} for row in rows],
            [(row["_id"], row["_id"], 1) for row in rows],
        )
    assert len(texts) == len(IDS)
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("MTEB_HYBRID_CACHE", str(root / "cache"))
        patched.setenv("MTEB_HYBRID_LIST_DEPTH", "1000")
        classes = from_beir("Hostile", root / "data", register=False)
        mteb.evaluate(
            mteb.get_model("mteb-hybrid/char-ngram"), [cls() for cls in classes],
            cache=mteb.ResultCache(root / "results"), prediction_folder=root / "predictions",
            show_progress_bar=False, co2_tracker=False,
        )  # fmt: skip
        yield root, classes


class TestTexts:
    """What is in a collection."""

    def test_scores_are_right(self, evaluated):
        """Each question finds its own text first, in whatever script and of whatever length."""
        root, _ = evaluated
        (mono,) = (root / "results").rglob("HostileMonolingual.json")
        rows = {row["hf_subset"]: row for row in json.loads(mono.read_text())["scores"]["test"]}
        assert rows.keys() == {"en", "de"}
        for row in rows.values():
            assert row["map"] == row["ndcg_at_10"] == row["recall_at_1"] == row["mrr"] == 1.0

    def test_tables_hold_the_ids(self, evaluated):
        """Ids come back from the rank tables to the sign, each question once, and its own passage first."""
        root, _ = evaluated
        tables = [RankTable.read(path) for path in find_tables([root / "predictions"])]
        assert {(one.info.task, one.info.subset) for one in tables} == {
            ("HostileMonolingual", "de"), ("HostileMonolingual", "en"), ("HostileCrossLingual", "en-de"),
            ("HostileCrossLingual", "de-en"), ("HostileMultilingual", "de"), ("HostileMultilingual", "en"),
        }  # fmt: skip
        for table in tables:
            assert table.rows.column("query_id").to_pylist() == [*IDS, "long"]
            if table.info.task == "HostileMonolingual":
                assert set(table.rows.column("rank").combine_chunks().flatten().to_pylist()) == {1}

    def test_report_of_it(self, evaluated, capsys, monkeypatch, tmp_path):
        """The command shows the results in every form."""
        root, _ = evaluated
        for form in ("markdown", "latex", "csv", "json", "html", None):
            command = ["mteb-hybrid", "report", str(root / "results"), "--predictions", str(root / "predictions")]
            monkeypatch.setattr(sys, "argv", command + (["--format", form] if form else []))
            with pytest.raises(SystemExit) as ended:
                cli.main()
            assert ended.value.code == 0
            shown = capsys.readouterr().out
            assert "Hostile" in shown
            assert "1.0" in shown

    def test_exported_and_read_again(self, evaluated, tmp_path):
        """Texts and ids are the same in BEIR's layout; a run with white space in its ids is refused in words."""
        root, classes = evaluated
        (mono,) = (cls for cls in classes if cls.metadata.name == "HostileMonolingual")
        export_beir(mono(), tmp_path / "again")
        for language in ("en", "de"):
            for name in ("corpus", "queries"):
                before, after = (
                    {row["_id"]: f"{row.get('title') or ''} {row['text']}".strip() for row in map(json.loads, lines)}
                    for lines in (
                        (folder / language / f"{name}.jsonl").read_bytes().splitlines()
                        for folder in (root / "data", tmp_path / "again")
                    )
                )
                assert sorted(before.values()) == sorted(after.values())
            judged = (tmp_path / "again" / language / "qrels" / "test.tsv").read_text(encoding="utf-8")
            found = list(csv.reader(io.StringIO(judged, newline=""), delimiter="\t"))
            assert [row[0] for row in found[1:]] == [*IDS, "long"]
        with pytest.raises(Exception, match="has white space, which separates the fields of a run"):
            export_runs([root / "predictions"], "HostileMonolingual", tmp_path / "again")

    @pytest.mark.parametrize("where", ["corpus", "queries"])
    @pytest.mark.parametrize("key", ["_id", "text"])
    @pytest.mark.parametrize("half", ["\\ud800", "\\udfff x", "\\udc00\\ud800"])
    def test_halves_of_characters(self, tmp_path, where, key, half):
        """Nothing can encode a lone surrogate: the error names the line, and says what it is."""
        rows = [{"_id": "a", "text": "Tea is drunk hot."}]
        folder = write_folder(tmp_path / "en", rows, rows, [("a", "a", 1)])
        path = folder / f"{where}.jsonl"
        path.write_text(
            path.read_text().replace("Tea" if key == "text" else '"a"', half if key == "text" else f'"{half}"')
        )
        with pytest.raises(CollectionError, match=rf"{where}\.jsonl, line 1: '{key}' is no valid Unicode"):
            from_beir("Halves", tmp_path, register=False)

    @pytest.mark.parametrize("text", ["", " ", "\u3000\u2003", "\x1f\x85", "\u2028"])
    def test_nothing_but_white_space(self, tmp_path, text):
        """Of no script's white space is a text made."""
        folder = write_folder(
            tmp_path / "en", [{"_id": "a", "text": text}], [{"_id": "q", "text": "x"}], [("q", "a", 1)]
        )
        with pytest.raises(CollectionError, match=r"corpus\.jsonl, line 1: document 'a' has neither title nor text"):
            from_beir("Blank", folder.parent, register=False)

    @given(texts=st.lists(st.text(min_size=1, max_size=8).filter(str.strip), min_size=1, max_size=8, unique=True))
    @settings(deadline=None, max_examples=50)
    def test_the_baseline_embeds_every_text(self, texts):
        """Any text that is not blank has a finite vector of length 1."""
        model = mteb.get_model("mteb-hybrid/char-ngram")
        vectors = model.encode([{"text": texts}])
        assert np.allclose(np.linalg.norm(vectors, axis=1), 1.0)


@pytest.mark.parametrize("form", [None, "markdown", "latex", "csv", "json", "html"])
def test_halves_of_characters_in_results(form, tmp_path, monkeypatch, capsys):
    """An error that names the file, before anything is written."""
    write_results(tmp_path / "results", "\ud800", "en")
    monkeypatch.setattr(sys, "argv", ["mteb-hybrid", "report", str(tmp_path), *(["--format", form] if form else [])])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    shown = capsys.readouterr()
    if ended.value.code == 0:  # the words beside the result are no JSON then: it is named by its folder
        assert "someone/model" in shown.out.replace("\\", "")
    else:
        assert "half of a character" in shown.err


def test_errors_give_no_orders(tmp_path, monkeypatch, capsys):
    """What is wrong is said on the terminal, whatever names are in it."""
    write(tmp_path / "p", "m", "XQuADRMonolingual", "de", np.array([[1], [2]]), model="\x1b[2Jevil\u202e")
    monkeypatch.setattr(sys, "argv", ["mteb-hybrid", "compare", str(tmp_path / "p")])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert "evil" in said
    assert not ORDERS.search(said)


def test_bytes_in_the_name_of_a_folder(tmp_path, monkeypatch, capsys):
    """A folder whose name is no UTF-8, on systems that have such: an error in words, or a report, and no crash."""
    try:
        write_results(tmp_path / "r\udcff", "m", "en")
    except (OSError, UnicodeError):
        pytest.skip("this file system has no such names")
    (meta,) = tmp_path.rglob("model_meta.json")
    meta.unlink()
    place = meta.parent.parent
    place.rename(place.with_name("x\udcff__y"))
    monkeypatch.setattr(sys, "argv", ["mteb-hybrid", "report", str(tmp_path), "--format", "markdown"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    assert "half of a character" in capsys.readouterr().err
