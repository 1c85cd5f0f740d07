"""The stand-in for MIRACL, read by MTEB's own loader and task."""

from __future__ import annotations

import hashlib
import json
import shutil
import socket
import zlib
from itertools import combinations
from typing import TYPE_CHECKING

import datasets
import mteb
import numpy as np
import pytest
from encoders import CountingEncoder
from miracl_standin import LANGUAGES, Sources, write_standin, write_translations_by_hand
from mteb.abstasks.retrieval_dataset_loaders import RetrievalDatasetLoader
from named_folders import named_folder

if TYPE_CHECKING:
    from pathlib import Path

CHOSEN = ["sw", "de", "te"]
QUERIES, DISTRACTORS = 8, 12


@pytest.fixture(autouse=True, scope="module")
def offline(tmp_path_factory):
    """Nothing leaves the machine, and nothing that `datasets` cached earlier is read."""

    def refuse(*arguments):
        raise AssertionError("a connection was opened")

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(socket.socket, "connect", refuse)
        patched.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path_factory.mktemp("cache"))
        yield


@pytest.fixture(scope="module", params=["made up", "real"])
def sources(request) -> Sources:
    if request.param == "made up":
        return Sources.made_up()
    miracl = named_folder("MTEB_HYBRID_TEST_MIRACL", "a directory with MIRACL's topics.*.tsv and qrels.*.tsv")
    ntrex = named_folder("MTEB_HYBRID_TEST_NTREX", "a directory with NTREX's sentences, such as swa.txt")
    return Sources.real(miracl, ntrex)


@pytest.fixture(scope="module")
def standin(tmp_path_factory, sources) -> Path:
    folder = tmp_path_factory.mktemp("standin") / "MIRACLRetrieval"
    return write_standin(folder, CHOSEN, queries=QUERIES, distractors=DISTRACTORS, sources=sources)


@pytest.fixture(scope="module")
def loaded(standin):
    return {language: load(standin, language) for language in CHOSEN}


def load(folder, language, revision=None):
    return RetrievalDatasetLoader(str(folder), revision, split="dev", config=language).load()


def miracl_task(folder, languages):
    """MTEB's MIRACLRetrieval with another path; nothing else is changed."""
    task = mteb.get_task("MIRACLRetrieval", hf_subsets=languages)
    task.metadata = task.metadata.model_copy(update={"dataset": task.metadata.dataset | {"path": str(folder)}})
    return task


@pytest.mark.parametrize("language", CHOSEN)
def test_mtebs_loader_reads_what_the_sources_hold(loaded, sources, language):
    """All judgments of the first topics, every judged passage, the distractors and no more."""
    data, material = loaded[language], sources.read(language)
    topics = dict(list(material.topics.items())[:QUERIES])
    judgments = {query: material.judgments[query] for query in topics}
    judged = {passage for grades in judgments.values() for passage in grades}
    assert dict(zip(data["queries"]["id"], data["queries"]["text"], strict=True)) == topics
    assert data["queries"]["id"] == list(topics)
    assert data["relevant_docs"] == judgments
    assert judged <= set(data["corpus"]["id"])
    assert len(data["corpus"]) == len(set(data["corpus"]["id"])) == len(judged) + DISTRACTORS
    assert data["corpus"].column_names == ["id", "title", "text"]
    assert all(data["corpus"]["text"])
    assert data["top_ranked"] is None


def test_both_grades_are_there(loaded):
    """Judged not relevant is not left out; among the first real topics of Telugu nothing was judged so."""
    for language in ("sw", "de"):
        assert judged_passages(loaded[language], grade=0) > judged_passages(loaded[language], grade=1)


def test_a_revision_changes_nothing(standin, loaded):
    """MTEB passes the hub's revision on; for a folder `datasets` ignores it."""
    data = load(standin, "sw", "9c09abc13478308c27598f350e31d8f06b9b5481")
    assert data["corpus"].to_list() == loaded["sw"]["corpus"].to_list()


def test_files_lie_as_on_the_hub(standin):
    """Parquet files per config; the corpus of the first language in three shards, none of them empty."""
    assert {path.name for path in standin.iterdir() if path.is_dir()} == {
        f"{language}-{kind}" for language in CHOSEN for kind in ("corpus", "queries", "qrels")
    }
    shards = sorted((standin / "sw-corpus").iterdir())
    assert [shard.name for shard in shards] == [f"dev-{i:05d}-of-00003.parquet" for i in range(3)]
    assert [shard.name for shard in (standin / "de-corpus").iterdir()] == ["dev-00000-of-00001.parquet"]
    assert all(len(datasets.Dataset.from_parquet(str(shard))) for shard in shards)


def test_ids_collide_across_languages_and_texts_do_not(loaded):
    """One id is a passage of every language, one that is relevant here is unjudged there, and the texts differ."""
    texts = {language: {row["id"]: row["text"] for row in data["corpus"]} for language, data in loaded.items()}
    shared = set.intersection(*map(set, texts.values()))
    assert len(shared) >= DISTRACTORS // 2
    assert sum(len({texts[language][passage] for language in CHOSEN}) == len(CHOSEN) for passage in shared) >= 4
    judged = {language: judged_passages(data) for language, data in loaded.items()}
    relevant = {language: judged_passages(data, grade=1) for language, data in loaded.items()}
    assert any((relevant[a] & set(texts[b])) - judged[b] for a in CHOSEN for b in CHOSEN)


def judged_passages(data, grade=0):
    return {passage for grades in data["relevant_docs"].values() for passage in grades if grades[passage] >= grade}


