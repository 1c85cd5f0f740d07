"""Tasks of users' own collections: the scores that they must have."""

from __future__ import annotations

from dataclasses import replace

import mteb
import numpy as np
import pytest
import pytrec_eval
from beir_folders import write_english_questions, write_folder, write_pooled
from encoders import CountingEncoder
from tasks_of_users import (
    _own_cache,  # noqa: F401 - for every test here
    scores,
)

from mteb_hybrid.collections import miniqa_r
from mteb_hybrid.export import export_beir
from mteb_hybrid.tasks import AbsTaskParallelRetrieval, from_beir
from mteb_hybrid.tasks.settings import Setting, eval_langs

MINIQAR = ["MiniQARMonolingual", "MiniQARCrossLingual", "MiniQARMultilingual"]


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
