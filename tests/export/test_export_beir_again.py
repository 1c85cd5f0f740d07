"""Folders that hold an export already, of the same task or of something else."""

from __future__ import annotations

import mteb
import pytest
from made_tasks import DEV, TEST, made_task

from mteb_hybrid.errors import ResultsError
from mteb_hybrid.export import beir, export_beir


def test_the_same_export_again(tmp_path):
    """Files are replaced, also damaged and missing ones, and runs stay."""
    task = made_task({"dev": DEV, "test": TEST})
    (folder,) = export_beir(task, tmp_path)
    content = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    (folder / "corpus.jsonl").write_text("damaged", encoding="utf-8")
    (folder / "qrels" / "dev.tsv").unlink()
    run = folder / "runs" / "dev" / "model@1.trec"
    run.parent.mkdir(parents=True)
    run.write_text("q1 Q0 d1 1 1 model@1\n", encoding="utf-8")
    assert export_beir(task, tmp_path) == [folder]
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path != run} == content
    assert run.exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "Other"}, "holds files of Made default, data 1, dev, test, not of Other default, data 1, dev, test"),
        ({"revision": "2"}, "holds files of Made default, data 1, dev, test, not of Made default, data 2, dev, test"),
        (
            {"splits": {"test": TEST}},
            "holds files of Made default, data 1, dev, test, not of Made default, data 1, test",
        ),
    ],
)
def test_files_of_something_else_are_left_alone(change, message, tmp_path):
    """Another task, revision of the data, or choice of splits: refused, and no file changes."""
    original = {"splits": {"dev": DEV, "test": TEST}}
    export_beir(made_task(**original), tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(ResultsError, match=message):
        export_beir(made_task(**(original | change)), tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("note", [None, "{", "[]", '{"task": "Made"}'])
def test_files_that_nothing_explains_are_left_alone(note, tmp_path):
    """A folder with files and without a note, or a damaged one, is refused before any subset is written."""
    (tmp_path / "en").mkdir()
    (tmp_path / "en" / "notes.txt").touch()
    if note is not None:
        (tmp_path / "en" / "task.json").write_text(note, encoding="utf-8")
    with pytest.raises(ResultsError, match=r"en holds files that no task\.json explains"):
        export_beir(mteb.get_task("MiniQARMonolingual", hf_subsets=["de", "en"]), tmp_path)
    assert not (tmp_path / "de").exists()


def test_an_interrupted_export_can_be_repeated(tmp_path, monkeypatch):
    """The note is written first, so that the files that are there are known to be the task's."""
    task = made_task({"dev": DEV})

    def interrupt(*arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(beir, "_write_judgments", interrupt)
        with pytest.raises(KeyboardInterrupt):
            export_beir(task, tmp_path)
    (folder,) = export_beir(task, tmp_path)
    assert (folder / "qrels" / "dev.tsv").exists()
