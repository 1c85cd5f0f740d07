"""The monolingual task, and what all MIRACL tasks do with encoders, runs that fail, and data of different states."""

from __future__ import annotations

import shutil

import mteb
import numpy as np
import pytest
from encoders import CountingEncoder, NameReadingEncoder, OwnSimilarityEncoder, hashed_vector
from miracl_runs import (
    LANGUAGES,
    Monolingual,
    Pooled,
    described,
    evaluate,
    of_miracl,
    oracle,
    passes,
    read,
    trec_scores,
    without_ties,
    write_data,
)
from mteb.abstasks import retrieval_dataset_loaders

from mteb_hybrid.errors import CollectionError, EmbeddingError
from mteb_hybrid.tasks import streamed
from mteb_hybrid.tasks.miracl import MIRACLMonolingual

pytestmark = pytest.mark.usefixtures("folders")


@pytest.fixture(scope="module")
def untied(tmp_path_factory):
    return without_ties(write_data(tmp_path_factory.mktemp("untied")))


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache of its own, and small chunks."""
    monkeypatch.setenv("MTEB_HYBRID_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("MTEB_HYBRID_CHUNK", "20")
    return tmp_path / "cache"


def documents(model):
    return {text: n for (role, text), n in model.seen.items() if role == "document"}


@pytest.mark.parametrize("model", ["hashes", "mteb-hybrid/char-ngram"])
def test_scores_are_those_of_mtebs_own_task(model, untied, monkeypatch):
    """MTEB's MIRACLRetrieval on the same folder gives every score that both report, to 1e-5."""
    monkeypatch.setenv("MTEB_HYBRID_DATA", str(untied))
    encoder = CountingEncoder() if model == "hashes" else mteb.get_model(model)
    ours, _ = evaluate(encoder, mteb.get_task("MIRACLMonolingual", hf_subsets=["sw", "te"]))
    stock = mteb.get_task("MIRACLRetrieval", hf_subsets=["sw", "te"])
    dataset = stock.metadata.dataset | {"path": str(untied / "MIRACLRetrieval")}
    stock.metadata = stock.metadata.model_copy(update={"dataset": dataset})
    theirs, _ = evaluate(encoder, stock)
    assert set(ours) == set(theirs) == {"sw", "te"}
    for subset in ours:
        shared = {name for name in set(ours[subset]) & set(theirs[subset]) if isinstance(ours[subset][name], float)}
        assert len(shared) > 35
        for name in shared:
            assert ours[subset][name] == pytest.approx(theirs[subset][name], abs=1e-5), name
        assert 0 < ours[subset]["ndcg_at_10"] < 1


@pytest.mark.parametrize("language", LANGUAGES)
def test_with_ties_scores_are_the_oracles(language, data):
    """On passages that tie, trec_eval's scores of lists in the documented order; judged@10 is there, bias is not."""
    found, _ = evaluate(CountingEncoder(), mteb.get_task("MIRACLMonolingual", hf_subsets=[language]))
    part = read(data, language)
    expected = trec_scores(of_miracl(data, language).runs(part.topics), part.judged)
    assert {name: found[language][name] for name in expected} == pytest.approx(expected, abs=1e-9)
    assert found[language]["main_score"] == found[language]["ndcg_at_10"]
    assert 0 < found[language]["judged_at_10"] < 1
    pooled_only = ("interference", "query_language", "exposure", "complete", "rank_distance", "language_pref")
    assert not [name for name in found[language] if name.startswith(pooled_only)]


def test_two_subsets_load_and_encode_two_languages(data, monkeypatch, tmp_path):
    """No config of the third language is opened, and every text of the two is encoded once a corpus."""
    monkeypatch.setenv("MTEB_HYBRID_CACHE", str(tmp_path))
    opened, original = [], retrieval_dataset_loaders.load_dataset

    def load_dataset(path, config, **options):
        opened.append(config)
        return original(path, config, **options)

    monkeypatch.setattr(retrieval_dataset_loaders, "load_dataset", load_dataset)
    model = CountingEncoder()
    evaluate(model, mteb.get_task("MIRACLMonolingual", languages=["swa", "tel"]))
    assert sorted(opened) == [f"{one}-{kind}" for one in ("sw", "te") for kind in ("corpus", "qrels", "queries")]
    parts = [read(data, language) for language in ("sw", "te")]
    assert documents(model) == {t: sum(t in part.texts for part in parts) for part in parts for t in part.texts}
    assert {text for role, text in model.seen if role == "query"} == {t for part in parts for t in part.topics.values()}


