"""Data sets in the hub's layout, read back by MTEB's own loader and scored by MTEB's own task."""

from __future__ import annotations

import copy

import mteb
import pytest
from beir_folders import write_folder
from datasets import Dataset
from encoders import CountingEncoder
from huggingface_hub import DatasetCard
from miracl_runs import Pooled, write_data
from mteb.abstasks.retrieval import AbsTaskRetrieval
from mteb.abstasks.retrieval_dataset_loaders import RetrievalDatasetLoader, RetrievalSplitData
from typer.testing import CliRunner

from mteb_hybrid.cli import app
from mteb_hybrid.collections import miniqa_r
from mteb_hybrid.errors import ResultsError
from mteb_hybrid.export import export_hub, hub
from mteb_hybrid.tasks import from_beir

ISO = ["ara", "deu", "ell", "eng", "hin", "rus", "spa", "tha", "tur", "vie", "zho"]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    """What `datasets` has read of a local folder it never reads again; each test gets a cache of its own."""
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "datasets")


def stock_task(metadata, **changes):
    """A task of MTEB's own class."""
    changed = metadata.model_copy(update={"name": f"{metadata.name}Stock", "main_score": "ndcg_at_10", **changes})
    return type("Stock", (AbsTaskRetrieval,), {"metadata": changed})()


def scores(task, *models) -> list[dict]:
    """Scores of each model by subset; the task keeps its data between them."""
    found = []
    for model in models:
        (result,) = mteb.evaluate(model, copy.copy(task), cache=None, show_progress_bar=False, co2_tracker=False)
        found.append({row["hf_subset"]: row for row in result.scores["test"]})
    return found


def loaded(folder, subset="default", split="test"):
    return RetrievalDatasetLoader(str(folder), "main", split=split, config=subset).load()


def rows(dataset) -> list[dict]:
    return dataset.to_list()


def card(folder) -> DatasetCard:
    return DatasetCard.load(folder / "README.md")


def test_pooled_corpus_is_one_file(tmp_path):
    """Eleven subsets name the same Parquet file with the language of each passage; judgments are one file as well."""
    task = mteb.get_task("MiniQARMultilingual")
    folder = export_hub(task, tmp_path / "hub")
    configs = {one["config_name"]: one["data_files"] for one in card(folder).data.to_dict()["configs"]}
    assert len(configs) == 33
    corpora = [configs[f"{language}-corpus"] for language in miniqa_r().languages]
    assert corpora == [[{"split": "test", "path": "ar-corpus/test-00000-of-00001.parquet"}]] * 11
    assert len(list(folder.rglob("*.parquet"))) == 1 + 11 + 1
    for language in ("ar", "zh"):
        expected, found = task.dataset[language]["test"], loaded(folder, language)
        assert found["relevant_docs"] == expected["relevant_docs"]
        assert found["top_ranked"] is None
        for part in ("corpus", "queries"):
            assert rows(found[part]) == rows(expected[part])
        assert set(found["corpus"]["language"]) == set(miniqa_r().languages)


@pytest.mark.slow
def test_110_subsets_have_11_corpora(tmp_path):
    """Questions of ten languages search one file, and questions that are asked of ten corpora are one file."""
    task = mteb.get_task("MiniQARCrossLingual")
    folder = export_hub(task, tmp_path / "hub")
    assert len(list(folder.rglob("*.parquet"))) == 3 * 11
    assert len(card(folder).data.to_dict()["configs"]) == 3 * 110
    assert all(any(place.iterdir()) for place in folder.iterdir() if place.is_dir())
    for subset in ("en-de", "zh-de", "de-zh"):
        expected, found = task.dataset[subset]["test"], loaded(folder, subset)
        assert found["relevant_docs"] == expected["relevant_docs"]
        assert rows(found["corpus"]) == rows(expected["corpus"])
        assert rows(found["queries"]) == rows(expected["queries"])


