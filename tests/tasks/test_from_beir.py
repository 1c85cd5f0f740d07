"""Tasks of users' own collections: the scores that they give, and what MTEB comes to know of them."""

from __future__ import annotations

import pickle
import re
import shutil
import sys
import warnings
from dataclasses import replace
from typing import Any

import mteb
import numpy as np
import pytest
import pytrec_eval
from beir_folders import write_english_questions, write_folder, write_languages, write_pooled
from encoders import CountingEncoder

from mteb_hybrid.collections import miniqa_r
from mteb_hybrid.errors import CollectionError, RegistrationError
from mteb_hybrid.export import export_beir
from mteb_hybrid.task_names import parse_task
from mteb_hybrid.tasks import AbsTaskParallelRetrieval, MiniQARMonolingual, from_beir
from mteb_hybrid.tasks.settings import Setting, eval_langs

MINIQAR = ["MiniQARMonolingual", "MiniQARCrossLingual", "MiniQARMultilingual"]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MTEB_HYBRID_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def _own_registry(monkeypatch):
    """What a test registers is gone after it."""
    registries = sys.modules["mteb.get_tasks"]
    monkeypatch.setattr(registries, "_TASKS_REGISTRY", dict(registries._TASKS_REGISTRY))
    monkeypatch.setattr(registries, "TASK_LIST", registries.TASK_LIST)


def scores(model: Any, tasks: Any, **options: Any) -> dict[str, dict[str, dict[str, Any]]]:
    """Scores by setting and subset."""
    result = mteb.evaluate(model, tasks, **{"cache": None, "show_progress_bar": False, **options})
    return {
        parse_task(one.task_name)[1]: {row["hf_subset"]: row for row in rows}
        for one in result.task_results
        for rows in one.scores.values()
    }


def miniqa_r_with_ids_of(name: str, languages: tuple[str, ...]) -> list[AbsTaskParallelRetrieval]:
    """MiniQA-R's tasks with the passage ids of a collection of another name: they decide where scores tie."""
    collection = replace(miniqa_r(), name=name, languages=languages)
    tasks = []
    for setting in Setting:
        metadata = mteb.get_task(f"MiniQAR{setting.value}").metadata
        metadata = metadata.model_copy(update={"eval_langs": eval_langs(setting, languages)})
        content = {"metadata": metadata, "setting": setting, "collection": staticmethod(lambda: collection)}
        tasks.append(type("Renamed", (AbsTaskParallelRetrieval,), content)())
    return tasks


def write_miniqa_r(root, form):
    """MiniQA-R in one of the forms that are read."""
    if form != "pooled by hand":
        export_beir(mteb.get_task(form), root)
        return root
    documents, queries, judged = [], [], []
    for language in miniqa_r().languages:
        part = miniqa_r().load(language)
        ids = [f"{language}{number}" for number in range(len(part.passages))]
        documents += [{"_id": one, "text": t, "language": language} for one, t in zip(ids, part.passages, strict=True)]
        for question, text, positions in zip(part.query_ids, part.queries, part.relevant, strict=True):
            query = f"{question}/{language}"
            queries.append({"_id": query, "text": text, "language": language, "question": question})
            judged += [(query, ids[position], 1) for position in positions]
    return write_folder(root, documents, queries, judged)


@pytest.mark.parametrize("form", ["MiniQARMonolingual", "MiniQARMultilingual", "pooled by hand"])
def test_scores_of_miniqa_r_read_back(tmp_path, form):
    """All scores of all subsets are those of MiniQA-R, to the last digit.

    The baseline gives some passages the same score, and ids, which hang on a collection's name, decide among these.
    """
    languages = ("de", "en", "th", "zh")
    classes = from_beir("Mine", write_miniqa_r(tmp_path / "data", form), languages=languages, register=False)
    assert [cls.metadata.name for cls in classes] == [f"Mine{setting}" for setting in Setting]
    model = mteb.get_model("mteb-hybrid/char-ngram")
    found = scores(model, [cls() for cls in classes])
    assert found == scores(model, miniqa_r_with_ids_of("Mine", languages))
    assert [len(found[setting]) for setting in Setting] == [4, 12, 4]


@pytest.mark.slow
def test_scores_are_those_of_the_shipped_tasks(tmp_path):
    """In all settings and languages, MAP of the baseline is that of MiniQA-R's own tasks but for ties among ids."""
    classes = from_beir("Mine", write_miniqa_r(tmp_path / "data", "MiniQARMonolingual"), register=False)
    model = mteb.get_model("mteb-hybrid/char-ngram")
    found, shipped = scores(model, [cls() for cls in classes]), scores(model, mteb.get_tasks(tasks=MINIQAR))
    assert [len(found[setting]) for setting in Setting] == [11, 110, 11]
    for setting, subsets in shipped.items():
        assert found[setting].keys() == subsets.keys()
        for subset, row in subsets.items():
            assert found[setting][subset]["map"] == pytest.approx(row["map"], abs=2e-4)