def test_a_rewritten_folder_is_another_revision_with_other_scores(tmp_path, monkeypatch):
    """The tables of `datasets` do not outlive a change of the files, nor do results pass for those before it."""
    data = write_data(tmp_path / "data", queries=5)
    monkeypatch.setenv("MTEB_HYBRID_DATA", str(data))
    before, first = evaluate(CountingEncoder(), mteb.get_task("MIRACLMonolingual", hf_subsets=["sw"]))
    readme = (data / "MIRACLRetrieval" / "README.md").read_bytes()
    without_ties(data)
    assert (data / "MIRACLRetrieval" / "README.md").read_bytes() == readme
    model = CountingEncoder()
    after, second = evaluate(model, mteb.get_task("MIRACLMonolingual", hf_subsets=["sw"]))
    assert set(documents(model)) == set(read(data, "sw").texts)
    assert sum(documents(model).values()) == len(read(data, "sw").texts)
    assert before["sw"]["map"] != after["sw"]["map"]
    assert first.dataset_revision != second.dataset_revision
    assert first.dataset_revision.startswith("local-")


def test_without_a_folder_the_hubs_commit_is_asked_for(monkeypatch):
    """With MTEB_HYBRID_DATA unset the loader gets MTEB's own path and the pinned commit."""
    monkeypatch.delenv("MTEB_HYBRID_DATA")
    asked = []

    class Loader:
        def __init__(self, **options):
            asked.append(options)
            raise ConnectionError

    monkeypatch.setattr(streamed, "RetrievalDatasetLoader", Loader)
    task = mteb.get_task("MIRACLMonolingual", hf_subsets=["sw"])
    with pytest.raises(ConnectionError):
        task.load_data()
    stock = mteb.get_task("MIRACLRetrieval").metadata.dataset
    assert asked == [{"hf_repo": stock["path"], "revision": stock["revision"], "split": "dev", "config": "sw"}]
    assert task.metadata.dataset == MIRACLMonolingual.metadata.dataset


def test_a_missing_folder_ends_the_run_before_anything_is_encoded(tmp_path, monkeypatch):
    """The error names the folder; no model is asked for anything."""
    monkeypatch.setenv("MTEB_HYBRID_DATA", str(tmp_path))
    model = CountingEncoder()
    with pytest.raises(CollectionError, match="MIRACLRetrieval is not a data set"):
        evaluate(model, mteb.get_task("MIRACLMonolingual", hf_subsets=["sw"]))
    assert not model.seen


def test_a_judgment_of_a_missing_passage_is_an_error(tmp_path, monkeypatch):
    """A corpus without one of the relevant passages is incomplete, and nothing is scored on it."""
    data = write_data(tmp_path / "data", queries=3)
    shard = data / "MIRACLRetrieval" / "fi-corpus" / "dev-00001-of-00003.parquet"
    shutil.copy(shard.with_name("dev-00000-of-00003.parquet"), shard)
    monkeypatch.setenv("MTEB_HYBRID_DATA", str(data))
    with pytest.raises(CollectionError, match="corpus fi of MIRACLRetrieval"):
        evaluate(CountingEncoder(), mteb.get_task("MIRACLMonolingual", hf_subsets=["fi"]))


class Failing(CountingEncoder):
    """Raises when it meets a text, or returns NaN for it."""

    def __init__(self, text, *, error=None):
        super().__init__()
        self.text, self.error = text, error

    def vector(self, text):
        if text == self.text and self.error:
            raise self.error
        return np.full(16, np.nan, dtype=np.float32) if text == self.text else hashed_vector(text)


def unjudged_text(part, least=60):
    """A text that stands behind some chunks and only there, and that nobody judged."""
    judged = {one for grades in part.judged.values() for one in grades}
    rows = [
        (row, text)
        for row, (one, text) in enumerate(zip(part.ids, part.texts, strict=True))
        if one not in judged and part.texts.count(text) == 1
    ]
    return next((row, text) for row, text in rows if row >= least)


def relevant_texts(part):
    """Texts of the passages that answer a question."""
    relevant = {one for grades in part.judged.values() for one, grade in grades.items() if grade}
    return {text for one, text in zip(part.ids, part.texts, strict=True) if one in relevant}


