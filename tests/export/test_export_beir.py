"""Tasks exported in BEIR's layout, read back by other readers than the writer."""

from __future__ import annotations

import csv
import json

import mteb
import pytest
import pytrec_eval
from datasets import Dataset
from made_tasks import CORPUS, DEV, TEST, made_task, split_data
from mteb.abstasks.retrieval import AbsTaskRetrieval
from typer.testing import CliRunner

from mteb_hybrid.cli import app
from mteb_hybrid.collections import miniqa_r
from mteb_hybrid.errors import CollectionError, ResultsError
from mteb_hybrid.export import beir, export_beir
from mteb_hybrid.export.rows import rows
from mteb_hybrid.trainers import ParallelDataset


def lines(path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_our_reader_of_beir_folders_finds_the_collection(tmp_path):
    """Monolingual folders, read as training data, have the questions with their passages that the collection has."""
    task = mteb.get_task("MiniQARMonolingual", hf_subsets=["de", "en", "zh"])
    folders = export_beir(task, tmp_path)
    assert [folder.name for folder in folders] == ["de", "en", "zh"]
    read = ParallelDataset.from_beir(tmp_path, "test")
    assert read.languages == ("de", "en", "zh")
    for language in read.languages:
        part = miniqa_r().load(language)
        expected = {
            (query, part.passages[position])
            for query, positions in zip(part.queries, part.relevant, strict=True)
            for position in positions
        }
        rows = read.restrict([language])[:]
        assert set(zip(rows["query"], rows["passage"], strict=True)) == expected


def test_pooled_subsets(tmp_path):
    """All languages with their codes; one corpus file for all subsets; judgments as trec_eval reads them."""
    task = mteb.get_task("MiniQARMultilingual", hf_subsets=["de", "en"])
    first, second = export_beir(task, tmp_path)
    corpus = lines(first / "corpus.jsonl")
    assert (first / "corpus.jsonl").samefile(second / "corpus.jsonl")
    assert {row["language"] for row in corpus} == set(miniqa_r().languages)
    expected = task.dataset["de"]["test"]
    assert {(row["_id"], row["text"], row["title"]) for row in corpus} == {
        (row["id"], row["text"], "") for row in expected["corpus"]
    }
    assert [(row["_id"], row["text"]) for row in lines(first / "queries.jsonl")] == [
        (row["id"], row["text"]) for row in expected["queries"]
    ]
    with (first / "qrels" / "test.trec").open(encoding="utf-8") as file:
        assert pytrec_eval.parse_qrel(file) == expected["relevant_docs"]
    header, *rows = (first / "qrels" / "test.tsv").read_text(encoding="utf-8").splitlines()
    assert header == "query-id\tcorpus-id\tscore"
    assert len(rows) == sum(map(len, expected["relevant_docs"].values()))
    assert not list(tmp_path.rglob("*.tmp"))


def test_beir_reads_it(tmp_path):
    """BEIR's own loader gives back corpus, queries and judgments."""
    loader = pytest.importorskip("beir.datasets.data_loader", reason="beir is not installed")
    task = mteb.get_task("MiniQARMonolingual", hf_subsets=["de"])
    (folder,) = export_beir(task, tmp_path)
    corpus, queries, qrels = loader.GenericDataLoader(str(folder)).load(split="test")
    expected = task.dataset["de"]["test"]
    assert {key: value["text"] for key, value in corpus.items()} == dict(
        zip(expected["corpus"]["id"], expected["corpus"]["text"], strict=True)
    )
    assert queries == dict(zip(expected["queries"]["id"], expected["queries"]["text"], strict=True))
    assert qrels == expected["relevant_docs"]


def odd_task(passage: str, **columns):
    """A task of MTEB's own class in its older form, whose one relevant passage has this id."""
    metadata = mteb.get_task("MiniQARMonolingual").metadata.model_copy(update={"eval_langs": ["eng-Latn"]})
    task = type("Odd", (AbsTaskRetrieval,), {"metadata": metadata})()
    task.corpus, task.queries = {"test": {passage: {"title": "t", "text": "b"}}}, {"test": {"q": "?"}}
    task.relevant_docs, task.dataset, task.data_loaded = {"test": {"q": {passage: 1}}}, {}, True
    return task


SPLITS = {
    "one corpus object": ({"dev": DEV, "test": TEST | {"corpus": DEV["corpus"]}}, [""]),
    "equal corpora": ({"dev": DEV, "test": TEST}, [""]),
    "other passages": ({"dev": DEV, "test": split_data({"d1": "one", "d2": "zwei"}, {"q3": "3?"}, {"q3": {"d2": 1}})},
                       ["dev", "test"]),
    "more passages": ({"dev": DEV, "test": split_data({**CORPUS, "d3": "three"}, {"q3": "3?"}, {"q3": {"d3": 1}})},
                      ["dev", "test"]),
    "an id with two texts": ({"dev": DEV, "test": split_data(CORPUS, {"q1": "eins?"}, {"q1": {"d2": 1}})},
                             ["dev", "test"]),
}  # fmt: skip


@pytest.mark.parametrize("case", SPLITS)
def test_every_split_can_be_read(case, tmp_path):
    """BEIR's loader gives back each split: together where corpora are equal and ids agree, else a folder for each."""
    loader = pytest.importorskip("beir.datasets.data_loader", reason="beir is not installed")
    splits, places = SPLITS[case]
    folders = export_beir(made_task(splits), tmp_path)
    assert folders == [tmp_path / "default" / place for place in places]
    assert sorted(path.parent for path in tmp_path.rglob("corpus.jsonl")) == folders
    for number, (split, expected) in enumerate(splits.items()):
        folder = folders[number % len(folders)]
        corpus, queries, judged = loader.GenericDataLoader(str(folder)).load(split=split)
        assert {one: passage["text"] for one, passage in corpus.items()} == dict(
            zip(expected["corpus"]["id"], expected["corpus"]["text"], strict=True)
        )
        assert queries == dict(zip(expected["queries"]["id"], expected["queries"]["text"], strict=True))
        assert judged == expected["relevant_docs"]
        ids = [query["_id"] for query in lines(folder / "queries.jsonl")]
        assert len(ids) == len(set(ids))


def test_a_single_split_is_streamed(tmp_path, monkeypatch):
    """Of one split, corpus and queries are read once, for their files."""
    read = []
    monkeypatch.setattr(beir, "rows", lambda dataset: read.append(dataset.column_names) or rows(dataset))
    export_beir(made_task({"dev": DEV}), tmp_path)
    assert read == [["id", "title", "text"], ["id", "text"]]


def test_what_the_layout_has_no_place_for(tmp_path, caplog):
    """Instructions and candidates are left out with one warning, which names the layout that has them."""
    queries = DEV["queries"].add_column("instruction", ["find", "seek"])
    task = made_task({"dev": DEV | {"queries": queries, "top_ranked": {"q1": ["d1"]}}})
    export_beir(task, tmp_path)
    assert caplog.messages == [
        "BEIR's layout has no place for instruction, top_ranked of Made, which --layout hub keeps"
    ]
    caplog.clear()
    export_beir(mteb.get_task("MiniQARMultilingual", hf_subsets=["de", "en"]), tmp_path)
    assert not caplog.messages


def test_conversations_are_refused(tmp_path):
    """A query that is a list of turns is no text; nothing is written."""
    turns = Dataset.from_dict({"id": ["q1"], "text": [[{"role": "user", "content": "hello"}]]})
    with pytest.raises(
        ResultsError, match="Made default is no retrieval of texts by texts, which it must be: see the queries"
    ):
        export_beir(made_task({"dev": DEV | {"queries": turns}}), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("passage", ["plain", "two words", '"quoted', "tab\there"])
def test_odd_ids_and_tasks_of_the_older_form(passage, tmp_path, caplog):
    """BEIR's dialect of CSV holds any id; trec_eval's file is left out where an id has white space, with the reason."""
    (folder,) = export_beir(odd_task(passage), tmp_path)
    assert folder.name == "default"
    assert lines(folder / "corpus.jsonl") == [{"_id": passage, "title": "t", "text": "b"}]
    with (folder / "qrels" / "test.tsv").open(encoding="utf-8", newline="") as file:
        assert list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_MINIMAL))[1:] == [["q", passage, "1"]]
    white = len(passage.split()) > 1
    assert (folder / "qrels" / "test.trec").exists() is not white
    assert ("white space" in caplog.text) is white
    assert not white or repr(passage) in caplog.text


