"""What can be read in a folder in BEIR's layout but is hardly meant, and what is said about it."""

from __future__ import annotations

from pathlib import Path

import mteb
import pytest
from beir_folders import write_english_questions, write_languages, write_pooled

from mteb_hybrid.collections import beir
from mteb_hybrid.collections.beir import BeirSource
from mteb_hybrid.export import export_beir

HEADER = "query-id\tcorpus-id\tscore\n"
NOT_ALIGNED = "no question is asked in two languages, of de, en; translations of a question share their"
NO_QUESTION = f"{{root}}/queries.jsonl: {NOT_ALIGNED} 'question'"
NO_ID = f"{{root}}: {NOT_ALIGNED} '_id'"


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MTEB_HYBRID_CACHE", str(tmp_path / "cache"))


def write_text(name: str, text: str):
    def change(root: Path) -> None:
        (root / name).write_text(text, encoding="utf-8")

    return change


def replace_in(name: str, old: str, new: str):
    def change(root: Path) -> None:
        for path in root.glob(name):
            path.write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")

    return change


class TestNotes:
    """What can be read but is hardly meant."""

    @pytest.mark.parametrize("write", [write_languages, write_pooled, write_english_questions])
    def test_none(self, tmp_path, write):
        """Nothing is said of what is as it should be; keys of the user's own may be there where ids align questions."""
        write(tmp_path)
        if write is write_languages:
            replace_in("*/queries.jsonl", '"text"', '"question_type": "who", "text"')(tmp_path)
        assert BeirSource.of("mine", tmp_path).survey().notes == ()

    def test_none_of_what_is_exported(self, tmp_path):
        """Nor of our own collections in both forms."""
        for setting in ("Monolingual", "Multilingual"):
            export_beir(mteb.get_task(f"MiniQAR{setting}"), tmp_path / setting)
            assert BeirSource.of("mine", tmp_path / setting).survey().notes == ()

    @pytest.mark.parametrize(
        ("write", "change", "expected"),
        [
            pytest.param(
                write_pooled, [replace_in("queries.jsonl", '"question"', '"qu"')],
                [NO_QUESTION],
                id="question missing",
            ),
            pytest.param(
                write_pooled, [replace_in("queries.jsonl", '"question"', '"Question_id"')],
                [NO_QUESTION,
                 "{root}/queries.jsonl, line 1: unknown key 'Question_id'; did you mean 'question'?"],
                id="question misspelled",
            ),
            pytest.param(
                write_pooled, [replace_in("queries.jsonl", '"question": "q2"', '"queston": "q2"')],
                ["{root}/queries.jsonl, line 2: unknown key 'queston'; did you mean 'question'?"],
                id="question misspelled in some lines",
            ),
            pytest.param(
                write_languages, [replace_in("de/*/*.tsv", "q", "d"), replace_in("de/queries.jsonl", '"q', '"d')],
                [NO_ID],
                id="other ids in each folder",
            ),
            pytest.param(
                write_languages, [write_text("de/qrels/test.tsv", HEADER)],
                ["{root}/de/qrels/test.tsv: no document of 'de' is relevant for any question"],
                id="no judgment",
            ),
            pytest.param(
                write_languages, [write_text("de/qrels/test.tsv", HEADER + "q1\tb\t0\n")],
                ["{root}/de/qrels/test.tsv: no document of 'de' is relevant for any question"],
                id="no relevant judgment",
            ),
            pytest.param(
                write_languages,
                [write_text("de/queries.jsonl", '{"_id": "q3", "text": "Was trinkt man?"}\n'),
                 write_text("de/qrels/test.tsv", HEADER)],
                [NO_ID,
                 "{root}/de/qrels/test.tsv: no document is relevant for any question of 'de'"],
                id="nothing relevant for its questions",
            ),
            pytest.param(
                write_languages,
                [write_text("de/queries.jsonl", ""), write_text("de/qrels/test.tsv", HEADER)],
                [],
                id="neither questions nor judgments",
            ),
        ],
    )  # fmt: skip
    def test_notes(self, tmp_path, monkeypatch, write, change, expected):
        """File and field are named; the same is said when the survey comes from the cache."""
        monkeypatch.setattr(beir, "_SETTLED", -1e9)
        write(tmp_path)
        for one in change:
            one(tmp_path)
        source = BeirSource.of("mine", tmp_path)
        first = source.survey()
        assert first.notes == tuple(note.format(root=tmp_path) for note in expected)
        monkeypatch.setattr(beir, "read_parts", None)
        assert source.survey() == first
