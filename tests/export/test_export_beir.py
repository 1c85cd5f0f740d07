"""Exported tasks, read back by other readers than the one that wrote them."""

from __future__ import annotations

import csv
import json

import mteb
import pytest
import pytrec_eval
from mteb.abstasks.retrieval import AbsTaskRetrieval
from typer.testing import CliRunner

from mteb_hybrid.cli import app
from mteb_hybrid.collections import miniqa_r
from mteb_hybrid.errors import ResultsError
from mteb_hybrid.export import export_beir
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
    with pytest.raises(ResultsError, match="no retrieval of texts"):
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
        (["MiniQARCrosLingual"], "MTEB knows no task 'MiniQARCrosLingual'"),
        (["STS22.v2"], "is no retrieval task"),
    ):
        run = CliRunner().invoke(app, ["export", *arguments, "--output", str(tmp_path / "new")])
        assert isinstance(run.exception, ResultsError)
        assert message in str(run.exception)
        assert not (tmp_path / "new").exists()
