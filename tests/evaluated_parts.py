"""Languages to evaluate on, a model that looks its vectors up, and all metrics by sorting."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
from tiny_models import sentence_transformer

from mteb_hybrid.collections import LanguagePart, miniqa_r
from mteb_hybrid.trainers.evaluation.evaluator import ParallelRetrievalEvaluator


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