def test_texts_only(tmp_path):
    """A task of images is refused before anything is written."""
    task = odd_task("p")
    task.convert_v1_dataset_format_to_v2(num_proc=None)
    split = task.dataset["default"]["test"]
    split["corpus"] = split["corpus"].rename_column("text", "image")
    with pytest.raises(ResultsError, match="no retrieval of texts by texts, which it must be: the corpus lacks 'text'"):
        export_beir(task, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_command(tmp_path):
    """Only the named subset is written; unknown tasks and subsets are said, with a guess."""
    run = CliRunner().invoke(app, ["export", "MiniQARCrossLingual", "--output", str(tmp_path), "--subset", "de-en"])
    assert run.exit_code == 0, run.output
    assert run.output.split() == [str(tmp_path / "de-en")]
    assert [path.name for path in tmp_path.iterdir()] == ["de-en"]
    for arguments, message in (
        (["MiniQARCrossLingual", "--subset", "de_en"], "has no subset 'de_en'; did you mean 'de-en'"),
        (["MiniQARCrosLingual"], "MTEB knows no task 'MiniQARCrosLingual'; did you mean 'MiniQARCrossLingual'?"),
        (["STS22.v2"], "STS22.v2 is a task of STS: name one of retrieval"),
    ):
        run = CliRunner().invoke(app, ["export", *arguments, "--output", str(tmp_path / "new")])
        assert isinstance(run.exception, ResultsError)
        assert message in str(run.exception)
        assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("layout", ["beir", "hub"])
def test_everyday_trouble_is_one_line(layout, tmp_path, monkeypatch):
    """No network, a file where a folder should be, an output that cannot be made; our own errors stay as they are."""
    (tmp_path / "file").touch()
    arguments = ["export", "MiniQARMonolingual", "--subset", "de", "--layout", layout, "--output"]

    def failure(output):
        run = CliRunner().invoke(app, [*arguments, str(output)])
        assert run.exit_code
        return run.exception

    for output in (tmp_path / "file", tmp_path / "file" / "below"):
        error = failure(output)
        assert isinstance(error, ResultsError)
        assert f"cannot write {tmp_path / 'file'}" in str(error)
    for raised, expected in (
        (ConnectionError("no route\nto the hub"), "MTEB could not load MiniQARMonolingual: ConnectionError: no route"),
        (CollectionError("line 3 is blank"), "line 3 is blank"),
    ):
        with monkeypatch.context() as patched:
            task = type(mteb.get_task("MiniQARMonolingual"))
            patched.setattr(task, "load_data", lambda *_, raised=raised, **__: (_ for _ in ()).throw(raised))
            error = failure(tmp_path / "out")
        assert isinstance(error, ResultsError if isinstance(raised, OSError) else CollectionError)
        assert str(error).startswith(expected)
        assert not (tmp_path / "out").exists()
