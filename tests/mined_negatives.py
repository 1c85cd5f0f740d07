"""Items to mine negatives for, a model that looks its vectors up, and the slow definition of hard negatives."""

from __future__ import annotations

from collections import Counter

import numpy as np
import torch
from datasets import Dataset

from mteb_hybrid.trainers import ParallelDataset

LANGUAGES = ("de", "en", "zh")


class LookUp(torch.nn.Module):
    """A model with a vector for each text; counts what it encodes in which role, and can fail at a text."""

    def __init__(self, vectors, fails_at=None):
        super().__init__()
        self.vectors = {text.strip(): np.asarray(vector, dtype=np.float32) for text, vector in vectors.items()}
        self.weight = torch.nn.Parameter(torch.as_tensor(np.stack(list(self.vectors.values()))).sum(dim=0))
        self.seen = Counter()
        self.prompts_seen = set()
        self.fails_at = fails_at

    def encode_query(self, texts, **options):
        return self._encode("query", texts, **options)

    def encode_document(self, texts, **options):
        return self._encode("passage", texts, **options)

    def _encode(self, role, texts, prompt, batch_size, show_progress_bar, normalize_embeddings, convert_to_numpy):
        assert normalize_embeddings
        assert convert_to_numpy
        if self.fails_at in texts:
            raise KeyboardInterrupt
        self.prompts_seen.add((role, prompt))
        self.seen.update((role, text) for text in texts)
        found = np.stack([self.vectors[text.strip()] for text in texts])
        return found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-12)


def drawn_items(seed, count=14) -> list[dict[str, tuple[str | None, str | None]]]:
    """Items as query and passage by language; some lack a language or a role in it, some share a text."""
    rng = np.random.default_rng(seed)
    items = []
    for number in range(count):
        item = {}
        for language in rng.permutation(LANGUAGES)[: rng.integers(1, 4)].tolist():
            query, passage = f"{language} query {number}", f"{language} passage {number}"
            if items and rng.random() < 0.25:
                other = items[rng.integers(len(items))].get(language, (None, None))
                if rng.random() < 0.5:
                    query = f" {other[0]} " if other[0] else query
                else:
                    passage = other[1] or passage
            if rng.random() < 0.15:
                query, passage = (None, passage) if rng.random() < 0.5 else (query, None)
            item[language] = (query, passage)
        roles = [{language for language, texts in item.items() if texts[role]} for role in (0, 1)]
        if all(roles):
            items.append(item)
    return items


def as_view(items, **options) -> ParallelDataset:
    table = {}
    for role, name in enumerate(("query", "passage")):
        for language in LANGUAGES:
            table[f"{name}_{language}"] = [item.get(language, (None, None))[role] for item in items]
    kept = {column: texts for column, texts in table.items() if any(texts)}
    return ParallelDataset.from_wide(Dataset.from_dict(kept), **options)


def drawn_vectors(items, seed, dimension=5) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    texts = sorted({text.strip() for item in items for pair in item.values() for text in pair if text})
    return {text: rng.normal(size=dimension) for text in texts}


def families(items) -> list[set[int]]:
    """Of each item the items that share a text with it, directly or over others: found by going on until it is all."""
    texts = [{text.strip() for pair in item.values() for text in pair if text} for item in items]
    found = []
    for number in range(len(items)):
        family, before = {number}, None
        while family != before:
            before = set(family)
            held = set().union(*(texts[member] for member in family))
            family = {other for other in range(len(items)) if texts[other] & held}
        found.append(family)
    return found


def by_sorting(items, vectors, language, pool, choice) -> dict[str, list[str]]:
    """Hard negatives of every query of a language, with the definition written out."""
    searched = [language] if pool == "monolingual" else LANGUAGES
    owned = [{item[x][1] for x in searched if x in item and item[x][1]} for item in items]
    passages = sorted(set().union(*owned))
    kin = families(items)
    queries = {}
    for number, item in enumerate(items):
        if language in item and item[language][0]:
            queries.setdefault(item[language][0].strip(), []).append(number)
    unit = {text: vector / np.linalg.norm(vector) for text, vector in vectors.items()}
    result = {}
    for query, members in queries.items():
        right = set().union(*(owned[number] for number in members))
        if not right:
            continue
        related = set().union(*(owned[other] for number in members for other in kin[number]))
        score = {passage: float(unit[query] @ unit[passage]) for passage in passages}
        worst = min(score[passage] for passage in right)
        last = min(choice.get("range_max", 100), len(passages) - len(right))
        ranked = sorted(passages, key=lambda passage: -score[passage])[: last + len(right)]
        left = [
            passage
            for passage in ranked
            if passage not in right
            and score[passage] <= worst - choice.get("absolute_margin", -10)
            and choice.get("min_score", -10) <= score[passage] <= choice.get("max_score", 10)
            and ("relative_margin" not in choice or score[passage] <= worst - abs(worst) * choice["relative_margin"])
        ]
        window = left[choice.get("range_min", 0) : last]
        result[query] = [passage for passage in window if passage not in related][: choice.get("num_negatives", 1)]
    return result


def negatives_of(row) -> list[str]:
    return [text for column, text in row.items() if column.startswith("negative")]
