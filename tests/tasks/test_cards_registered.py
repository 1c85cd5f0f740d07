"""What MTEB and `mteb-hybrid info` get to know of cards."""

from __future__ import annotations

import json
import os
import pickle
import re
import subprocess
import sys
import warnings
from pathlib import Path

import mteb
import pytest
from beir_folders import write_english_questions, write_folder, write_languages, write_pooled
from written_cards import GOOD, _own_cache, _own_registry, write_card  # noqa: F401 - for every test here

from mteb_hybrid import _mteb
from mteb_hybrid.tasks.cards import card_states, card_tasks


def register(monkeypatch, *folders) -> list[str]:
    """Register the cards of some folders; the warnings."""
    monkeypatch.setenv("MTEB_HYBRID_TASKS", os.pathsep.join(map(str, folders)))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        _mteb.add_tasks(card_tasks())
    assert all(warning.category is RuntimeWarning for warning in caught)
    return [str(warning.message) for warning in caught]


class TestRegistered:
    """What MTEB gets to know."""

    def test_several_folders(self, tmp_path, monkeypatch):
        """Cards of all folders, paths relative to each; by one folder or by languages."""
        write_languages(tmp_path / "one" / "handbook")
        write_card(tmp_path / "one")
        write_pooled(tmp_path / "elsewhere")
        write_card(
            tmp_path / "two",
            f'name = "Swiss"\nlanguages = ["gsw"]\n[folders]\nen = "../one/handbook/en"\n'
            f'gsw = "{tmp_path}/one/handbook/de"\n[scripts]\ngsw = "gsw-Latn"\n',
        )
        write_card(tmp_path / "two", 'name = "Pooled"\nfolder = "../elsewhere"\nlicense = "mit"\n', "pooled.toml")
        (tmp_path / "two" / "README.md").write_text("no card")
        assert register(monkeypatch, tmp_path / "one", "", tmp_path / "two") == []
        assert [(state.path.name, state.tasks, state.problem) for state in card_states()] == [
            ("card.toml", ("HandbookMonolingual", "HandbookCrossLingual", "HandbookMultilingual"), None),
            ("card.toml", ("SwissMonolingual",), None),
            ("pooled.toml", ("PooledMonolingual", "PooledCrossLingual", "PooledMultilingual"), None),
        ]
        assert mteb.get_task("HandbookCrossLingual").hf_subsets == ["de-en", "en-de"]
        assert mteb.get_task("SwissMonolingual").hf_subsets == ["gsw"]
        assert mteb.get_task("PooledMultilingual").metadata.license == "mit"

    def test_again(self, tmp_path, monkeypatch):
        """`mteb_hybrid.register` may be called again: the same classes, and no warning."""
        write_languages(tmp_path / "handbook")
        write_card(tmp_path)
        assert register(monkeypatch, tmp_path) == []
        first = type(mteb.get_task("HandbookMonolingual"))
        assert register(monkeypatch, tmp_path) == []
        assert type(mteb.get_task("HandbookMonolingual")) is first

    @pytest.mark.parametrize(
        ("name", "text", "message"),
        [
            ("a.toml", 'name = "A"', "a.toml: folder: name either"),
            ("a.toml", 'name = "A"\nfolder = "nowhere"', "a.toml: "),
            ("a.toml", 'name = "MiniQAR"\nfolder = "handbook"', "a.toml: a task MiniQARMonolingual exists already"),
            ("z.toml", GOOD + 'languages = ["en"]', "z.toml: a task HandbookMonolingual exists already, of the coll"),
            ("a.toml", GOOD + "languages = ", "a.toml: cannot be read: "),
            ("a.toml", GOOD + 'license = "CC BY 4.0"', "license 'CC BY 4.0'; did you mean 'cc-by-4.0'?"),
            ("a.toml", GOOD + 'split = "x"', "has no split 'x'; there are test"),
            ("a.toml", 'name = "A-B"\nfolder = "handbook"', "a.toml: 'A-B' cannot begin the names of tasks"),
            ("a.toml", 'name = "A"\nfolder = "~nobody-of-this-name/x"', "~nobody-of-this-name/x is no folder"),
        ],
    )
    def test_a_broken_card_is_one_warning(self, tmp_path, monkeypatch, name, text, message):
        """It names the file and what is wrong; the other card is registered."""
        write_languages(tmp_path / "handbook")
        write_card(tmp_path)
        write_card(tmp_path, text, name)
        (warning,) = register(monkeypatch, tmp_path)
        assert warning.startswith(f"MTEB_HYBRID_TASKS: left out: {tmp_path}")
        assert message in warning
        assert mteb.get_task("HandbookMonolingual").hf_subsets == ["de", "en"]
        assert sorted(bool(state.problem) for state in card_states()) == [False, True]
        assert not any(state.problem.startswith(str(state.path)) for state in card_states() if state.problem)

    def test_the_same_collection_twice(self, tmp_path, monkeypatch):
        """A folder of cards that is named twice, and a copy of a card that names the same folder, are no clash."""
        write_languages(tmp_path / "data")
        write_card(tmp_path / "one", 'name = "Handbook"\nfolder = "../data"\n')
        write_card(tmp_path / "two", f'name = "Handbook"\nfolder = "{tmp_path}/data"\n')
        monkeypatch.chdir(tmp_path)
        assert register(monkeypatch, "one", "two", tmp_path / "one", "two/../one") == []
        assert len(card_states()) == 4
        assert len({state.tasks for state in card_states()}) == 1

    def test_another_collection_of_the_name(self, tmp_path, monkeypatch):
        """Both cards and the folder of the first one are named."""
        write_languages(tmp_path / "one" / "handbook")
        write_pooled(tmp_path / "two" / "handbook")
        first, second = write_card(tmp_path / "one"), write_card(tmp_path / "two")
        (warning,) = register(monkeypatch, tmp_path / "one", tmp_path / "two")
        assert f"left out: {second}: a task HandbookMonolingual exists already" in warning
        assert f"of the collection in {tmp_path}/one/handbook." in warning
        assert warning.endswith(f"(the other card is {first})")
        kept = type(mteb.get_task("HandbookMonolingual"))
        assert pickle.loads(pickle.dumps(kept)) is kept

    def test_summary(self, tmp_path, monkeypatch):
        """What a card holds, which subsets it lacks, and what is hardly meant, which is one warning too."""
        write_english_questions(tmp_path / "asked")
        write_card(tmp_path, 'name = "Asked"\nfolder = "asked"\n', "asked.toml")
        write_pooled(tmp_path / "handbook")
        path = tmp_path / "handbook" / "queries.jsonl"
        path.write_text(path.read_text(encoding="utf-8").replace('"question"', '"qu"'), encoding="utf-8")
        write_card(tmp_path)
        (warning,) = register(monkeypatch, tmp_path)
        note = f"{path}: no question is asked in two languages, of de, en; translations of a question share their"
        assert warning.startswith(f"Handbook: {note}")
        asked, handbook = card_states()
        assert asked.summary[0].split("; ") == [
            "de: 1 passage, 0 questions", "en: 0 passages, 2 questions", "fr: 2 passages, 0 questions",
            "ru: 1 passage, 0 questions",
        ]  # fmt: skip
        assert asked.summary[1:] == ("left out of CrossLingual, as nothing is relevant: en-ru",)
        assert handbook.summary[0] == "de: 2 passages, 3 questions; en: 3 passages, 2 questions"
        # the English question is judged for a German passage, the German ones for an English one
        assert handbook.summary[1].startswith(f"warning: {note}")
        assert len(handbook.summary) == 2

    def test_summary_of_one_language_and_of_many(self, tmp_path, monkeypatch):
        """One language has nothing to leave out; of many subsets ten are named."""
        languages = ("de", "en", "es", "fr", "it")
        for language in languages:
            name = f"q-{language}"
            write_folder(
                tmp_path / "apart" / language,
                [{"_id": "a", "text": language}], [{"_id": name, "text": "a?"}], [(name, "a", 1)],
            )  # fmt: skip
        write_card(tmp_path, 'name = "Many"\nfolder = "apart"\n', "many.toml")
        write_card(tmp_path, 'name = "One"\nfolder = "apart"\nlanguages = ["it"]\n', "one.toml")
        register(monkeypatch, tmp_path)
        many, one = card_states()
        assert one.problem is None
        assert one.summary == ("it: 1 passage, 1 question",)
        assert many.summary[1] == (
            "left out of CrossLingual, as nothing is relevant: "
            "de-en, de-es, de-fr, de-it, en-de, en-es, en-fr, en-it, es-de, es-en and 10 more"
        )

    def test_folders_without_cards(self, tmp_path, monkeypatch):
        """A folder that is none, or empty, is said; no variable says nothing."""
        first, second = register(monkeypatch, tmp_path / "nowhere", tmp_path)
        assert "nowhere: is no folder; MTEB_HYBRID_TASKS names folders of cards" in first
        assert "holds no card, *.toml" in second
        assert register(monkeypatch, "") == []
        assert card_states() == ()


