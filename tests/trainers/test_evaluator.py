"""The evaluator during training: the numbers of our tasks, of plain numpy and by hand; nothing else is touched."""

from __future__ import annotations

import copy
import csv
import random
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
import torch
from tiny_models import sentence_transformer

from mteb_hybrid.collections import LanguagePart, ParallelCollection, miniqa_r
from mteb_hybrid.errors import CollectionError, EmbeddingError, OptionError
from mteb_hybrid.trainers.evaluation.evaluator import METRICS, ParallelRetrievalEvaluator


class CardData:
    """What an evaluator stores in a model's card."""

    def __init__(self):
        self.stored = []

    def set_evaluation_metrics(self, evaluator, metrics, epoch=0, step=0):
        self.stored.append((evaluator, dict(metrics), epoch, step))


class LookUp(torch.nn.Module):
    """A model whose embeddings are given per text; counts what it encodes in which role."""

    def __init__(self, vectors, similarity="cosine", dtype=torch.float32):
        super().__init__()
        self.vectors = {text: torch.as_tensor(np.asarray(vector), dtype=dtype) for text, vector in vectors.items()}
        self.similarity_fn_name = similarity
        self.device = torch.device("cpu")
        self.model_card_data = CardData()
        self.seen = Counter()

    def encode_query(self, texts, prompt=None, prompt_name=None, batch_size=32, show_progress_bar=None):
        return self._encode("query", texts)

    def encode_document(self, texts, prompt=None, prompt_name=None, batch_size=32, show_progress_bar=None):
        return self._encode("document", texts)

    def similarity(self, a, b):
        if self.similarity_fn_name == "euclidean":
            return -torch.cdist(a.double(), b.double())
        if self.similarity_fn_name == "cosine":
            a, b = torch.nn.functional.normalize(a, dim=1), torch.nn.functional.normalize(b, dim=1)
        return a @ b.T

    def _encode(self, role, texts):
        self.eval()
        self.seen.update((role, text) for text in texts)
        return torch.stack([self.vectors[text] for text in texts])


def part(language, passages, questions) -> LanguagePart:
    """A language from texts: passages, and (id, question, relevant positions) triples."""
    ids, texts, relevant = zip(*questions, strict=True)
    return LanguagePart(language, tuple(passages), ("",) * len(passages), ids, texts, relevant, "a test")


def drawn_parts(seed) -> list[LanguagePart]:
    """Four languages; each question is in two to four of them, as in MLQA-R, now and then with two answers in one."""
    rng = np.random.default_rng(seed)
    languages = ["ar", "de", "en", "zh"]
    sizes = dict(zip(languages, rng.integers(9, 30, 4).tolist(), strict=True))
    asked = {language: [] for language in languages}
    for number in range(25):
        for language in rng.permutation(languages)[: rng.integers(2, 5)].tolist():
            answers = rng.permutation(sizes[language])[: rng.integers(1, 3)].tolist()
            asked[language].append((f"q{number}", f"{language} question {number}?", tuple(answers)))
    return [part(x, [f"{x} passage {i}." for i in range(sizes[x])], asked[x]) for x in languages]


def drawn_vectors(parts, seed, dimension=6) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    texts = [text for p in parts for text in (*p.queries, *p.passages)]
    return {text: rng.normal(size=dimension).astype(np.float32) for text in texts}


