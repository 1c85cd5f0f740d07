"""XQuAD-R and MLQA-R, the two collections of LAReQA (Roy et al. 2020, arXiv 2004.05484).

A candidate is a sentence of a paragraph; the relevant one holds the start of the answer span (arXiv 2408.10536,
section 3.2). Encoded is the sentence alone; its paragraph is kept beside it and never used as a title.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from mteb_hybrid.collections.base import LanguagePart, ParallelCollection
from mteb_hybrid.collections.remote import RemoteFiles
from mteb_hybrid.errors import CollectionError
from mteb_hybrid.parsing import parse_json, shown

if TYPE_CHECKING:
    from pathlib import Path

_AGAIN = "download it again"
_REPOSITORY = "https://raw.githubusercontent.com/google-research-datasets/lareqa"

XQUAD_R_FILES = RemoteFiles(
    folder="xquad-r",
    revision="9bc8c7fb6dd8d01d72a05a93c2cb96882b0d299c",
    base_url=f"{_REPOSITORY}/9bc8c7fb6dd8d01d72a05a93c2cb96882b0d299c/xquad-r/",
    sha256={
        "ar.json": "c52922d3b8ac1ae03ed5ac38647ad59870dca3dda2beefe18ecdc30729acb69d",
        "de.json": "16fb0f4bf4916154b585a20c24c66074591c9718a1affe764ff4697572328949",
        "el.json": "163fd43ee785a30eb534ae2061e9eaa766a7ee4e8ffce5e4b422480c150f64b6",
        "en.json": "7b0954f39297c27a31fef610f0883337dd2907fa8699151dc922afdd0fa12ffe",
        "es.json": "f8e836b2d91009c4363e04315f7ede363eedbbb49c67dda60de6c4aa782f58de",
        "hi.json": "ea45ba8ae4513d1533b222bebdc02a90bc319c055d3aeea68584a053d2e92872",
        "ru.json": "7f4dff853538b9a5fcc28c070b8bb983a5c5d190ac747b8e005a1ada9cab18f1",
        "th.json": "c3a041864c3a9fb0b4dd91cfdf99cf36b411b3e704c58a303c97bc6dc786cfe4",
        "tr.json": "f3e8c13002bbce154a4578f535f7533cb70f3da08840e6b62735935baec7bd94",
        "vi.json": "e35926bf5cc6fc6ecbdfca49467aabeb454f08d152d7818143a906bd31dde995",
        "zh.json": "80c2cde7b9c2fb134c303cbb52f2ba396ead9eb0014aec43993543d2ba9e93ed",
    },
)

# mlqa-r/ was removed from the repository after this commit
MLQA_R_FILES = RemoteFiles(
    folder="mlqa-r",
    revision="354d67d1cd066854cdfbf5ad0e6105528976141d",
    base_url=f"{_REPOSITORY}/354d67d1cd066854cdfbf5ad0e6105528976141d/mlqa-r/",
    sha256={
        "ar.json": "2132fbc03208535c0fe01f2e2c5121d06f9c2aa799af93b0a719dbc105bdf137",
        "de.json": "ce9454dc5aa6f2d85c23cd6e49cb367fbb7c4c6e62d7f71e355c6b5dae4d0886",
        "en.json": "fedd9a5cc0848dda80caf84aa36f482adaae230526a3f6e9e86926a93ef3b1e4",
        "es.json": "70ecba276b8c96a692b120693a595d076ce94ad21d4b28311538a9fcbfe0f9d7",
        "hi.json": "4dd0fb3c06f737a5481d705bc1dcac7876712a5815c9265908fbb3a0696cb654",
        "vi.json": "9d3baff6ba03e6793b25594217265ea59a136b9733833dca8a9582a84a78ff85",
        "zh.json": "57f01d2fff50cf3392805635b01445339f225ad5bf28ba8443b12f8dbd1e69dc",
    },
)


def read_lareqa(path: Path, language: str) -> LanguagePart:
    """Read one file of LAReQA: SQuAD's JSON with ``sentences`` and ``sentence_breaks`` beside each ``context``.

    ``sentence_breaks`` are ``[start, end)`` character offsets into the context; ``answer_start`` lies in one of them.

    Raises:
        CollectionError: The file cannot be read or parsed, misses a field, has an answer outside of every sentence or
            a duplicate question id, or is no valid Unicode. The message names the file and the place in it.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CollectionError(f"{path} cannot be read: {error}; {_AGAIN}") from error
    try:
        document = parse_json(text)
    except ValueError as error:
        raise CollectionError(f"{path} is not JSON, perhaps cut off or an error page: {error}; {_AGAIN}") from error
    passages: list[str] = []
    contexts: list[str] = []
    questions: list[tuple[str, str, int]] = []
    for place, paragraph in _paragraphs(path, document):
        try:
            _read_paragraph(paragraph, passages, contexts, questions)
        except CollectionError as error:
            raise CollectionError(f"{path}, {place}: {error}; {_AGAIN}") from error
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise CollectionError(
                f"{path}, {place}: not LAReQA's layout ({type(error).__name__}: {error}); {_AGAIN}"
            ) from error
    return LanguagePart(
        language=language,
        passages=tuple(passages),
        contexts=tuple(contexts),
        query_ids=tuple(query_id for query_id, _, _ in questions),
        queries=tuple(question for _, question, _ in questions),
        relevant=tuple((position,) for _, _, position in questions),
        source=str(path),
    )


