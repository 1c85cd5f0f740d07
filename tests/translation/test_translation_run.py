"""Translating subset by subset: what is written, what goes on after a kill, and what is refused."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
from named_folders import named_folder
from tiny_translators import MarkingTranslator

from mteb_hybrid.errors import CollectionError, TranslationError
from mteb_hybrid.translation import Sample, TranslationFolder, sample_topics
from mteb_hybrid.translation.run import corpus_languages, miracl_topics, quality_table, translate_topics

TOPICS = {
    "sw": {str(number): f"swali namba {'na ' * (number % 5)}{number}?" for number in range(25)},
    "bn": {str(number): f"প্রশ্ন {number}?" for number in range(7)},
}


def run(translator: MarkingTranslator, folder: Path, **settings) -> dict:
    return translate_topics(translator, TOPICS, folder, dataset_revision="d1", **{"part_size": 10, **settings})


class TestFolder:
    def test_everything_is_there(self, tmp_path: Path) -> None:
        """Each corpus language is a subset, verified against its topics; no parts are left."""
        translator = MarkingTranslator()
        quality = run(translator, tmp_path)
        folder = TranslationFolder.open(tmp_path)
        assert folder.subsets() == ("en-bn", "en-sw")
        for language, topics in TOPICS.items():
            read = folder.read(f"en-{language}", topics)
            assert read == {topic: f"en:{text}" for topic, text in topics.items()}
            assert list(read) == list(topics)
        assert folder.provenance.model == "test/marking"
        assert folder.provenance.decoding == {"num_beams": 1, "max_new_tokens": 32}
        assert folder.provenance.dataset_revision == "d1"
        assert folder.provenance.sampled is None
        assert sorted(path.name for path in tmp_path.iterdir()) == ["en-bn.jsonl", "en-sw.jsonl", "translations.json"]
        assert set(quality) == {"en-sw", "en-bn"}

    def test_quality_is_in_the_manifest(self, tmp_path: Path) -> None:
        """The figures of each subset: the perfect way back has chrF 100, Bengali behind "en:" is the wrong script."""
        pytest.importorskip("sacrebleu")
        run(MarkingTranslator(), tmp_path)
        quality = TranslationFolder.open(tmp_path).quality
        assert quality["en-sw"]["round_trip_chrf"] == pytest.approx(100.0)
        assert (quality["en-sw"]["wrong_script"], quality["en-bn"]["wrong_script"]) == (0.0, 1.0)
        assert quality["en-sw"]["untranslated"] == quality["en-sw"]["empty"] == 0.0

    @pytest.mark.parametrize(("both_ways", "round_trip"), [(False, True), (True, False)])
    def test_no_round_trip(self, tmp_path: Path, both_ways: bool, round_trip: bool) -> None:
        """Nothing is translated back where the translator cannot or it is not wanted; the figure is None."""
        translator = MarkingTranslator(both_ways=both_ways)
        quality = run(translator, tmp_path, round_trip=round_trip)
        assert {target for _, target, _ in translator.calls} == {"en"}
        assert quality["en-sw"].round_trip_chrf is None

    def test_no_round_trip_without_sacrebleu(self, tmp_path, monkeypatch, caplog) -> None:
        """Without sacrebleu nothing is translated back in vain, and the extra is named."""
        monkeypatch.setattr("mteb_hybrid.translation.quality.can_score_round_trip", lambda: False)
        translator = MarkingTranslator()
        with caplog.at_level(logging.WARNING):
            run(translator, tmp_path)
        assert {target for _, target, _ in translator.calls} == {"en"}
        assert 'pip install "mteb-hybrid[translate]"' in caplog.text

    def test_more_languages_later(self, tmp_path: Path) -> None:
        """A second call adds what is missing and translates nothing twice."""
        translator = MarkingTranslator()
        translate_topics(translator, {"sw": TOPICS["sw"]}, tmp_path, dataset_revision="d1")
        before = len(translator.translated)
        assert set(run(translator, tmp_path)) == {"en-bn"}
        assert sorted(translator.translated[before:]) == sorted(TOPICS["bn"].values())
        assert TranslationFolder.open(tmp_path).subsets() == ("en-bn", "en-sw")

    def test_other_topics_later(self, tmp_path: Path) -> None:
        """A subset that is there but was made of other topics is not passed over in silence."""
        run(MarkingTranslator(), tmp_path)
        changed = {"sw": TOPICS["sw"] | {"3": "swali jipya?"}}
        with pytest.raises(TranslationError, match="translations of other topics"):
            translate_topics(MarkingTranslator(), changed, tmp_path, dataset_revision="d1")

    def test_sample(self, tmp_path: Path) -> None:
        """A sample translates exactly its topics, and says so in the manifest."""
        translator = MarkingTranslator()
        run(translator, tmp_path, sampled=Sample(queries=10, seed=0))
        drawn = sample_topics(TOPICS["sw"], 10, 0)
        assert list(TranslationFolder.open(tmp_path).read("en-sw", TOPICS["sw"])) == list(drawn)
        assert len(translator.translated) == 10 + 7
        assert json.loads((tmp_path / "translations.json").read_text())["sampled"] == {"queries": 10, "seed": 0}


class TestResuming:
    def test_killed_before_parts_were_removed(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A subset that was finished just then leaves nothing behind in the end."""

        def kill(parts: Path, subset: str) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patched:
            patched.setattr("mteb_hybrid.translation.run._remove_parts", kill)
            with pytest.raises(KeyboardInterrupt):
                run(MarkingTranslator(), tmp_path)
        assert list(tmp_path.glob(".parts/*/en-sw.0.jsonl"))
        second = MarkingTranslator()
        run(second, tmp_path)
        assert TOPICS["sw"]["0"] not in second.translated
        assert sorted(path.name for path in tmp_path.iterdir()) == ["en-bn.jsonl", "en-sw.jsonl", "translations.json"]

    def test_after_a_kill(self, tmp_path: Path) -> None:
        """Killed in the last of three parts, a second run translates only that part, and ends as one run would."""
        first = MarkingTranslator()
        first.fail_at = TOPICS["sw"]["22"]
        with pytest.raises(KeyboardInterrupt):
            run(first, tmp_path / "killed", round_trip=False)
        assert len(first.translated) == 20
        assert not (tmp_path / "killed" / "translations.json").exists()
        second = MarkingTranslator()
        run(second, tmp_path / "killed", round_trip=False)
        assert second.translated == [*list(TOPICS["sw"].values())[20:], *TOPICS["bn"].values()]
        run(MarkingTranslator(), tmp_path / "whole", round_trip=False)
        for name in ("en-sw.jsonl", "en-bn.jsonl", "translations.json"):
            assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()

    def test_on_the_way_back(self, tmp_path: Path) -> None:
        """Killed while translating back, a second run translates nothing forth again."""
        pytest.importorskip("sacrebleu")
        first = MarkingTranslator()
        first.fail_at = f"en:{TOPICS['sw']['22']}"
        with pytest.raises(KeyboardInterrupt):
            run(first, tmp_path)
        second = MarkingTranslator()
        run(second, tmp_path)
        assert second.translated == list(TOPICS["bn"].values())
        assert [len(texts) for _, target, texts in second.calls if target == "sw"] == [5]

    def test_other_settings(self, tmp_path: Path) -> None:
        """Parts of another model, revision or decoding are not used."""
        first = MarkingTranslator()
        first.fail_at = TOPICS["sw"]["22"]
        with pytest.raises(KeyboardInterrupt):
            run(first, tmp_path)
        second = MarkingTranslator()
        second.revision = "r2"
        run(second, tmp_path)
        assert len(second.translated) == 25 + 7

    @pytest.mark.parametrize("content", [b"", b"{", b'{"_id": "0"}\n', b"[]\n"])
    def test_damaged_part(self, tmp_path: Path, content: bytes) -> None:
        """A damaged part is made anew."""
        first = MarkingTranslator()
        first.fail_at = TOPICS["sw"]["22"]
        with pytest.raises(KeyboardInterrupt):
            run(first, tmp_path)
        (part,) = tmp_path.rglob("en-sw.1.jsonl")
        part.write_bytes(content)
        second = MarkingTranslator()
        run(second, tmp_path)
        assert len(second.translated) == 15 + 7

    def test_changed_topics(self, tmp_path: Path) -> None:
        """A part whose topics have changed since is made anew, the others are used."""
        first = MarkingTranslator()
        first.fail_at = TOPICS["sw"]["22"]
        with pytest.raises(KeyboardInterrupt):
            run(first, tmp_path)
        changed = {"sw": TOPICS["sw"] | {"3": "swali jipya?"}}
        second = MarkingTranslator()
        translate_topics(second, changed, tmp_path, dataset_revision="d1", part_size=10)
        assert len(second.translated) == 10 + 5
        assert TranslationFolder.open(tmp_path).read("en-sw", changed["sw"])["3"] == "en:swali jipya?"


