"""A stand-in for MIRACL on disk, in the layout of the hub's data set; it says nothing about the quality of retrieval.

MIRACL's passages cannot be committed and are not on every machine. Its topics and judgments may be. The stand-in pairs
them with passages that have MIRACL's ids and other texts, so that MTEB's own loader, and all that follows it, runs on
data of the real shape. Without any data, topics and judgments are made up as well.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import random
from dataclasses import dataclass
from itertools import chain, islice, zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

SPLIT = "dev"
SHARDS = 3  # of the corpus of the language that is named first


class Code(NamedTuple):
    """What a language of MIRACL is called elsewhere."""

    name: str
    ntrex: str
    alphabet: str  # the first of sixteen letters that made-up words consist of
    topics_are_passages: bool = False  # topic ids are passage ids, such as `81674#0`


LANGUAGES = {
    "ar": Code("arabic", "arb", "ب"),
    "bn": Code("bengali", "ben", "ক"),
    "de": Code("german", "deu", "a", topics_are_passages=True),
    "en": Code("english", "eng", "a"),
    "es": Code("spanish", "spa", "a", topics_are_passages=True),
    "fa": Code("persian", "fas", "ب", topics_are_passages=True),
    "fi": Code("finnish", "fin", "a"),
    "fr": Code("french", "fra", "a", topics_are_passages=True),
    "hi": Code("hindi", "hin", "क", topics_are_passages=True),
    "id": Code("indonesian", "ind", "a"),
    "ja": Code("japanese", "jpn", "あ"),
    "ko": Code("korean", "kor", "가"),
    "ru": Code("russian", "rus", "а"),
    "sw": Code("swahili", "swa", "a"),
    "te": Code("telugu", "tel", "క"),
    "th": Code("thai", "tha", "ก"),
    "yo": Code("yoruba", "yor", "a", topics_are_passages=True),
    "zh": Code("chinese", "zho-CN", "一", topics_are_passages=True),
}
UNSPACED = {"ja", "th", "zh"}


@dataclass(frozen=True)
class Material:
    """What the stand-in for one language is made from.

    Attributes:
        topics: Text by query id, in the order of MIRACL's file.
        judgments: Grade, 0 or 1, by query id and passage id.
        sentences: Texts for passages.
    """

    topics: dict[str, str]
    judgments: dict[str, dict[str, int]]
    sentences: list[str]

    def first(self, queries: int) -> Material:
        """The same with no more than so many topics."""
        topics = dict(islice(self.topics.items(), queries))
        return Material(topics, {query: self.judgments[query] for query in topics}, self.sentences)

    def asked(self) -> dict[str, list[str]]:
        """The topics that every judged passage is relevant to: none for a passage that was judged not relevant."""
        asked: dict[str, list[str]] = {}
        for query, grades in self.judgments.items():
            for passage, grade in grades.items():
                asked.setdefault(passage, []).extend([self.topics[query]] if grade else [])
        return asked


@dataclass(frozen=True)
class Sources:
    """Where topics, judgments and sentences come from; `origin` names it in the README of the stand-in."""

    origin: str
    read: Callable[[str], Material]

    @classmethod
    def real(cls, miracl: Path, ntrex: Path) -> Sources:
        """MIRACL's topics and judgments, NTREX's sentences.

        Args:
            miracl: A folder with `topics.<language>.tsv` and `qrels.<language>.tsv`.
            ntrex: A folder with files such as `swa.txt`, a sentence a line.
        """

        def read(language: str) -> Material:
            topics = dict(_rows(miracl / f"topics.{language}.tsv"))
            judgments: dict[str, dict[str, int]] = {query: {} for query in topics}
            for query, _, passage, grade in _rows(miracl / f"qrels.{language}.tsv"):
                judgments[query][passage] = int(grade)
            sentences = [sentence for (sentence,) in _rows(ntrex / f"{LANGUAGES[language].ntrex}.txt")]
            return Material(topics, judgments, sentences)

        return cls("MIRACL's dev topics and judgments, and sentences of NTREX (CC BY-SA 4.0) as passages", read)

    @classmethod
    def made_up(cls, seed: int = 0) -> Sources:
        """Invented words, 100 topics a language; 2 to 5 passages are relevant to each, 1 to 6 judged not relevant.

        Each language has words of its own. Where MIRACL's topic ids are passage ids, every topic has the id of one of
        its relevant passages; in MIRACL some have.
        """

        def read(language: str) -> Material:
            dice = random.Random(f"{seed} {language}")
            letters = [chr(ord(LANGUAGES[language].alphabet) + i) for i in range(16)]
            words = ["".join(dice.choices(letters, k=dice.randint(5, 9))) for _ in range(400)]
            space = "" if language in UNSPACED else " "
            pool = [f"{article}#{part}" for article in range(1000, 1250) for part in range(12)]
            topics: dict[str, str] = {}
            judgments: dict[str, dict[str, int]] = {}
            number = 0
            while len(topics) < 100:
                relevant = dice.randint(2, 5)
                judged = dice.sample(pool, relevant + dice.randint(1, 6))
                number += dice.randint(1, 4)
                query = judged[0] if LANGUAGES[language].topics_are_passages else str(number)
                topics[query] = space.join(dice.choices(words, k=dice.randint(3, 8))) + "?"
                judgments[query] = {passage: int(i < relevant) for i, passage in enumerate(judged)}
            sentences = [space.join(dice.choices(words, k=dice.randint(8, 25))) + "." for _ in range(500)]
            return Material(topics, judgments, sentences)

        return cls("made-up words, topics and judgments", read)


def write_standin(
    folder: Path, languages: Sequence[str], *, queries: int = 20, distractors: int = 50, sources: Sources
) -> Path:
    """Write a folder that MTEB's RetrievalDatasetLoader takes for the hub's `mteb/MIRACLRetrieval`.

    For every language the first `queries` topics or all if there are fewer, all their judgments, and a corpus of every
    judged passage and `distractors` others, in the order of their ids. The folder depends on the arguments alone. The
    texts mean nothing; these properties are there for tests:

    - About three quarters of the relevant passages start with the topics that they are relevant to: retrieval is not
      random and not perfect. The other texts are sentences drawn by a hash of language and passage id, so that
      passages with one id in two languages are no translations of each other.
    - Up to a quarter of the distractors have ids of passages that are relevant in other languages, and all languages
      draw the ids of the others from one list: an id alone does not tell a passage.
    - Ties, title and text alike: a distractor equals the first topic's first relevant passage, two distractors
      without a title equal each other, and one is the same text in all languages.
    - Passages of an article share its title; about one article in eight has none.

    `datasets` caches what it reads by folder name, config name and front matter, and never looks whether the files
    have changed. Every config therefore carries a checksum of its files as its description.

    Args:
        folder: Is created; must be empty if it exists.
        languages: MIRACL's codes, such as `sw`. The corpus of the first one comes in several shards.
        queries: Topics a language.
        distractors: Unjudged passages a language, at least 4.
        sources: What the stand-in is made from.

    Returns:
        The folder.
    """
    if queries < 1 or distractors < 4:
        raise ValueError(f"the ties need a query and 4 distractors, got {queries} and {distractors}")
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise FileExistsError(f"{folder} is not empty")
    materials = {language: sources.read(language).first(queries) for language in languages}
    others = _distractor_ids(list(materials.values()), distractors, borrowed=distractors // 4)
    configs = []
    for language, material in materials.items():
        judged = material.asked()
        unjudged = [passage for passage in others if passage not in judged][:distractors]
        tables: dict[str, Sequence[Mapping[str, str | int]]] = {
            "corpus": _corpus(language, material, unjudged),
            "queries": [{"_id": query, "text": text} for query, text in material.topics.items()],
            "qrels": [
                {"query-id": query, "corpus-id": passage, "score": grade}
                for query, grades in material.judgments.items()
                for passage, grade in grades.items()
            ],
        }
        for kind, rows in tables.items():
            shards = SHARDS if kind == "corpus" and language == languages[0] else 1
            digest = _write_shards(folder / f"{language}-{kind}", rows, shards)
            configs.append(
                f"- config_name: {language}-{kind}\n  description: sha256 {digest}\n"
                f"  data_files:\n  - split: {SPLIT}\n    path: {language}-{kind}/{SPLIT}-*\n"
            )
    readme = (
        f"---\nconfigs:\n{''.join(configs)}---\n\n"
        "# A stand-in for MIRACL\n\nWritten by a test in the layout of `mteb/MIRACLRetrieval`, from "
        f"{sources.origin}.\nThe passages are not MIRACL's: no score on this folder says anything about a model.\n"
    )
    (folder / "README.md").write_text(readme, encoding="utf-8")
    return folder


def write_translations_by_hand(
    folder: Path, standin: Path, subsets: Sequence[str], *, collection: str = "miracl"
) -> Path:
    """Write "translations" of the queries of a stand-in: the name of the query language, and the query.

    Args:
        folder: Is created; gets `translations.json` and a file such as `en-sw.jsonl` per subset.
        standin: What `write_standin` wrote.
        subsets: Query language and corpus language, such as `en-sw`.
        collection: The collection that the manifest names.

    Returns:
        The folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = {}
    for subset in subsets:
        asked, searched = subset.split("-")
        queries = pq.read_table(standin / f"{searched}-queries", columns=["_id", "text"]).to_pylist()
        rows = [
            query | {"text": f"{LANGUAGES[asked].name} {query['text']}", "source": query["text"]} for query in queries
        ]
        content = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
        (folder / f"{subset}.jsonl").write_bytes(content)
        files[f"{subset}.jsonl"] = {"sha256": hashlib.sha256(content).hexdigest(), "queries": len(rows)}
    origin = {"dataset_revision": "stand-in", "split": SPLIT, "model": "by hand", "revision": "1"}
    manifest = {"format": 1, "collection": collection, **origin, "decoding": {}, "sampled": None, "files": files}
    content = json.dumps(manifest | {"quality": {}}, indent=2).encode()
    (folder / "translations.json").write_bytes(content + b"\n")
    return folder