def by_sorting(parts, vectors, similarity="cosine", asked=None, kept=None) -> dict[str, float]:
    """All metrics by sorting every setting's passages, with the definitions written out; there must be no ties.

    ``asked`` and ``kept`` restrict the ids of questions and the texts of passages.
    """

    def score(question, passage):
        a, b = vectors[question].astype(np.float64), vectors[passage].astype(np.float64)
        if similarity == "euclidean":
            return -np.sqrt(((a - b) ** 2).sum())
        return a @ b / (np.linalg.norm(a) * np.linalg.norm(b) if similarity == "cosine" else 1)

    def setting(question_part, pool_parts):
        precisions, distances = [], []
        pool = [(p, i) for p in pool_parts for i, text in enumerate(p.passages) if kept is None or text in kept]
        for query_id, question in zip(question_part.query_ids, question_part.queries, strict=True):
            relevant = {
                (p.language, i)
                for p in pool_parts
                for other, positions in zip(p.query_ids, p.relevant, strict=True)
                for i in positions
                if other == query_id
            }
            if not relevant or (asked is not None and query_id not in asked):
                continue
            order = np.argsort([-score(question, p.passages[i]) for p, i in pool], kind="stable")
            ranks = [r for r, j in enumerate(order, 1) if (pool[j][0].language, pool[j][1]) in relevant]
            precisions.append(np.mean([place / rank for place, rank in enumerate(ranks, 1)]))
            if len(ranks) > 1:
                distances.append(ranks[-1] - ranks[0])
        return precisions, distances

    pooled = [setting(p, parts) for p in parts]
    alone = {(x.language, y.language): setting(x, [y])[0] for x in parts for y in parts}
    values = {
        "monolingual_map": [np.mean(v) for (x, y), v in alone.items() if x == y and v],
        "cross_lingual_map": [np.mean(v) for (x, y), v in alone.items() if x != y and v],
        "multilingual_map": [np.mean(precisions) for precisions, _ in pooled if precisions],
        "rank_distance": [np.mean(distances) for _, distances in pooled if distances],
        "rank_distance_median": [np.median(distances) for _, distances in pooled if distances],
    }
    return {name: float(np.mean(settings)) for name, settings in values.items() if settings}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A directory of a tiny model with prompts of its own."""
    prompts = {"query": "ask: ", "document": "read it: "}
    return sentence_transformer(tmp_path_factory.mktemp("models") / "tiny", seed=1, prompts=prompts)


def load(directory):
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(directory), device="cpu")


def small_mini(**options) -> ParallelRetrievalEvaluator:
    return ParallelRetrievalEvaluator.from_collection(miniqa_r(), ["de", "en", "es"], **options)


@pytest.mark.slow
def test_the_numbers_are_those_of_our_tasks(tiny):
    """On MiniQA-R all metrics equal the macro averages of the three MTEB tasks' subsets, for the same model.

    The model knows Latin letters only, so that passages tie in the other scripts: ties are broken alike too.
    """
    import mteb

    model = load(tiny)
    metrics = ParallelRetrievalEvaluator.from_collection(miniqa_r(), per_language=True)(model)
    settings = ["Monolingual", "CrossLingual", "Multilingual"]
    tasks = mteb.get_tasks(tasks=[f"MiniQAR{setting}" for setting in settings])
    run = mteb.evaluate(model, tasks, cache=None, show_progress_bar=False, co2_tracker=False)
    by_task = {result.task_name: {s["hf_subset"]: s for s in result.scores["test"]} for result in run.task_results}
    alone, crossed, pooled = (by_task[f"MiniQAR{setting}"] for setting in settings)
    assert (len(alone), len(crossed), len(pooled)) == (11, 110, 11)
    expected = {
        "monolingual_map": np.mean([scores["map"] for scores in alone.values()]),
        "cross_lingual_map": np.mean([scores["map"] for scores in crossed.values()]),
        "multilingual_map": np.mean([scores["map"] for scores in pooled.values()]),
        "rank_distance": np.mean([scores["rank_distance"] for scores in pooled.values()]),
        "rank_distance_median": np.mean([scores["rank_distance_median"] for scores in pooled.values()]),
    } | {f"multilingual_map_{language}": scores["map"] for language, scores in pooled.items()}
    assert metrics == pytest.approx({f"miniqa-r_{name}": value for name, value in expected.items()}, abs=1e-9)


@pytest.mark.parametrize("similarity", ["cosine", "dot", "euclidean"])
@pytest.mark.parametrize("seed", range(3))
def test_the_numbers_are_those_of_sorting(similarity, seed):
    """Questions that lack languages, several answers in one, any similarity: equal to argsort in every setting."""
    parts = drawn_parts(seed)
    vectors = drawn_vectors(parts, seed)
    metrics = ParallelRetrievalEvaluator(parts)(LookUp(vectors, similarity))
    assert tuple(metrics) == METRICS
    assert metrics == pytest.approx(by_sorting(parts, vectors, similarity), abs=1e-12)


def test_two_languages_by_hand():
    """Two questions in German and English, ranked by angle; all metrics as fractions.

    Angles in degrees: both German passages at 10 (a) and 40 (b), the English ones at 5 (a) and 20 (b) and a third at 0.
    """

    def at(degrees):
        return np.array([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))], dtype=np.float32)

    parts = [
        part("de", ["de a", "de b"], [("a", "de a?", (0,)), ("b", "de b?", (1,))]),
        part("en", ["en a", "en b", "en c"], [("a", "en a?", (0,)), ("b", "en b?", (1,))]),
    ]
    degrees = {
        "de a": 10,
        "de b": 40,
        "en a": 5,
        "en b": 20,
        "en c": 0,
        "de a?": 0,
        "de b?": 90,
        "en a?": 9,
        "en b?": 8,
    }
    metrics = ParallelRetrievalEvaluator(parts)(LookUp({text: at(angle) for text, angle in degrees.items()}))
    # "de a?" (0): en c, en a, de a, en b, de b.  "de b?" (90): de b, en b, de a, en a, en c.
    # "en a?" (9): de a, en a, en c, en b, de b.  "en b?" (8): de a, en a, en c, en b, de b.
    assert metrics == pytest.approx(
        {
            "monolingual_map": ((1 + 1) / 2 + (1 + 1 / 3) / 2) / 2,
            "cross_lingual_map": ((1 / 2 + 1) / 2 + (1 + 1 / 2) / 2) / 2,
            "multilingual_map": (((1 / 2 + 2 / 3) / 2 + 1) / 2 + (1 + (1 / 4 + 2 / 5) / 2) / 2) / 2,
            "rank_distance": ((1 + 1) / 2 + (1 + 1) / 2) / 2,
            "rank_distance_median": 1,
        }
    )


def test_one_language_has_no_cross_lingual_setting():
    """With one language the pool is its corpus: no cross-lingual MAP, and no distance between single answers."""
    evaluator = ParallelRetrievalEvaluator.from_collection(miniqa_r(), ["de"], name="")
    parts = [miniqa_r().load("de")]
    metrics = evaluator(LookUp(drawn_vectors(parts, 0)))
    assert set(metrics) == {"monolingual_map", "multilingual_map"}
    assert metrics["monolingual_map"] == metrics["multilingual_map"]
    with pytest.raises(OptionError, match="main_metric must be one of monolingual_map, multilingual_map on these data"):
        ParallelRetrievalEvaluator(parts, main_metric="rank_distance")


def test_a_language_may_have_nothing_to_ask_in_a_setting():
    """A question without answers anywhere is not asked, and a setting without questions is not averaged over."""
    parts = [
        part("de", ["d0", "d1"], [("a", "da?", (0,)), ("none", "dn?", ())]),
        part("en", ["e0", "e1"], [("b", "eb?", (1,)), ("a", "ea?", ())]),
        part("fr", ["f0"], [("none", "fn?", ())]),
    ]
    vectors = drawn_vectors(parts, 3)
    model = LookUp(vectors)
    assert ParallelRetrievalEvaluator(parts)(model) == pytest.approx(by_sorting(parts, vectors))
    assert {text for role, text in model.seen if role == "query"} == {"da?", "eb?", "ea?"}
    with pytest.raises(CollectionError, match="no question in fr has a relevant passage"):
        ParallelRetrievalEvaluator(parts[2:])


def test_fewer_questions_keep_their_judgments():
    """max_queries asks the same questions in all languages that have them; the pool and what is relevant stay."""
    collection = miniqa_r()
    parts = [collection.load(language) for language in ("de", "en", "zh")]
    vectors = drawn_vectors(parts, 1)
    model = LookUp(vectors)
    metrics = ParallelRetrievalEvaluator(parts, max_queries=7)(model)
    asked = [
        {i for i, text in zip(p.query_ids, p.queries, strict=True) if ("query", text) in model.seen} for p in parts
    ]
    assert asked[0] == asked[1] == asked[2]
    assert len(asked[0]) == 7
    assert metrics == pytest.approx(by_sorting(parts, vectors, asked=asked[0]))
    assert sum(role == "document" for role, _ in model.seen) == 3 * 144


@pytest.mark.parametrize("limit", [3, 9])
def test_fewer_passages_keep_all_relevant_ones(limit):
    """max_passages searches what is relevant for the asked questions, then others up to the number."""
    parts = drawn_parts(5)
    vectors = drawn_vectors(parts, 5)
    parts = [questions_of(p, {f"q{number}" for number in range(0, 25, 4)}) for p in parts]
    model = LookUp(vectors)
    metrics = ParallelRetrievalEvaluator(parts, max_passages=limit)(model)
    kept = {text for role, text in model.seen if role == "document"}
    for p in parts:
        needed = {p.passages[i] for row in p.relevant for i in row}
        assert needed <= kept
        assert len(kept & set(p.passages)) == max(limit, len(needed))
    assert len(kept) < sum(len(p.passages) for p in parts)
    assert metrics == pytest.approx(by_sorting(parts, vectors, kept=kept))


def questions_of(p, ids) -> LanguagePart:
    rows = [row for row in zip(p.query_ids, p.queries, p.relevant, strict=True) if row[0] in ids]
    return part(p.language, p.passages, rows)


def test_every_text_is_encoded_once_per_call():
    """A text in two languages, or twice in one, is encoded once for each role, and again in the next call."""
    parts = [
        part("de", ["1999", "Haus", "1999"], [("a", "Jahr?", (0,)), ("b", "Berlin?", (1,))]),
        part("en", ["house", "1999"], [("a", "year?", (1,)), ("b", "Berlin?", (0,))]),
    ]
    model = LookUp(drawn_vectors(parts, 0))
    evaluator = ParallelRetrievalEvaluator(parts)
    first = evaluator(model)
    assert set(model.seen.values()) == {1}
    assert len(model.seen) == 3 + 3
    assert evaluator(model) == first
    assert set(model.seen.values()) == {2}


def test_equal_passages_do_not_favour_a_language():
    """If all embeddings are equal, ids decide and not the order of the parts: each language is first for some."""
    parts = [miniqa_r().load(language) for language in ("de", "en")]
    model = LookUp(dict.fromkeys(drawn_vectors(parts, 0), np.ones(3)))
    there = ParallelRetrievalEvaluator(parts)(model)
    back = ParallelRetrievalEvaluator(parts[::-1])(model)
    assert there == pytest.approx(back)
    assert 0 < there["multilingual_map"] < 0.2


def test_the_models_own_prompts_are_used(tiny):
    """Without options the saved prompts are used; with prompts, or names of saved ones, those: as if typed in front."""
    model = load(tiny)
    bare = load(tiny)
    bare.prompts = {"query": "", "document": ""}
    collection = miniqa_r()

    def typed(query, passage):
        def read(language):
            p = collection.load(language)
            questions = [(i, query + q, r) for i, q, r in zip(p.query_ids, p.queries, p.relevant, strict=True)]
            return part(language, [passage + text for text in p.passages], questions)

        written = ParallelCollection(collection.name, "1", collection.languages, read)
        return ParallelRetrievalEvaluator.from_collection(written, ["de", "en", "es"])(bare)

    own = small_mini()(model)
    assert own == pytest.approx(typed("ask: ", "read it: "))
    assert own != pytest.approx(small_mini()(bare))
    given = small_mini(query_prompt="zz ", passage_prompt="")(model)
    assert given == pytest.approx(typed("zz ", ""))
    model.prompts = {"query": "no", "document": "no", "q": "ask: ", "p": "read it: "}
    assert small_mini(query_prompt_name="q", passage_prompt_name="p")(model) == pytest.approx(own)
    with pytest.raises(OptionError, match="not both"):
        small_mini(passage_prompt="a", passage_prompt_name="p")


def test_mode_and_random_numbers_are_left_alone(tiny):
    """Each module keeps its mode, also where they differ and after an error; no generator of random numbers moves."""
    model = load(tiny)
    model.train()
    model[0].auto_model.encoder.eval()
    before = [module.training for module in model.modules()]
    random_states = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()  # noqa: NPY002
    metrics = small_mini()(model)
    assert [module.training for module in model.modules()] == before
    assert torch.equal(torch.get_rng_state(), random_states[0])
    assert np.array_equal(np.random.get_state()[1], random_states[1])  # noqa: NPY002
    assert random.getstate() == random_states[2]
    model.eval()
    assert small_mini()(model) == metrics  # without dropout in both

    model.train()
    with torch.no_grad():
        next(model.parameters()).fill_(float("nan"))
    with pytest.raises(EmbeddingError):
        small_mini()(model)
    assert model.training


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_ranked_as_it_is(tiny, dtype):
    """Embeddings of 16 bits have the ranks of their values; a model of such weights works."""
    parts = drawn_parts(0)
    vectors = drawn_vectors(parts, 2)
    rounded = {text: torch.as_tensor(vector).to(dtype).float().numpy() for text, vector in vectors.items()}
    metrics = ParallelRetrievalEvaluator(parts)(LookUp(vectors, dtype=dtype))
    assert metrics == pytest.approx(by_sorting(parts, rounded))
    model = load(tiny)
    assert small_mini()(copy.deepcopy(model).to(dtype)) == pytest.approx(small_mini()(model), rel=0.5)


@pytest.mark.parametrize(
    ("bad", "word"), [(np.full(6, np.nan), "NaN"), (np.full(6, np.inf), "infinite"), (np.zeros(6), "zero")]
)
def test_bad_embeddings_name_evaluator_step_and_text(bad, word):
    """What cannot be ranked stops the training with the evaluator, the step, the language and the first such text."""
    parts = drawn_parts(0)
    model = LookUp(drawn_vectors(parts, 0) | {"de passage 3.": bad})
    evaluator = ParallelRetrievalEvaluator(parts, name="mlqa")
    message = f"ParallelRetrievalEvaluator 'mlqa' in epoch 0.5, step 20, passages of de: the model returned a {word} .*"
    with pytest.raises(EmbeddingError, match=message + "'de passage 3.'"):
        evaluator(model, epoch=0.5, steps=20)
    model.vectors = {t: v if "?" in t else torch.ones(5) for t, v in model.vectors.items()}
    with pytest.raises(EmbeddingError, match="'mlqa': the model returned questions of dimension 6 and passages of"):
        evaluator(model)


def test_every_call_leaves_a_line_and_a_note_in_the_model_card(tmp_path):
    """The CSV file has a header and one line per call; the card's data gets the same numbers under the same names."""
    parts = drawn_parts(1)
    model = LookUp(drawn_vectors(parts, 1))
    evaluator = ParallelRetrievalEvaluator(parts, name="multilingual", max_queries=9, query_prompt="q: ")
    assert evaluator.primary_metric == "multilingual_multilingual_map"
    first = evaluator(model, str(tmp_path / "eval"), epoch=0.5, steps=10)
    evaluator(model, str(tmp_path / "eval"))
    assert evaluator.primary_metric in first
    assert [stored[1:] for stored in model.model_card_data.stored] == [(first, 0.5, 10), (first, -1, -1)]
    lines = list(csv.reader((tmp_path / "eval" / evaluator.csv_file).open(encoding="utf-8")))
    assert lines[0] == ["epoch", "steps", *METRICS]
    assert [line[:2] for line in lines[1:]] == [["0.5", "10"], ["-1", "-1"]]
    assert [float(value) for value in lines[1][2:]] == list(first.values())
    ParallelRetrievalEvaluator(parts, name="silent", write_csv=False)(model, str(tmp_path / "eval"))
    assert len(list((tmp_path / "eval").iterdir())) == 1
    assert evaluator.description == "Parallel Retrieval"
    assert evaluator.get_config_dict() == {
        "languages": ["ar", "de", "en", "zh"],
        "questions": 36,
        "passages": sum(len(p.passages) for p in parts),
        "query_prompt": "q: ",
        "max_queries": 9,
    }