class TestRefusals:
    def test_unknown_language(self, tmp_path: Path) -> None:
        """A language that the translator lacks is said before anything is translated."""
        translator = MarkingTranslator(["en", "sw"])
        with pytest.raises(TranslationError, match="does not know bn"):
            run(translator, tmp_path / "made")
        assert translator.calls == []
        assert not (tmp_path / "made").exists()

    def test_folder_of_another_model(self, tmp_path: Path) -> None:
        """A folder of another model is refused before anything is translated."""
        run(MarkingTranslator(), tmp_path)
        other = MarkingTranslator()
        other.name = "test/other"
        with pytest.raises(TranslationError, match="Choose another folder"):
            run(other, tmp_path)
        assert other.calls == []

    def test_no_folder_to_write_in(self, tmp_path: Path) -> None:
        """What cannot be written is said before anything is translated."""
        (tmp_path / "file").touch()
        translator = MarkingTranslator()
        with pytest.raises(TranslationError, match=r"file/new cannot be written: .*; name another folder"):
            run(translator, tmp_path / "file" / "new")
        assert translator.calls == []

    def test_empty_translation(self, tmp_path: Path) -> None:
        """An empty translation keeps its subset out; the others are written, then the call fails and names it."""
        translator = MarkingTranslator()
        translator.empty = {TOPICS["sw"]["7"]}
        with pytest.raises(TranslationError, match=r"empty translations.*en-sw: 1 \(topics 7\).*another folder"):
            run(translator, tmp_path)
        assert TranslationFolder.open(tmp_path).subsets() == ("en-bn",)
        again = MarkingTranslator()
        with pytest.raises(TranslationError, match="en-sw: 1"):
            run(again, tmp_path)
        assert again.calls == []