def test_ties_and_empty_titles_exist(loaded):
    """A relevant passage ties with an unjudged one, untitled ones tie, and one text is the same in all languages."""
    everywhere = []
    for data in loaded.values():
        passages = {row["id"]: (row["title"], row["text"]) for row in data["corpus"]}
        judged, relevant = judged_passages(data), judged_passages(data, grade=1)
        ties = [(a, b) for a, b in combinations(passages, 2) if passages[a] == passages[b]]
        assert any({a, b} & relevant and {a, b} - judged for a, b in ties)
        assert any(passages[a][0] == "" for a, _ in ties)
        assert any(title for title, _ in passages.values())
        everywhere.append(set(passages.values()))
    assert set.intersection(*everywhere) == {("", "1 2 3")}


class TrigramEncoder(CountingEncoder):
    """Counts of character trigrams."""

    def vector(self, text):
        trigrams = [zlib.crc32(text[i : i + 3].encode()) % 512 for i in range(len(text) - 2)]
        return np.bincount(trigrams, minlength=512).astype(np.float32)


def test_mtebs_own_task_scores_it(standin):
    """MTEB evaluates its MIRACLRetrieval on the folder: letters find more than chance, and not everything."""
    scores = {}
    for encoder in (TrigramEncoder("test/trigrams"), CountingEncoder("test/hashes")):
        result = mteb.evaluate(encoder, miracl_task(standin, ["sw", "te"]), cache=None, co2_tracker=False)
        rows = result.task_results[0].scores["dev"]
        assert {row["hf_subset"] for row in rows} == {"sw", "te"}
        scores[encoder.mteb_model_meta.name] = [row["ndcg_at_10"] for row in rows]
    assert min(scores["test/trigrams"]) > max(scores["test/hashes"])
    assert max(scores["test/trigrams"]) < 1


def test_the_folder_depends_on_its_arguments_alone(standin, sources, tmp_path):
    """Written again, file by file the same bytes."""
    again = write_standin(tmp_path / "again", CHOSEN, queries=QUERIES, distractors=DISTRACTORS, sources=sources)
    files = {path.relative_to(standin): path.read_bytes() for path in standin.rglob("*") if path.is_file()}
    assert files == {path.relative_to(again): path.read_bytes() for path in again.rglob("*") if path.is_file()}


def test_another_standin_of_the_same_name_is_not_read_from_the_cache(tmp_path):
    """`datasets` caches by folder name and front matter: the checksums tell two folders and two contents apart."""
    texts = []
    for seed in range(2):
        folder = write_standin(tmp_path / str(seed) / "MIRACL", ["sw"], queries=3, sources=Sources.made_up(seed))
        texts.append(load(folder, "sw")["queries"]["text"])
    assert not set(texts[0]) & set(texts[1])
    shutil.rmtree(folder)
    write_standin(folder, ["sw"], queries=3, sources=Sources.made_up(2))
    assert not set(load(folder, "sw")["queries"]["text"]) & set(texts[1])


def test_made_up_sources_have_miracls_shape():
    """All 18 languages, words that no other language has, 2 to 5 relevant passages and some that are not."""
    words = []
    for language in LANGUAGES:
        material = Sources.made_up().read(language)
        assert len(material.topics) == 100
        words.append({word.strip("?.") for text in material.topics.values() for word in text.split()})
        for query, grades in material.judgments.items():
            assert 2 <= sum(grades.values()) <= 5
            assert 1 <= list(grades.values()).count(0) <= 6
            assert (grades.get(query) == 1) == LANGUAGES[language].topics_are_passages
    assert len(LANGUAGES) == 18
    assert not any(a & b for a, b in combinations(words, 2))


def test_real_sources_keep_every_judgment_of_all_languages(sources):
    """Every topic has a relevant passage, and NTREX has its 1,997 sentences, in each of the 18 languages."""
    if "NTREX" not in sources.origin:
        pytest.skip("made up: has no files to read")
    materials = [sources.read(language) for language in LANGUAGES]
    assert sum(len(material.topics) for material in materials) == 13495
    assert all(any(grades.values()) for material in materials for grades in material.judgments.values())
    assert {len(material.sentences) for material in materials} == {1997}


def test_translations_by_hand_name_their_sources(standin, loaded, tmp_path):
    """Every topic of the searched language, in order, with a checksum that fits."""
    folder = write_translations_by_hand(tmp_path / "translations", standin, ["en-sw", "de-te"])
    manifest = json.loads((folder / "translations.json").read_text())
    assert {path.name for path in folder.iterdir()} == {"translations.json", "en-sw.jsonl", "de-te.jsonl"}
    for name, (language, prefix) in {"en-sw.jsonl": ("sw", "english "), "de-te.jsonl": ("te", "german ")}.items():
        content = (folder / name).read_bytes()
        rows = [json.loads(line) for line in content.decode().splitlines()]
        asked = loaded[language]["queries"]
        assert [(row["_id"], row["source"]) for row in rows] == list(zip(asked["id"], asked["text"], strict=True))
        assert all(row["text"] == prefix + row["source"] for row in rows)
        assert manifest["files"][name] == {"sha256": hashlib.sha256(content).hexdigest(), "queries": QUERIES}


def test_what_would_be_wrong_is_refused(standin, tmp_path):
    """A folder that holds something, and too few distractors for the ties."""
    with pytest.raises(FileExistsError, match="not empty"):
        write_standin(standin, ["sw"], sources=Sources.made_up())
    with pytest.raises(ValueError, match="4 distractors, got 20 and 3"):
        write_standin(tmp_path / "new", ["sw"], distractors=3, sources=Sources.made_up())