@pytest.mark.parametrize(
    ("name", "subsets"),
    [
        ("MiniQARMonolingual", ["de", "ar", "zh"]),
        ("MiniQARCrossLingual", ["en-de", "zh-en"]),
        ("MiniQARMultilingual", ["de", "th"]),
    ],
)
def test_mtebs_own_task_on_it_has_our_scores(name, subsets, tmp_path):
    """MTEB's task loads the folder by itself; its search, and its use of trec_eval, give the exported task's scores.

    To the five digits that MTEB rounds to, with vectors that do not tie. The baseline's do, and MTEB breaks ties by the
    last bits of float32: its scores are those of MTEB's task on the exported data itself, and ours but for the ties.
    """
    task = mteb.get_task(name, hf_subsets=subsets)
    folder = export_hub(task, tmp_path / "hub")
    stock = stock_task(task.metadata, dataset={"path": str(folder), "revision": "main"})
    model, baseline = CountingEncoder(), mteb.get_model("mteb-hybrid/char-ngram")
    found, close = scores(stock.filter_languages(None, hf_subsets=subsets), model, baseline)
    expected, nearly = scores(mteb.get_task(name, hf_subsets=subsets), model, baseline)
    direct = stock_task(task.metadata).filter_languages(None, hf_subsets=subsets)
    direct.dataset, direct.data_loaded = task.dataset, True
    (equal,) = scores(direct, baseline)
    kinds = ("ndcg", "map", "recall", "precision", "mrr", "hit_rate")
    for subset in subsets:
        for one in (f"{kind}_at_{k}" for kind in kinds for k in (1, 3, 5, 10, 20, 100, 1000)):
            assert found[subset][one] == pytest.approx(expected[subset][one], abs=0.51e-5), (subset, one)
            assert close[subset][one] == pytest.approx(equal[subset][one], abs=1e-9), (subset, one)
            assert close[subset][one] == pytest.approx(nearly[subset][one], abs=1e-3), (subset, one)
        assert 0.01 < close[subset]["ndcg_at_10"] < 0.99


def test_a_streamed_pool(tmp_path, monkeypatch):
    """Of MIRACL's pooled task on a small stand-in: ids that tell languages apart, titles, and the split's name."""
    monkeypatch.setenv("MTEB_HYBRID_DATA", str(write_data(tmp_path / "data")))
    monkeypatch.setenv("MTEB_HYBRID_CACHE", str(tmp_path / "cache"))
    task = Pooled()
    folder = export_hub(task, tmp_path / "hub")
    assert len(list(folder.rglob("*-corpus/dev-*.parquet"))) == 1
    for language in ("fi", "te"):
        expected, found = task.dataset[language]["dev"], loaded(folder, language, "dev")
        assert found["relevant_docs"] == expected["relevant_docs"]
        assert rows(found["corpus"]) == rows(expected["corpus"])
        assert rows(found["queries"]) == rows(expected["queries"])
    assert {one.partition(":")[0] for one in found["corpus"]["id"]} == {"fi", "sw", "te"}
    assert str(tmp_path) not in (folder / "README.md").read_text(encoding="utf-8")


def split_data(ids, *, top_ranked=None, **columns):
    """A split with titles, an instruction, and judgments of several grades, one of them 0."""
    return RetrievalSplitData(
        corpus=Dataset.from_dict(
            {"id": ids, "title": [f"about {one}" for one in ids], "text": [f"text of {one}" for one in ids], **columns}
        ),
        queries=Dataset.from_dict({"id": ["q 1", "q2"], "text": ["ää?", "二?"], "instruction": ["find", "seek"]}),
        relevant_docs={"q 1": {ids[0]: 2, ids[1]: 0}, "q2": {ids[1]: 1}},
        top_ranked=top_ranked,
    )


def made_task(splits, **changes):
    """A loaded task of MTEB's own class with this data."""
    task = stock_task(mteb.get_task("XQuADRMonolingual").metadata, **changes)
    task.dataset, task.data_loaded = splits, True
    return task