def _paragraphs(path: Path, document: Any) -> list[tuple[str, dict[str, Any]]]:
    """All paragraphs of a document, each with its place for messages."""
    try:
        return [
            (f"article {a}, paragraph {p}", paragraph)
            for a, article in enumerate(document["data"])
            for p, paragraph in enumerate(article["paragraphs"])
        ]
    except (KeyError, TypeError) as error:
        raise CollectionError(
            f"{path} has no data[].paragraphs[] as LAReQA's files have ({error!r}); {_AGAIN}"
        ) from error


def _read_paragraph(
    paragraph: dict[str, Any], passages: list[str], contexts: list[str], questions: list[tuple[str, str, int]]
) -> None:
    """Append the sentences and questions of one paragraph."""
    sentences, breaks = paragraph["sentences"], paragraph["sentence_breaks"]
    if not isinstance(sentences, list) or not isinstance(breaks, list):
        raise CollectionError("sentences and sentence_breaks must be lists")
    if len(sentences) != len(breaks):
        raise CollectionError(
            f"{len(sentences)} sentences but {len(breaks)} sentence breaks, which must be equally many"
        )
    if not all(isinstance(text, str) for text in (*sentences, paragraph["context"])):
        raise CollectionError("sentences and context must be texts")
    first = len(passages)
    for qa in paragraph["qas"]:
        if not isinstance(qa["id"], str) or not isinstance(qa["question"], str):
            raise CollectionError(f"id and question must be texts, not {shown(qa['id'])} and {shown(qa['question'])}")
        start = qa["answers"][0]["answer_start"]
        holding = [position for position, (begin, end) in enumerate(breaks) if begin <= start < end]
        if len(holding) != 1:
            raise CollectionError(
                f"the answer of question {shown(qa['id'])} at {shown(start)} lies in {len(holding)} sentences, and "
                "must lie in 1"
            )
        questions.append((qa["id"], qa["question"], first + holding[0]))
    passages += sentences
    contexts += [paragraph["context"]] * len(sentences)


def _read(files: RemoteFiles, language: str) -> LanguagePart:
    return read_lareqa(files.fetch(f"{language}.json"), language)


def xquad_r() -> ParallelCollection:
    """XQuAD-R: 1,190 questions in 11 languages, one relevant sentence in each of the languages."""
    return ParallelCollection(
        "xquad-r", XQUAD_R_FILES.revision, _languages(XQUAD_R_FILES), partial(_read, XQUAD_R_FILES)
    )


def mlqa_r() -> ParallelCollection:
    """MLQA-R: 500 to 1,148 questions in 7 languages, each question in 2 to 4 of them."""
    return ParallelCollection("mlqa-r", MLQA_R_FILES.revision, _languages(MLQA_R_FILES), partial(_read, MLQA_R_FILES))


def _languages(files: RemoteFiles) -> tuple[str, ...]:
    return tuple(sorted(name.removesuffix(".json") for name in files.sha256))
