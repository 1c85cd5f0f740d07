"""Tasks of users' own collections: how MTEB knows them, and files that change."""

from __future__ import annotations

import pickle
import re
import shutil
import sys
import warnings

import mteb
import pytest
from beir_folders import write_folder, write_languages, write_pooled
from encoders import CountingEncoder
from tasks_of_users import (
    _own_cache,  # noqa: F401 - for every test here
    scores,
)

from mteb_hybrid.errors import CollectionError, RegistrationError
from mteb_hybrid.task_names import parse_task
from mteb_hybrid.tasks import MiniQARMonolingual, from_beir
from mteb_hybrid.tasks.settings import Setting


@pytest.fixture
def _own_registry(monkeypatch):
    """What a test registers is gone after it."""
    registries = sys.modules["mteb.get_tasks"]
    monkeypatch.setattr(registries, "_TASKS_REGISTRY", dict(registries._TASKS_REGISTRY))
    monkeypatch.setattr(registries, "TASK_LIST", registries.TASK_LIST)


class TestKnownToMteb:
    """Registration."""

    @pytest.mark.usefixtures("_own_registry")
    def test_by_name(self, tmp_path):
        """MTEB finds the tasks by name and filters them by language; reports know family and setting."""
        classes = from_beir("Mine_2", write_languages(tmp_path))
        names = ["Mine_2Monolingual", "Mine_2CrossLingual", "Mine_2Multilingual"]
        assert [cls.metadata.name for cls in classes] == names
        assert [type(task) for task in mteb.get_tasks(tasks=names)] == list(classes)
        assert mteb.get_task(names[1], languages=["eng"]).hf_subsets == ["de-en", "en-de"]
        assert mteb.get_task(names[0], languages=["deu"]).hf_subsets == ["de"]
        german = mteb.get_tasks(task_types=["Retrieval"], languages=["deu"])
        assert set(names) <= {task.metadata.name for task in german}
        assert [parse_task(name) for name in names] == [("Mine_2", setting) for setting in Setting]

    def test_not_if_not_wanted(self, tmp_path):
        """register=False leaves MTEB as it is."""
        from_beir("Unheard", write_languages(tmp_path), register=False)
        with pytest.raises(KeyError):
            mteb.get_task("UnheardMonolingual")

    @pytest.mark.usefixtures("_own_registry")
    def test_the_same_call_again(self, tmp_path):
        """A notebook's cell may run twice; another collection of the name is refused, and nothing of it is known."""
        write_languages(tmp_path)
        classes = from_beir("Mine", tmp_path)
        registries = sys.modules["mteb.get_tasks"]
        before = registries.TASK_LIST
        assert from_beir("Mine", str(tmp_path)) == classes
        assert list(registries.TASK_LIST) == list(before)
        where = re.escape(f"a task MineMonolingual exists already, of the collection in {tmp_path}. Two")
        with pytest.raises(RegistrationError, match=f"{where}.*: name one otherwise"):
            from_beir("Mine", tmp_path, languages=["en"])
        write_folder(
            tmp_path / "fr", [{"_id": "a", "text": "Thé."}], [{"_id": "q1", "text": "Quoi?"}], [("q1", "a", 1)]
        )
        with pytest.raises(RegistrationError, match=f"{where}.*: its languages have changed, start Python anew"):
            from_beir("Mine", tmp_path)
        shutil.rmtree(tmp_path / "fr")
        with pytest.raises(RegistrationError, match="a task MiniQARMonolingual exists already"):
            from_beir("MiniQAR", tmp_path)
        assert list(registries.TASK_LIST) == list(before)
        assert type(mteb.get_task("MiniQARMonolingual")) is MiniQARMonolingual

    def test_pickled(self, tmp_path):
        """Classes pickle by name, tasks with their state."""
        first, *_ = from_beir("Mine", write_languages(tmp_path), register=False)
        task = pickle.loads(pickle.dumps(first().filter_languages(["deu"])))
        assert type(task) is first
        assert task.hf_subsets == ["de"]

    def test_metadata(self, tmp_path):
        """What the user says is what MTEB knows."""
        (first, *_) = from_beir(
            "Mine", write_languages(tmp_path), description="Tea and cats.", license="cc-by-4.0",
            reference="https://example.org/mine", citation="@misc{mine}", register=False,
        )  # fmt: skip
        metadata = first.metadata
        assert metadata.description == "Tea and cats. Questions and passages are in the same language."
        assert (metadata.license, metadata.bibtex_citation) == ("cc-by-4.0", "@misc{mine}")
        assert str(metadata.reference) == "https://example.org/mine"
        assert (metadata.main_score, metadata.eval_splits) == ("map", ["test"])
        assert metadata.dataset["path"] == "local/Mine"

    def test_a_language_of_the_users_own(self, tmp_path):
        """It names subsets as the user calls it, and is filtered by its code."""
        write_languages(tmp_path)
        (tmp_path / "de").rename(tmp_path / "swiss")
        classes = from_beir("Mine", tmp_path, scripts={"swiss": "gsw-Latn"}, register=False)
        assert classes[1].metadata.eval_langs == {
            "en-swiss": ["eng-Latn", "gsw-Latn"], "swiss-en": ["gsw-Latn", "eng-Latn"],
        }  # fmt: skip
        assert classes[0]().filter_languages(["gsw"]).hf_subsets == ["swiss"]

    @pytest.mark.parametrize(
        ("name", "options", "message"),
        [
            ("my-docs", {}, "'my-docs' cannot begin the names of tasks: use letters, digits and _"),
            ("2nd", {}, "'2nd' cannot begin"),
            ("", {}, "'' cannot begin"),
            ("DocsMultilingual", {}, "'DocsMultilingual' ends in 'Multilingual'"),
            ("DocsHardNegatives", {}, "ends in 'HardNegatives', which tells a collection's tasks apart"),
            ("Mine", {"scripts": {"gsw": "gsw"}}, "the code of 'gsw' must be written like 'por-Latn', not 'gsw'"),
            ("Mine", {"scripts": {"gsw": "zzz-Latn"}}, "scripts: MTEB does not know the code of 'gsw'"),
            ("Mine", {"license": "free"}, "Mine: license: unknown license 'free'; say it as MTEB does, 'cc-by-4.0' or"),
            ("Mine", {"license": "CC-BY-4.0"}, "Mine: license: unknown license 'CC-BY-4.0'; did you mean 'cc-by-4.0'?"),
            ("Mine", {"license": "Apache 2.0"}, "did you mean 'apache-2.0'?"),
            ("Mine", {"languages": "de"}, 'Mine: languages must be a list, ["de"]'),
            ("Mine", {"reference": "the web"}, "Mine: reference: "),
            ("Mine", {"split": "dev"}, "has no split 'dev'; there are test"),
        ],
    )
    def test_arguments(self, tmp_path, name, options, message):
        """Each wrong one is named."""
        write_languages(tmp_path)
        with pytest.raises(CollectionError, match=re.escape(message)):
            from_beir(name, tmp_path, register=False, **options)