def test_one_default_subset_with_two_splits(tmp_path):
    """Configurations have no prefix; titles, instructions, grades and candidates of both splits come back."""
    data = {
        "dev": split_data(["a", "b", "c"], top_ranked={"q 1": ["b", "a"], "q2": ["c"]}),
        "test": split_data(["x", "y"], top_ranked={"q 1": ["x"], "q2": ["y", "x"]}),
    }
    task = made_task({"default": data}, eval_langs=["eng-Latn"])
    folder = export_hub(task, tmp_path / "hub")
    assert [one["config_name"] for one in card(folder).data.to_dict()["configs"]] == [
        "corpus", "queries", "qrels", "top_ranked",
    ]  # fmt: skip
    for split, expected in data.items():
        found = loaded(folder, split=split)
        for part in ("corpus", "queries"):
            assert rows(found[part]) == rows(expected[part])
        for part in ("relevant_docs", "top_ranked"):
            assert found[part] == expected[part]
    assert card(folder).data.language == ["eng"]
    assert card(folder).data.to_dict()["multilinguality"] == "monolingual"


def test_equal_corpora_are_one_file_though_they_are_two_objects(tmp_path):
    """Tasks of MTEB load a corpus for each subset, equal or not; a corpus that differs in one text has its own file."""
    ids = ["a", "b"]
    dataset = {"de": {"test": split_data(ids)}, "en": {"test": split_data(ids)}, "zh": {"test": split_data(ids[::-1])}}
    folder = export_hub(made_task(dataset), tmp_path / "hub", ["de", "en", "zh"])
    assert sorted(path.parent.name for path in folder.rglob("*.parquet")) == [
        "de-corpus", "de-qrels", "de-queries", "zh-corpus", "zh-qrels",
    ]  # fmt: skip
    for subset, split in dataset.items():
        assert rows(loaded(folder, subset)["corpus"]) == rows(split["test"]["corpus"])


def test_large_tables_are_cut_into_files(tmp_path, monkeypatch):
    """Each file has about so many bytes of text; read together they are the corpus in its order."""
    monkeypatch.setattr(hub, "SHARD_BYTES", 2_000)
    ids = [f"p{number:03}" for number in range(100)]
    task = made_task({"default": {"test": split_data(ids)}}, eval_langs=["eng-Latn"])
    folder = export_hub(task, tmp_path / "hub")
    assert len(list((folder / "corpus").glob("test-*-of-*.parquet"))) > 1
    assert rows(loaded(folder)["corpus"]) == rows(task.dataset["default"]["test"]["corpus"])


def test_the_card_names_languages_that_only_passages_have(tmp_path):
    """English questions of a pool of English and Italian, which none of our collections has: the card names both."""
    documents = [{"_id": code, "text": f"A text in {code}.", "language": code} for code in ("en", "it")]
    queries = [{"_id": "q", "text": "Which?", "language": "en"}]
    folder = write_folder(tmp_path / "mine", documents, queries, [("q", "en", 1), ("q", "it", 1)])
    (task,) = (one for one in from_beir("Mine", folder, register=False) if one.__name__ == "MineMultilingual")
    assert card(export_hub(task(), tmp_path / "hub")).data.language == ["eng", "ita"]