def test_scores_without_ties_are_those_of_the_shipped_tasks(tmp_path):
    """With a model that gives no two passages the same score, all scores are those of MiniQA-R's own pooled task."""
    *_, pooled = from_beir("Mine", write_miniqa_r(tmp_path / "data", "MiniQARMonolingual"), register=False)
    assert scores(CountingEncoder(), pooled()) == scores(CountingEncoder(), mteb.get_task(MINIQAR[-1]))


def draw_collection(root, seed=0):
    """Three languages, 30 passages each, judged 0 to 3; the last questions have no German translation."""
    draws = np.random.default_rng(seed)
    languages, texts, judged = ("de", "en", "fr"), {}, {}
    for language in languages:
        texts |= {f"{language}{number}": f"{language} {draws.integers(1e9)}" for number in range(30)}
    queries = {f"q{number}-{language}": (f"q{number}", language) for number in range(6) for language in languages}
    queries = {query: found for query, found in queries.items() if found not in (("q4", "de"), ("q5", "de"))}
    for number in range(6):
        names = draws.choice(list(texts), 20, replace=False)
        judged[f"q{number}"] = {str(name): int(draws.integers(0, 4)) for name in names}
    lines = [(question, *pair) for question, grades in judged.items() for pair in grades.items()]
    write_folder(
        root,
        [{"_id": name, "text": text, "language": name[:2]} for name, text in texts.items()],
        [{"_id": query, "text": f"{query}?", "language": x, "question": q} for query, (q, x) in queries.items()],
        # each judgment at one of the translations
        [(f"{question}-{('en', 'fr')[i % 2]}", *rest) for i, (question, *rest) in enumerate(lines)],
    )
    return texts, queries, judged


def test_graded_judgments(tmp_path):
    """nDCG, MAP and recall are those of pytrec_eval on the grades of the files, in every subset of all settings."""
    texts, queries, judged = draw_collection(tmp_path)
    model = CountingEncoder()
    found = scores(model, [cls() for cls in from_beir("Mine", tmp_path, register=False)])

    def unit(text):
        vector = model.vector(text).astype(np.float64)
        return vector / np.linalg.norm(vector)

    passages = {name: unit(text) for name, text in texts.items()}
    measures = {"map": "map", "ndcg_at_10": "ndcg_cut_10", "recall_at_20": "recall_20"}
    checked = 0
    for setting, subsets in found.items():
        for subset, row in subsets.items():
            asked, _, searched = subset.partition("-")
            pool = {"Monolingual": [asked], "CrossLingual": [searched], "Multilingual": ["de", "en", "fr"]}[setting]
            qrels, lists = {}, {}
            for query, (question, language) in queries.items():
                if language == asked:
                    grades = {name: grade for name, grade in judged[question].items() if name[:2] in pool}
                    if any(grades.values()):
                        vector = unit(f"{query}?")
                        qrels[query] = grades
                        lists[query] = {name: float(vector @ passages[name]) for name in texts if name[:2] in pool}
            expected = pytrec_eval.RelevanceEvaluator(qrels, set(measures.values())).evaluate(lists)
            for ours, theirs in measures.items():
                mean = np.mean([one[theirs] for one in expected.values()])
                assert row[ours] == pytest.approx(mean, abs=1e-5), (setting, subset, ours)  # MTEB rounds
                checked += 1
    assert checked == 3 * (3 + 6 + 3)


def test_english_questions_only(tmp_path):
    """Subsets are those in which something is relevant; the pool has the passages that nothing is asked about too."""
    classes = from_beir("Mine", write_english_questions(tmp_path), register=False)
    assert {cls.metadata.name: cls.metadata.hf_subsets for cls in classes} == {
        "MineCrossLingual": ["en-de", "en-fr"], "MineMultilingual": ["en"],
    }  # fmt: skip
    assert classes[0].metadata.eval_langs == {"en-de": ["eng-Latn", "deu-Latn"], "en-fr": ["eng-Latn", "fra-Latn"]}
    assert classes[1].metadata.eval_langs == {"en": ["eng-Latn"]}
    pooled = classes[1]()
    pooled.load_data()
    split = pooled.dataset["en"]["test"]
    assert split["corpus"]["language"] == ["de", "fr", "fr", "ru"]
    assert {query: len(grades) for query, grades in split["relevant_docs"].items()} == {"q1": 2, "q2": 1}
    found = scores(CountingEncoder(), [cls() for cls in classes], prediction_folder=tmp_path / "predictions")
    assert set(found["CrossLingual"]) == {"en-de", "en-fr"}
    assert {"map", "rank_distance"} <= set(found["Multilingual"]["en"])


def test_one_language(tmp_path):
    """Nothing to cross and nothing to pool."""
    write_pooled(tmp_path)
    (only,) = from_beir("Mine", tmp_path, languages=["en"], register=False)
    assert only.metadata.name == "MineMonolingual"
    assert only.metadata.hf_subsets == ["en"]


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