def test_what_is_hardly_meant(tmp_path):
    """It is one warning when the tasks are made, and none when they are loaded and run; scores are there."""
    write_pooled(tmp_path)
    path = tmp_path / "queries.jsonl"
    path.write_text(path.read_text().replace('"question"', '"qu"'))
    with pytest.warns(
        RuntimeWarning, match=r"^Mine: .*queries\.jsonl: no question is asked in two languages"
    ) as caught:
        classes = from_beir("Mine", tmp_path, register=False)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    with warnings.catch_warnings(record=True) as later:
        warnings.simplefilter("always")
        found = scores(CountingEncoder(), [cls() for cls in classes])
    assert found["Monolingual"].keys() == {"de", "en"}
    assert not [warning for warning in later if "no question" in str(warning.message)]


class TestChangedData:
    """Files that change while Python runs."""

    def test_cached_results_are_not_those_of_changed_files(self, tmp_path):
        """The second run files its scores under another revision, and they are of the new text."""
        first, *_ = from_beir("Mine", write_languages(tmp_path / "data"), register=False)
        cache = mteb.ResultCache(tmp_path / "results")
        model, old = CountingEncoder(), first.metadata.revision
        path = tmp_path / "data" / "en" / "corpus.jsonl"
        for change in (None, ("a lot", "all day long")):
            if change:
                path.write_text(path.read_text().replace(*change))
            task = first()
            scores(model, task, cache=cache, overwrite_strategy="only-missing")
            result = cache.load_task_result("MineMonolingual", model.mteb_model_meta)
            assert result.dataset_revision == task.metadata.revision
            assert (task.metadata.revision == old) is (change is None)
        assert model.seen["document", "Cats sleep all day long."] == 1

    def test_languages_that_come_or_go(self, tmp_path):
        """Subsets cannot change while Python runs; it is said before anything is encoded, also if files are gone."""
        first, *_ = from_beir("Mine", write_languages(tmp_path), register=False)
        (tmp_path / "de" / "corpus.jsonl").rename(tmp_path / "kept.jsonl")
        with pytest.raises(CollectionError, match=r"corpus\.jsonl is missing"):
            scores(CountingEncoder(), first())
        (tmp_path / "de").rename(tmp_path / "fr")
        (tmp_path / "kept.jsonl").rename(tmp_path / "fr" / "corpus.jsonl")
        with pytest.raises(CollectionError, match="other languages than when the task was made; start Python anew"):
            scores(CountingEncoder(), first())

    def test_the_revision_outlives_the_data(self, tmp_path):
        """A task that is unloaded is still filed under the files that it read."""
        first, *_ = from_beir("Mine", write_languages(tmp_path), register=False)
        (tmp_path / "en" / "queries.jsonl").open("a").write("\n")
        task = first()
        task.load_data()
        changed = task.metadata.revision
        assert changed != first.metadata.revision
        task.unload_data()
        assert task.metadata.revision == changed