def test_the_card_says_what_the_task_says(tmp_path):
    """Languages (of a pool: of its passages), licence, categories, description, citation, version and revision."""
    task = mteb.get_task("MiniQARMultilingual", hf_subsets=["de"])
    found = card(export_hub(task, tmp_path / "hub"))
    data = found.data.to_dict()
    assert data["language"] == ISO
    assert data["license"] == "apache-2.0"
    assert data["multilinguality"] == "multilingual"
    assert data["task_categories"] == ["text-retrieval"]
    assert "mteb" in data["tags"]
    assert task.metadata.description in found.text
    assert "a `corpus` (`id`, `text`, `language`), `queries` (`id`, `text`)" in found.text
    assert "mteb-hybrid/miniqa-r`, revision `1`" in found.text
    assert f"mteb {mteb.__version__})" in found.text
    assert "bibtex" not in found.text  # MiniQA-R has no paper
    local = {"path": str(tmp_path), "revision": "local-1"}
    dataset = {"default": {"test": split_data(["a", "b"])}}
    cited = made_task(dataset, eval_langs=["eng-Latn"], dataset=local, license="https://example.org/terms")
    found = card(export_hub(cited, tmp_path / "cited"))
    assert cited.metadata.bibtex_citation.strip() in found.text
    assert str(tmp_path) not in found.text
    assert "local data, revision `local-1`" in found.text
    assert (found.data.license, found.data.license_link) == ("other", "https://example.org/terms")


def test_a_folder_with_files_is_left_alone(tmp_path):
    """They would be uploaded too; hidden ones, of a clone of the repository, would not."""
    task = mteb.get_task("MiniQARMonolingual", hf_subsets=["de"])
    (tmp_path / ".git").mkdir()
    export_hub(task, tmp_path)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ResultsError, match="holds files already, which would"):
        export_hub(task, tmp_path)
    assert sorted(tmp_path.rglob("*")) == before


def test_an_export_stopped_before_its_first_file_can_be_repeated(tmp_path):
    """Folders without files, as an interrupt leaves them, are no files."""
    task = mteb.get_task("MiniQARMonolingual", hf_subsets=["de"])
    (tmp_path / "hub" / "de-corpus").mkdir(parents=True)
    export_hub(task, tmp_path / "hub")
    assert len(loaded(tmp_path / "hub", "de")["corpus"]) == 144


@pytest.mark.parametrize("left", ["de-corpus/test-00000-of-00001.parquet", "de-corpus/.test.parquet.x.tmp"])
def test_an_export_stopped_later_is_explained(left, tmp_path):
    """Files without a card are of an interrupted export, maybe of another task: they are to be deleted."""
    task = mteb.get_task("MiniQARMonolingual", hf_subsets=["de"])
    (tmp_path / "de-corpus").mkdir()
    (tmp_path / left).touch()
    with pytest.raises(ResultsError, match=r"as an export that was interrupted leaves them.* or delete this one"):
        export_hub(task, tmp_path)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [tmp_path / left]


def test_an_export_that_fails_has_no_card(tmp_path, monkeypatch):
    """Without README.md nobody takes the folder for a data set."""
    task = mteb.get_task("MiniQARMonolingual", hf_subsets=["de", "en"])

    def full(*arguments):
        raise OSError("no space left")

    monkeypatch.setattr(hub, "dataset_card", full)
    with pytest.raises(OSError, match="no space left"):
        export_hub(task, tmp_path / "hub")
    assert list((tmp_path / "hub").rglob("*.parquet"))
    assert not (tmp_path / "hub" / "README.md").exists()
    assert not list((tmp_path / "hub").rglob("*.tmp"))


def test_command(tmp_path):
    """--layout hub writes one data set of the named subsets; runs have no place in it."""
    arguments = ["export", "MiniQARMonolingual", "--subset", "de", "--subset", "zh", "--layout", "hub"]
    run = CliRunner().invoke(app, [*arguments, "--output", str(tmp_path / "hub")])
    assert run.exit_code == 0, run.output
    assert run.output.split() == [str(tmp_path / "hub")]
    assert len(loaded(tmp_path / "hub", "zh")["corpus"]) == 144
    run = CliRunner().invoke(app, [*arguments, "--output", str(tmp_path / "b"), "--predictions", str(tmp_path)])
    assert isinstance(run.exception, ResultsError)
    assert "no place for runs" in str(run.exception)
    assert not (tmp_path / "b").exists()
