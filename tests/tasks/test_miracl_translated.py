"""The cross-lingual task: translated questions on the corpora of their own language, and what is said without them."""

from __future__ import annotations

import hashlib
import json

import mteb
import pytest
from encoders import CountingEncoder
from miracl_runs import LANGUAGES, evaluate, of_miracl, passes, read, trec_scores, write_data
from miracl_standin import Sources, write_standin, write_translations_by_hand

from mteb_hybrid.errors import TranslationError
from mteb_hybrid.tasks import streamed
from mteb_hybrid.tasks.miracl import MIRACLCrossLingual, MIRACLCrossLingualHardNegatives
from mteb_hybrid.translation.folder import TRANSLATIONS_VARIABLE, TranslationFolder

SUBSETS = [f"en-{language}" for language in LANGUAGES]
NAME = "MIRACLCrossLingual"

pytestmark = pytest.mark.usefixtures("folders")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = write_data(tmp_path_factory.mktemp("data"))
    hard = folder / "MIRACLRetrievalHardNegatives"
    write_standin(hard, LANGUAGES, queries=6, distractors=8, sources=Sources.made_up())
    return folder


@pytest.fixture
def translations(data, tmp_path, monkeypatch):
    """A folder of translations of two of the three languages, named by the variable."""
    folder = write_translations_by_hand(tmp_path / "translations", data / "MIRACLRetrieval", SUBSETS[1:])
    monkeypatch.setenv(TRANSLATIONS_VARIABLE, str(folder))
    return folder


def rewrite(folder, subset, change):
    """Change a file of translations, and the manifest with it."""
    path, manifest = folder / f"{subset}.jsonl", json.loads((folder / "translations.json").read_text())
    rows = change([json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()])
    content = "".join(json.dumps(row) + "\n" for row in rows).encode()
    path.write_bytes(content)
    manifest["files"][path.name] = {"sha256": hashlib.sha256(content).hexdigest(), "queries": len(rows)}
    (folder / "translations.json").write_text(json.dumps(manifest))


def test_translated_questions_are_asked(data, translations):
    """Scores are those of searching with the translations, judged as the questions were; others are not searched."""
    model = CountingEncoder()
    found, _ = evaluate(model, mteb.get_task(NAME, hf_subsets=SUBSETS[1:]))
    asked = set()
    for language in LANGUAGES[1:]:
        part = read(data, language)
        topics = {query: f"english {text}" for query, text in part.topics.items()}
        asked |= set(topics.values())
        expected = trec_scores(of_miracl(data, language).runs(topics), part.judged)
        row = found[f"en-{language}"]
        assert {name: row[name] for name in expected} == pytest.approx(expected, abs=1e-9)
        assert row["main_score"] == row["mrr_at_10"]
        assert 0 < row["judged_at_10"] < 1
    assert {text for role, text in model.seen if role == "query"} == asked
    assert set(found) == set(SUBSETS[1:])


@pytest.mark.parametrize("name", [NAME, f"{NAME}HardNegatives"])
def test_without_translations_the_run_says_what_to_do(name, monkeypatch):
    """Before anything is loaded or encoded: the command that makes them, the variable, and the task without them."""
    monkeypatch.delenv(TRANSLATIONS_VARIABLE, raising=False)
    model = CountingEncoder()
    with pytest.raises(TranslationError) as caught:
        evaluate(model, mteb.get_task(name, hf_subsets=["en-sw"]))
    for word in ("mteb-hybrid translate", TRANSLATIONS_VARIABLE, name.replace("CrossLingual", "Monolingual")):
        assert word in str(caught.value)
    assert not model.seen


def test_the_other_task_of_a_run_is_not_begun(monkeypatch):
    """Two tasks, the second without translations: it is said before the first one is encoded for hours."""
    monkeypatch.delenv(TRANSLATIONS_VARIABLE, raising=False)
    model = CountingEncoder()
    tasks = [mteb.get_task("MIRACLMonolingual", hf_subsets=["sw"]), mteb.get_task(NAME, hf_subsets=["en-sw"])]
    with pytest.raises(TranslationError):
        evaluate(model, tasks)
    assert not model.seen


def test_a_subset_that_the_folder_lacks_is_named(translations):
    """Before anything is encoded: which is missing, and which are there."""
    model = CountingEncoder()
    with pytest.raises(TranslationError, match=r"no translations for en-fi.*en-sw, en-te"):
        evaluate(model, mteb.get_task(NAME, hf_subsets=SUBSETS))
    assert not model.seen


@pytest.mark.parametrize("content", [None, "{", "[]"], ids=["missing", "no JSON", "another JSON"])
def test_a_bad_manifest(translations, content):
    """A folder without a manifest that can be read is refused, and the task can still be made and looked at."""
    (translations / "translations.json").unlink()
    if content is not None:
        (translations / "translations.json").write_text(content)
    task = mteb.get_task(NAME, hf_subsets=["en-sw"])
    assert "translations" not in task.metadata.revision
    with pytest.raises(TranslationError, match=r"translations\.json"):
        evaluate(CountingEncoder(), task)


def test_a_variable_that_names_no_folder(tmp_path, monkeypatch):
    """A folder that is not there, or an address that is not pinned, is refused when the task runs."""
    for location in (str(tmp_path / "nowhere"), "hf://owner/name@main"):
        monkeypatch.setenv(TRANSLATIONS_VARIABLE, location)
        task = mteb.get_task(NAME, hf_subsets=["en-sw"])
        with pytest.raises(TranslationError, match=location):
            evaluate(CountingEncoder(), task)


