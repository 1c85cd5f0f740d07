"""The evaluator in a training: nothing else is changed by it, it logs, decides and stops."""

from __future__ import annotations

import csv
import random
import subprocess
import sys

import numpy as np
import pytest
import torch
from evaluated_parts import LookUp, drawn_parts, drawn_vectors, load, small_mini

from mteb_hybrid.collections import miniqa_r
from mteb_hybrid.errors import EmbeddingError
from mteb_hybrid.trainers.evaluation.evaluator import METRICS, ParallelRetrievalEvaluator


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