class TestLanguages:
    def test_default(self) -> None:
        """All of MIRACL's languages but the query language."""
        assert len(corpus_languages("en")) == 17
        assert "en" not in corpus_languages("en")
        assert "sw" not in corpus_languages("sw")

    def test_named(self) -> None:
        """Those that are named, in that order."""
        assert corpus_languages("en", "sw, bn") == ["sw", "bn"]

    @pytest.mark.parametrize(("query", "chosen"), [("en", "sw,tr"), ("tr", "sw"), ("en", ""), ("en", "sw;bn")])
    def test_unknown(self, query: str, chosen: str) -> None:
        """A language that MIRACL does not have is refused with those that it has."""
        with pytest.raises(TranslationError, match="is no language of MIRACL; name one of ar, bn"):
            corpus_languages(query, chosen)

    @pytest.mark.parametrize("chosen", ["sw,en", "sw,bn,sw"])
    def test_senseless(self, chosen: str) -> None:
        """The query language itself, or a language twice, is refused."""
        with pytest.raises(TranslationError, match="name each corpus language once"):
            corpus_languages("en", chosen)


def test_topics_of_a_folder(tmp_path: Path) -> None:
    """Topics per language; a missing language is named."""
    (tmp_path / "topics.sw.tsv").write_text("6\tBandari?\n", encoding="utf-8")
    assert miracl_topics(["sw"], tmp_path) == ({"sw": {"6": "Bandari?"}}, "local")
    with pytest.raises(CollectionError, match=r"topics\.bn\.tsv"):
        miracl_topics(["sw", "bn"], tmp_path)


def test_table() -> None:
    """A row for each subset, a dash for what is not known."""
    table = quality_table({"en-sw": {"empty": 0.0, "round_trip_chrf": 51.26}})
    cells = [list(column.cells) for column in table.columns]
    assert cells == [["en-sw"], ["0.0000"], ["-"], ["-"], ["-"], ["51.3"]]


def test_real_topics(tmp_path: Path) -> None:
    """All dev topics of all 17 languages go through and are read again, each against its own topics."""
    source = named_folder("MTEB_HYBRID_TEST_MIRACL", "a folder with topics.<language>.tsv")
    languages = corpus_languages("en")
    topics, revision = miracl_topics(languages, source)
    translator = MarkingTranslator([*languages, "en"])
    translate_topics(translator, topics, tmp_path, dataset_revision=revision, round_trip=False)
    folder = TranslationFolder.open(tmp_path)
    assert sum(len(folder.read(f"en-{language}", topics[language])) for language in languages) == 13_495 - 799
