"""What the tests of the MIRACL tasks share: a small stand-in, tasks on three languages, and rankings by plain numpy."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import mteb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from encoders import hashed_vector, named_meta
from miracl_standin import Sources, write_standin

from mteb_hybrid.collections.hub import HubCollection
from mteb_hybrid.collections.miracl import LANGUAGES as ALL
from mteb_hybrid.streaming.corpus import Corpus
from mteb_hybrid.tasks.miracl import MIRACLMonolingual, MIRACLMultilingual
from mteb_hybrid.tasks.settings import Setting, eval_langs, subsets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

LANGUAGES = ("fi", "sw", "te")
HUB = HubCollection("mteb/MIRACLRetrieval", "9c09abc13478308c27598f350e31d8f06b9b5481", LANGUAGES, "dev")


def _renamed(task, setting: Setting):
    update = {"name": f"{task.metadata.name}OfThree", "eval_langs": eval_langs(setting, LANGUAGES)}
    return task.metadata.model_copy(update=update)


class Monolingual(MIRACLMonolingual):
    """The monolingual task on three languages."""

    hub: ClassVar[HubCollection] = HUB
    planned: ClassVar = subsets(Setting.MONOLINGUAL, LANGUAGES)
    metadata = _renamed(MIRACLMonolingual, Setting.MONOLINGUAL)


class Pooled(MIRACLMultilingual):
    """The pooled task with a pool of three languages."""

    hub: ClassVar[HubCollection] = HUB
    planned: ClassVar = subsets(Setting.MULTILINGUAL, LANGUAGES)
    metadata = _renamed(MIRACLMultilingual, Setting.MULTILINGUAL)


def write_data(folder: Path, *, queries: int = 10, distractors: int = 30, name: str = "MIRACLRetrieval") -> Path:
    """A folder for MTEB_HYBRID_DATA with the stand-in of three languages."""
    write_standin(folder / name, LANGUAGES, queries=queries, distractors=distractors, sources=Sources.made_up())
    return folder


def without_ties(data: Path) -> Path:
    """Drop unjudged passages whose text stands elsewhere, in any language: no two passages of the pool tie."""
    parts = {language: read(data, language) for language in LANGUAGES}
    judged = {language: {one for grades in part.judged.values() for one in grades} for language, part in parts.items()}
    pairs = [(one, *pair) for one, part in parts.items() for pair in zip(part.ids, part.texts, strict=True)]
    texts = [text for language, passage, text in pairs if passage in judged[language]]
    seen = set(texts)
    assert len(seen) == len(texts)
    for language in LANGUAGES:
        for shard in (data / "MIRACLRetrieval" / f"{language}-corpus").iterdir():
            kept = []
            for row in pq.read_table(shard).to_pylist():
                text = f"{row['title']} {row['text']}".strip()
                if row["_id"] in judged[language] or text not in seen:
                    kept.append(row)
                seen.add(text)
            pq.write_table(pa.Table.from_pylist(kept), shard)
    return data


@dataclass(frozen=True)
class Part:
    """One language of a stand-in, read without any code of the package or of MTEB."""

    language: str
    topics: dict[str, str]
    judged: dict[str, dict[str, int]]
    ids: list[str]
    texts: list[str]


def read(data: Path, language: str, name: str = "MIRACLRetrieval") -> Part:
    """The files of one language."""

    def rows(kind):
        shards = sorted((data / name / f"{language}-{kind}").iterdir())
        return [row for shard in shards for row in pq.read_table(shard).to_pylist()]

    judged: dict[str, dict[str, int]] = {}
    for row in rows("qrels"):
        judged.setdefault(row["query-id"], {})[row["corpus-id"]] = row["score"]
    corpus = rows("corpus")
    texts = [f"{row['title']} {row['text']}".strip() for row in corpus]
    topics = {row["_id"]: row["text"] for row in rows("queries")}
    return Part(language, topics, judged, [row["_id"] for row in corpus], texts)


@dataclass
class Oracle:
    """Rankings of whole pools by float64 products, ties by the documented permutation.

    Attributes:
        parts: The languages of the pool.
        numbers: Their positions among the languages of the collection.
        vector: Text to vector.
    """

    parts: Sequence[Part]
    numbers: Sequence[int]
    vector: Callable[[str], np.ndarray] = hashed_vector
    ids: list[str] = field(init=False)

    def __post_init__(self):
        pooled = len(self.parts) > 1
        self.ids = [f"{part.language}:{one}" if pooled else one for part in self.parts for one in part.ids]
        self.languages = np.repeat(range(len(self.parts)), [len(part.ids) for part in self.parts])
        self.sizes = np.bincount(self.languages)
        self.order = np.concatenate(
            [
                Corpus("", "", number, [], "").order(np.arange(len(part.ids)))
                for number, part in zip(self.numbers, self.parts, strict=True)
            ]
        )
        texts = [text for part in self.parts for text in part.texts]
        place = {text: i for i, text in enumerate(dict.fromkeys(texts))}
        self._row = np.array([place[text] for text in texts])
        self._unit = unit([self.vector(text) for text in place])

    def rankings(self, queries: Iterable[str]) -> list[np.ndarray]:
        """For each query the positions of all passages, best first."""
        found = []
        for query in queries:
            scores = (self._unit @ unit([self.vector(query)])[0])[self._row]  # equal texts have equal scores
            found.append(np.lexsort((self.order, -scores)))
        return found

    def runs(self, topics: dict[str, str]) -> dict[str, list[str]]:
        """Query id to the ids of all passages, best first."""
        found = self.rankings(topics.values())
        return {query: [self.ids[i] for i in best] for query, best in zip(topics, found, strict=True)}


def oracle(data: Path, languages: Sequence[str] = LANGUAGES, among: Sequence[str] = LANGUAGES, **options) -> Oracle:
    """The oracle of a pool; `among` are the languages of the collection."""
    return Oracle([read(data, one) for one in languages], [among.index(one) for one in languages], **options)


def of_miracl(data: Path, language: str) -> Oracle:
    """The oracle of one corpus among all 18."""
    return oracle(data, [language], ALL)


def unit(vectors) -> np.ndarray:
    stacked = np.stack(vectors).astype(np.float64)
    return stacked / np.linalg.norm(stacked, axis=1, keepdims=True)


def trec_scores(runs: dict[str, list[str]], judged: dict[str, dict[str, int]]) -> dict[str, float]:
    """Means of trec_eval's measures, under MTEB's names."""
    import pytrec_eval

    measures = {"map": "map", "recip_rank": "mrr", "ndcg_cut.10": "ndcg_at_10", "recall.100": "recall_at_100"}
    evaluator = pytrec_eval.RelevanceEvaluator(judged, set(measures))
    lists = {query: {one: float(-place) for place, one in enumerate(best)} for query, best in runs.items()}
    values = list(evaluator.evaluate(lists).values())
    assert len(values) == len(judged)
    return {
        ours: float(np.mean([row[theirs.replace(".", "_")] for row in values])) for theirs, ours in measures.items()
    }


def evaluate(model, task, **options):
    """Scores by subset of one task, and its result."""
    options = {"cache": None, "show_progress_bar": False, "co2_tracker": False} | options
    (result,) = mteb.evaluate(model, task, **options).task_results
    return {row["hf_subset"]: row for row in result.scores["dev"]}, result


class ListSearch:
    """A search model on hash vectors that returns the best ``depth`` passages."""

    def __init__(self, depth: int) -> None:
        self.mteb_model_meta = named_meta("test/search")
        self.depth = depth
        self.ids: list[str] = []

    def index(self, corpus, *, task_metadata, hf_split, hf_subset, encode_kwargs, num_proc=None):
        rows = corpus[:]
        self.ids = list(rows["id"])
        texts = [f"{title} {text}".strip() for title, text in zip(rows["title"], rows["text"], strict=True)]
        self.passages = unit([hashed_vector(text) for text in texts])

    def search(self, queries, *, task_metadata, hf_split, hf_subset, top_k, encode_kwargs, top_ranked=None, **kwargs):
        rows = queries[:]
        results = {}
        for query_id, query in zip(rows["id"], rows["text"], strict=True):
            scores = self.passages @ unit([hashed_vector(query)])[0]
            best = np.argsort(-scores)[: min(self.depth, top_k)]
            results[query_id] = {self.ids[i]: float(scores[i]) for i in best}
        return results


def passes(cache: Path) -> list[Path]:
    """What runs have left on disk to go on from."""
    return [path for path in (cache / "passes").rglob("*") if path.is_file()]


def described(path: Path) -> dict:
    """The key of a pass."""
    return json.loads((path.parent / "key.json").read_text())