def test_a_damaged_file_is_not_asked(translations):
    """One byte more than the manifest knows of: the file is named, and nothing is encoded."""
    path = translations / "en-sw.jsonl"
    path.write_bytes(path.read_bytes() + b"\n")
    model = CountingEncoder()
    with pytest.raises(TranslationError, match=r"en-sw\.jsonl is not the manifest's file"):
        evaluate(model, mteb.get_task(NAME, hf_subsets=["en-sw"]))
    assert not model.seen


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: rows[1:], "lacks 1 of 10 topics"),
        (lambda rows: [*rows, rows[0] | {"_id": "0"}], "translations of other topics: 0"),
        (lambda rows: [rows[0] | {"source": "another?"}, *rows[1:]], "1 of 10 sources differ"),
    ],
    ids=["missing", "foreign", "changed"],
)
def test_translations_of_other_topics_are_not_asked(translations, change, message):
    """A topic less, one more, and one whose wording was another one when it was translated."""
    rewrite(translations, "en-sw", change)
    with pytest.raises(TranslationError, match=message):
        evaluate(CountingEncoder(), mteb.get_task(NAME, hf_subsets=["en-sw"]))


def test_results_are_filed_under_the_translations(translations):
    """The revision names data and translations, other translations are another revision with other scores.

    The metadata of the class stay as they are.
    """
    own, before = evaluate(CountingEncoder(), mteb.get_task(NAME, hf_subsets=["en-sw"]))
    revision = mteb.get_task("MIRACLMonolingual").metadata.revision
    assert before.dataset_revision == f"{revision}+translations-{TranslationFolder.open(translations).identity}"
    rewrite(translations, "en-sw", lambda rows: [row | {"text": f"Please: {row['text']}"} for row in rows])
    other, after = evaluate(CountingEncoder(), mteb.get_task(NAME, hf_subsets=["en-sw"]))
    assert after.dataset_revision == f"{revision}+translations-{TranslationFolder.open(translations).identity}"
    assert after.dataset_revision != before.dataset_revision
    assert own["en-sw"]["map"] != other["en-sw"]["map"]
    assert MIRACLCrossLingual.metadata.revision == mteb.get_task("MIRACLRetrieval").metadata.revision


def test_cached_results_of_other_translations_are_not_served(translations, tmp_path):
    """A second run on other translations, with MTEB's cache, scores them instead of returning the first run's."""
    cache = mteb.ResultCache(tmp_path / "results")
    _, before = evaluate(CountingEncoder(), mteb.get_task(NAME, hf_subsets=["en-sw"]), cache=cache)
    rewrite(translations, "en-sw", lambda rows: [row | {"text": f"Please: {row['text']}"} for row in rows])
    _, after = evaluate(CountingEncoder(), mteb.get_task(NAME, hf_subsets=["en-sw"]), cache=cache)
    assert after.dataset_revision != before.dataset_revision


def test_the_corpora_are_those_of_the_other_tasks(data, translations, monkeypatch, tmp_path):
    """Other questions, the same passages: embeddings that a monolingual run has kept are not encoded again."""
    monkeypatch.setenv("MTEB_HYBRID_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("MTEB_HYBRID_KEEP_EMBEDDINGS", "1")
    evaluate(CountingEncoder(), mteb.get_task("MIRACLMonolingual", hf_subsets=["sw"]))
    model = CountingEncoder()
    evaluate(model, mteb.get_task(NAME, hf_subsets=["en-sw"]))
    part = read(data, "sw")
    relevant = {one for grades in part.judged.values() for one, grade in grades.items() if grade}
    texts = {text for one, text in zip(part.ids, part.texts, strict=True) if one in relevant}
    assert {text for role, text in model.seen if role == "document"} == texts
    assert not passes(tmp_path / "cache")


def test_on_the_hub_the_pinned_commit_is_asked_for(translations, monkeypatch):
    """Where the data is the hub's, its commit is loaded; the revision that names translations is for results only."""
    monkeypatch.delenv("MTEB_HYBRID_DATA")
    asked = []

    class Loader:
        def __init__(self, **options):
            asked.append(options)
            raise ConnectionError

    monkeypatch.setattr(streamed, "RetrievalDatasetLoader", Loader)
    task = mteb.get_task(NAME, hf_subsets=["en-sw"])
    with pytest.raises(ConnectionError):
        task.load_data()
    stock = mteb.get_task("MIRACLRetrieval").metadata.dataset
    assert asked == [{"hf_repo": stock["path"], "revision": stock["revision"], "split": "dev", "config": "sw"}]
    assert task.metadata.revision.startswith(f"{stock['revision']}+translations-")


def test_hard_negatives_read_translations_of_more_topics(data, translations):
    """A folder made for all ten topics serves the six of the hard negatives."""
    model = CountingEncoder()
    found, _ = evaluate(model, mteb.get_task(f"{NAME}HardNegatives", hf_subsets=["en-sw"]))
    part = read(data, "sw", "MIRACLRetrievalHardNegatives")
    topics = {query: f"english {text}" for query, text in part.topics.items()}
    assert len(topics) == 6
    assert {text for role, text in model.seen if role == "query"} == set(topics.values())
    assert {text for role, text in model.seen if role == "document"} == set(part.texts)
    assert 0 < found["en-sw"]["map"] < 1
    assert MIRACLCrossLingualHardNegatives.metadata.revision != MIRACLCrossLingual.metadata.revision