@pytest.mark.parametrize("failure", ["exception", "NaN"])
def test_after_a_failure_the_next_run_goes_on(failure, data, cache, caplog):
    """Chunks before the failure are not encoded again; the scores are those of a run that did not fail.

    Finished passes are removed after a success, and only then.
    """
    row, text = unjudged_text(read(data, "sw"))
    error = RuntimeError("out of memory") if failure == "exception" else None
    with pytest.raises(RuntimeError if error else EmbeddingError):
        evaluate(Failing(text, error=error), Pooled())
    left = passes(cache)
    assert {path.suffix for path in left} == {".json", ".npz"}
    assert described(left[0])["model"] == "test/encoder"
    again = Failing(None)
    caplog.clear()
    scores, _ = evaluate(again, Pooled())
    done = row // 20 * 20
    assert f"going on with {done} of" in caplog.text
    parts = [read(data, language) for language in LANGUAGES]
    relevant = {text for part in parts for text in relevant_texts(part)}
    assert set(documents(again)) == relevant | set(parts[1].texts[done:]) | set(parts[2].texts)
    assert not passes(cache)
    whole, _ = evaluate(CountingEncoder(), Pooled())
    assert scores == whole


def test_a_model_without_weights_and_revision_leaves_nothing(data, cache):
    """Nothing could tell it from another model: its passes are not kept, and it is encoded from the start."""
    _, text = unjudged_text(read(data, "sw"))
    model = Failing(text)
    model.mteb_model_meta = model.mteb_model_meta.model_copy(update={"revision": None})
    with pytest.raises(EmbeddingError):
        evaluate(model, Pooled())
    assert not passes(cache)


def test_nan_names_model_task_and_rows(data, cache):
    """The message says which model, which task and which passages of which language, and the text."""
    row, text = unjudged_text(read(data, "sw"))
    with pytest.raises(EmbeddingError, match="NaN") as caught:
        evaluate(Failing(text), mteb.get_task("MIRACLMonolingual", hf_subsets=["sw"]))
    start = row // 20 * 20
    for word in (f"passages {start} to {start + 20} of sw", "test/encoder", "MIRACLMonolingual sw", text[:40]):
        assert word in str(caught.value)


@pytest.mark.parametrize("task", [Monolingual, Pooled])
def test_an_encoder_that_looks_at_the_task_is_encoded_per_subset(task, data):
    """Its prompt is the task's name: scores are those of texts with that prompt, and nothing is shared."""
    model = NameReadingEncoder()
    found, _ = evaluate(model, task())

    def vector(text):
        return hashed_vector(f"{task.metadata.name}: {text}")

    for language in LANGUAGES:
        part = read(data, language)
        whole = oracle(data, LANGUAGES if task is Pooled else (language,), vector=vector)
        prefix = f"{language}:" if task is Pooled else ""
        judged = {q: {prefix + one: grade for one, grade in grades.items()} for q, grades in part.judged.items()}
        expected = trec_scores(whole.runs(part.topics), judged)
        assert {name: found[language][name] for name in expected} == pytest.approx(expected, abs=1e-9)
    passages = sum(len(set(read(data, language).texts)) for language in LANGUAGES)
    assert model.encoded >= passages * (3 if task is Pooled else 1)


def test_an_own_similarity_goes_through_mtebs_search(untied, monkeypatch, caplog):
    """Ranks by Euclidean distance are those of Euclidean distance, and a warning says what is different."""
    monkeypatch.setenv("MTEB_HYBRID_DATA", str(untied))
    found, _ = evaluate(OwnSimilarityEncoder(), Pooled())
    whole = oracle(untied)
    passages = np.stack([hashed_vector(text) for part in whole.parts for text in part.texts]).astype(np.float64)
    assert "a similarity of its own" in caplog.text
    for language in LANGUAGES:
        part = read(untied, language)
        runs = {}
        for query, text in part.topics.items():
            distance = np.linalg.norm(passages - hashed_vector(text).astype(np.float64), axis=1)
            runs[query] = [whole.ids[i] for i in np.argsort(distance)]
        judged = {q: {f"{language}:{one}": grade for one, grade in g.items()} for q, g in part.judged.items()}
        expected = trec_scores(runs, judged)
        assert {name: found[language][name] for name in expected} == pytest.approx(expected, abs=1e-9)