def command(program: str, *arguments: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [Path(sys.executable).with_name(program), *arguments],
        cwd=folder,
        env={**os.environ, "HF_HUB_OFFLINE": "1", **environment},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def test_info_with_cards(tmp_path):
    """`mteb-hybrid info` has the tasks of a card and below them what it holds, and says each path of a card once."""
    write_languages(tmp_path / "cards" / "handbook")
    write_card(tmp_path / "cards", 'nam = "Handbook"\n', "broken.toml")
    write_card(tmp_path / "cards", GOOD)
    done = command("mteb-hybrid", "info", folder=tmp_path, MTEB_HYBRID_TASKS="cards")
    assert done.returncode == 0, done.stderr[-3000:]
    lines = done.stdout.splitlines()
    tasks = "HandbookMonolingual, HandbookCrossLingual, HandbookMultilingual"
    at = lines.index(f"card {Path('cards', 'card.toml')}: {tasks}")
    assert lines[at + 1] == "  de: 2 passages, 3 questions; en: 3 passages, 2 questions"
    assert lines[at - 1].startswith(f"card {Path('cards', 'broken.toml')}: name: is missing; nam: unknown key")
    assert lines[at - 1].count("broken.toml") == 1


@pytest.mark.slow
def test_mteb_run_with_a_card(tmp_path):
    """A card and a variable: `mteb run` scores the three settings, `mteb-hybrid report` shows them.

    A broken card beside it is one warning, a collection with English questions has the subsets that it can have.
    """
    write_languages(tmp_path / "cards" / "handbook")
    write_english_questions(tmp_path / "cards" / "asked")
    write_card(tmp_path / "cards", GOOD, "handbook.toml")
    write_card(tmp_path / "cards", 'name = "Asked"\nfolder = "asked"\n', "asked.toml")
    write_card(tmp_path / "cards", 'nam = "Handbook"\n', "broken.toml")
    settings = ("Monolingual", "CrossLingual", "Multilingual")
    names = [*(f"Handbook{setting}" for setting in settings), "AskedCrossLingual", "AskedMultilingual"]
    done = command(
        "mteb", "run", "-t", *names, "-m", "mteb-hybrid/char-ngram", "--output-folder", "out",
        "--prediction-folder", "out/predictions", folder=tmp_path, MTEB_HYBRID_TASKS="cards",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stderr.count("RuntimeWarning: MTEB_HYBRID_TASKS: left out:") == 1
    assert re.search(
        r"left out: cards.broken\.toml: name: is missing; nam: unknown key; did you mean 'name'", done.stderr
    )
    found = {}
    for name in names:
        (path,) = (tmp_path / "out" / "results").glob(f"*/*/{name}.json")
        found[name] = {row["hf_subset"]: row for row in json.loads(path.read_text())["scores"]["test"]}
    assert [list(found[name]) for name in names] == [
        ["de", "en"],
        ["de-en", "en-de"],
        ["de", "en"],
        ["en-de", "en-fr"],
        ["en"],
    ]
    assert found["HandbookMonolingual"]["en"]["map"] == 1.0
    assert len(list((tmp_path / "out" / "predictions").rglob("*.parquet"))) == 2 + 2 + 2 + 2 + 1
    shown = command("mteb-hybrid", "report", "out", folder=tmp_path)
    assert shown.returncode == 0, shown.stderr[-3000:]
    for family in ("Handbook", "Asked"):
        assert family in shown.stdout
        pooled = [row["map"] for row in found[f"{family}Multilingual"].values()]
        assert f"{sum(pooled) / len(pooled):.4f}" in shown.stdout