def test_rank_distance_is_better_if_lower():
    """The main metric decides whether more is better."""
    parts = drawn_parts(1)
    assert ParallelRetrievalEvaluator(parts).greater_is_better
    evaluator = ParallelRetrievalEvaluator(parts, name="x", main_metric="rank_distance_median")
    assert not evaluator.greater_is_better
    assert evaluator.primary_metric == "x_rank_distance_median"


def test_what_makes_no_sense_is_refused():
    """Wrong numbers, no or double languages, and ids that do not fit are errors before any model is there."""
    parts = drawn_parts(1)
    with pytest.raises(OptionError, match="max_queries must be at least 1, not 0"):
        ParallelRetrievalEvaluator(parts, max_queries=0)
    with pytest.raises(OptionError, match="different languages"):
        ParallelRetrievalEvaluator([])
    with pytest.raises(OptionError, match="different languages"):
        ParallelRetrievalEvaluator([parts[0], parts[0]])
    with pytest.raises(OptionError, match="0 passage ids for the"):
        ParallelRetrievalEvaluator(parts, passage_ids={})
    with pytest.raises(CollectionError, match="has no language 'xx'"):
        ParallelRetrievalEvaluator.from_collection(miniqa_r(), ["xx"])


@pytest.mark.slow
def test_the_trainer_logs_it_stops_early_and_loads_the_best(tiny, tmp_path):
    """In a run of a few steps the metric is logged at every evaluation, decides the best step and ends the training."""
    pytest.importorskip("accelerate")
    import datasets
    from sentence_transformers import SentenceTransformerTrainer, SentenceTransformerTrainingArguments
    from transformers import EarlyStoppingCallback, TrainerCallback

    try:
        from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
    except ImportError:
        from sentence_transformers.losses import MultipleNegativesRankingLoss

    class Spoil(TrainerCallback):
        def on_step_begin(self, args, state, control, **kwargs):
            if state.global_step == 2:  # from the third step on all words are alike
                with torch.no_grad():
                    model[0].auto_model.embeddings.word_embeddings.weight.fill_(1)

    model = load(tiny)
    evaluator = small_mini(name="mini")
    english = miniqa_r().load("en")
    pairs = {"query": list(english.queries), "passage": [english.passages[row[0]] for row in english.relevant]}
    trainer = SentenceTransformerTrainer(
        model=model,
        args=SentenceTransformerTrainingArguments(
            output_dir=str(tmp_path), max_steps=9, per_device_train_batch_size=8, learning_rate=1e-3, report_to="none",
            eval_strategy="steps", eval_steps=1, save_steps=1, save_only_model=True, load_best_model_at_end=True,
            metric_for_best_model="eval_mini_multilingual_map", greater_is_better=True, use_cpu=True, disable_tqdm=True,
        ),
        train_dataset=datasets.Dataset.from_dict(pairs),
        loss=MultipleNegativesRankingLoss(model),
        evaluator=evaluator,
        callbacks=[EarlyStoppingCallback(2), Spoil()],
    )  # fmt: skip
    trainer.train()
    logged = [entry for entry in trainer.state.log_history if "eval_mini_multilingual_map" in entry]
    assert all({f"eval_mini_{name}" for name in METRICS} <= set(entry) for entry in logged)
    values = [entry["eval_mini_multilingual_map"] for entry in logged]
    assert len(values) in (3, 4)
    assert trainer.state.best_metric == max(values) == values[-3]
    assert evaluator(model)["mini_multilingual_map"] == max(values)  # the best is what was loaded
    lines = list(csv.reader((tmp_path / "eval" / evaluator.csv_file).open(encoding="utf-8")))
    assert [float(line[4]) for line in lines[1:]] == values
    model.save(str(tmp_path / "model"))
    card = (tmp_path / "model" / "README.md").read_text(encoding="utf-8")
    assert "Parallel Retrieval" in card
    assert "rank_distance_median" in card


@pytest.mark.slow
def test_training_does_not_need_mteb():
    """Importing the evaluator imports nothing of MTEB."""
    module = "mteb_hybrid.trainers.evaluation.evaluator"
    code = f"import sys, {module}; print([name for name in sys.modules if name.split('.')[0] == 'mteb'])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