def _distractor_ids(materials: Sequence[Material], count: int, borrowed: int) -> list[str]:
    """Ids of relevant passages, the languages in turn, and `count` ids that nobody has judged."""
    relevant = (
        [passage for grades in material.judgments.values() for passage, grade in grades.items() if grade]
        for material in materials
    )
    ids = dict.fromkeys(islice(filter(None, chain.from_iterable(zip_longest(*relevant))), borrowed))
    judged = set().union(*(material.asked() for material in materials))
    invented = (f"{_hash('article', str(i // 3)) % 1_000_000}#{i % 3}" for i in itertools.count())
    return [*ids, *islice((passage for passage in invented if passage not in judged), count)]


def _corpus(language: str, material: Material, distractors: Sequence[str]) -> list[dict[str, str]]:
    asked = material.asked()
    passages = {}
    for passage in [*asked, *distractors]:
        article = passage.split("#")[0]
        title = "" if _hash(language, article) % 8 == 0 else _draw(material.sentences, language, article)[:24]
        answers = asked.get(passage, []) if _hash(language, passage) % 4 else []
        text = " ".join([*answers, _draw(material.sentences, language, passage)])
        passages[passage] = {"_id": passage, "title": " ".join(title.split()[:3]), "text": text}
    grades = next(iter(material.judgments.values()))
    alike, *untitled, everywhere = distractors[-4:]
    passages[alike] = passages[max(grades, key=grades.__getitem__)] | {"_id": alike}
    for passage in untitled:
        passages[passage] = {"_id": passage, "title": "", "text": passages[untitled[0]]["text"]}
    passages[everywhere] = {"_id": everywhere, "title": "", "text": "1 2 3"}
    return sorted(passages.values(), key=lambda passage: [int(part) for part in passage["_id"].split("#")])


def _write_shards(folder: Path, rows: Sequence[Mapping[str, str | int]], shards: int) -> str:
    """Write rows as the hub names files, and return the checksum of all of them."""
    folder.mkdir()
    table = pa.Table.from_pylist(rows)
    size = -(-table.num_rows // shards)
    digest = hashlib.sha256()
    for shard in range(shards):
        file = folder / f"{SPLIT}-{shard:05d}-of-{shards:05d}.parquet"
        pq.write_table(table.slice(shard * size, size), file)
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _rows(file: Path) -> Iterator[list[str]]:
    for line in file.read_text(encoding="utf-8").split("\n"):
        if line:
            yield line.split("\t")


def _draw(texts: Sequence[str], *key: str) -> str:
    return texts[_hash(*key, "text") % len(texts)]


def _hash(*key: str) -> int:
    return int.from_bytes(hashlib.sha256("\t".join(key).encode()).digest()[:8], "big")
