"""Every reader of what others wrote, as a function of bytes that raises nothing: our own errors are what it is for.

What a reader takes is then used as the package uses it, so that it cannot pass on what breaks later.
"""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from functools import cache
from io import StringIO
from pathlib import Path

import numpy as np
import seeds

from mteb_hybrid.errors import RecipeError

SEPARATOR = b"\n\xff\0\xff\n"  # between files that are one input
PLACE_VARIABLE = "FUZZ_PLACE"  # of a worker, whose files go when it does
_MEMORY = Path("/dev/shm")


@cache
def folder() -> Path:
    """A folder of this process's own, in memory where the system has such a place."""
    place = os.environ.get(PLACE_VARIABLE, _MEMORY if _MEMORY.is_dir() else None)
    made = Path(tempfile.mkdtemp(prefix="mteb-hybrid-fuzz-", dir=place))
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return made


def placed(name: str, data: bytes) -> Path:
    """The input as a file."""
    path = folder() / name
    if not path.parent.is_dir():
        path.parent.mkdir(parents=True)
    path.write_bytes(data)
    return path


def lareqa(data: bytes) -> None:
    """A file of LAReQA."""
    from mteb_hybrid.collections.lareqa import read_lareqa

    part = read_lareqa(placed("lareqa/en.json", data), "en")
    "".join((*part.passages, *part.contexts, *part.queries, *part.query_ids)).encode()
    for _, position, grade in part.judgments():
        assert 0 <= position < len(part.passages)
        assert grade == 1


def recipe(data: bytes) -> None:
    """A training recipe."""
    from mteb_hybrid.trainers.recipes.data import check_paths
    from mteb_hybrid.trainers.recipes.reading import Recipe

    found = Recipe.read(placed("recipe.toml", data))
    again = Recipe.read(placed("again.toml", found.to_toml().encode()))
    assert again.plain() == found.plain()
    with contextlib.suppress(RecipeError):  # there is nothing that a recipe names
        check_paths(found)


def recipe_change(data: bytes) -> None:
    """A ``key=value`` of the command line."""
    from mteb_hybrid.trainers.recipes.reading import Recipe, shipped_recipes

    change = os.fsdecode(data)  # as Python makes an argument of bytes
    Recipe.read(shipped_recipes()[0], [change]).to_toml().encode()


def card(data: bytes) -> None:
    """A card of a user's collection."""
    from mteb_hybrid.tasks.cards import Card

    Card.read(placed("cards/card.toml", data)).model_dump()


@cache
def _handbook() -> Path:
    """A collection beside the cards; settled, so that it is read once."""
    root = folder() / "tasks" / "handbook"
    for name, data in (("corpus.jsonl", seeds.lines(seeds.corpus())), ("queries.jsonl", seeds.lines(seeds.queries()))):
        os.utime(placed(f"tasks/handbook/{name}", data), (1, 1))
    os.utime(placed("tasks/handbook/qrels/test.tsv", seeds.QRELS), (1, 1))
    placed("x.tsv", seeds.QRELS)  # where no card should lead
    return root


def tasks(data: bytes) -> None:
    """A card, and the tasks that are made of it; where they would write stays inside of the folder that is named."""
    from mteb_hybrid.rank_table import table_path
    from mteb_hybrid.tasks.beir import from_beir
    from mteb_hybrid.tasks.cards import Card, _at

    place = _handbook().parent
    found = Card.read(placed("tasks/card.toml", data))
    options = found.model_dump(exclude={"name", "folder", "folders"})
    folders = {code: _at(place, one) for code, one in found.folders.items()} if found.folders else None
    for cls in from_beir(found.name, folders or _at(place, str(found.folder)), register=False, **options):
        for subset in cls.metadata.hf_subsets:
            path = table_path(Path("/there"), "model/1", cls.metadata.name, cls.metadata.eval_splits[0], subset)
            assert path.parent == Path("/there/model/1", cls.metadata.name), path


def rank_info(data: bytes) -> None:
    """The metadata of a rank table."""
    from mteb_hybrid.rank_table import _KEY, _info

    info = _info(Path("table.parquet"), {_KEY: data})
    assert info.pool_size > 0
    sorted([info.variant, info.revision, info.task, info.split, info.subset, info.query_language, *info.pool])
    json.dumps([info.variant, info.revision], ensure_ascii=False).encode()
    for part in (info.task, info.split, info.subset):
        assert Path("/a", part).parent == Path("/a"), part


def rank_table(data: bytes) -> None:
    """A rank table, and all that reports, tests and exports read in it."""
    from mteb_hybrid.across import across_languages
    from mteb_hybrid.export.trec import find_runs, write_runs
    from mteb_hybrid.rank_table import RankTable, read_info
    from mteb_hybrid.reporting.pooled import pooled_queries
    from mteb_hybrid.significance.scores import _by_question

    path = placed("tables/XQuADRMultilingual/test.de.parquet", data)
    table = RankTable.read(path)
    assert read_info(path) == table.info
    pooled_queries([table])
    across_languages([table])
    written = write_runs(find_runs([folder() / "tables"], "XQuADRMultilingual"), folder() / "runs")
    assert all(one.resolve().is_relative_to(folder() / "runs") for one in written)
    _by_question(table, "map")


def results(data: bytes) -> None:
    """A result of MTEB, and the summary that reports are made of."""
    from mteb_hybrid.reporting import read_results, summarise
    from mteb_hybrid.reporting.formats import records

    placed("results/someone__model/1/model_meta.json", seeds.dumped(seeds.model_meta()))
    found = read_results(placed("results/someone__model/1/XQuADRMultilingual.json", data))
    json.dumps(list(records(summarise(found))), allow_nan=False, ensure_ascii=False).encode()


def model_meta(data: bytes) -> None:
    """What stands beside a result of MTEB."""
    from mteb_hybrid.reporting import read_results, summarise

    placed("meta/someone__model/1/model_meta.json", data)
    found = read_results(placed("meta/someone__model/1/XQuADRMultilingual.json", seeds.dumped(seeds.result())))
    json.dumps([[one.label, one.revision] for one in summarise(found)], ensure_ascii=False).encode()


def report(data: bytes) -> None:
    """A result, the words beside it and a translation, in every form of a report."""
    from rich.console import Console

    from mteb_hybrid.reporting import read_results, summarise
    from mteb_hybrid.reporting.formats import FORMATS
    from mteb_hybrid.reporting.page import html
    from mteb_hybrid.reporting.report_tables import report_tables
    from mteb_hybrid.reporting.terminal import rich_table

    meta, *contents = data.split(SEPARATOR)
    place = folder() / "report" / "someone__model" / "1"
    placed(str(place / "model_meta.json"), meta)
    for setting, content in zip(("Monolingual", "CrossLingual", "Multilingual"), contents, strict=False):
        placed(str(place / f"XQuADR{setting}.json"), content)
    summaries = summarise(read_results(place))
    for form in FORMATS.values():
        form(summaries).encode()
    html(summaries).encode()
    console = Console(file=StringIO(), width=140)
    for table in report_tables(summaries):
        console.print(rich_table(table))


def manifest(data: bytes) -> None:
    """The manifest of a translation folder."""
    from rich.console import Console

    from mteb_hybrid.translation.folder import TranslationFolder, compatible_folder
    from mteb_hybrid.translation.run import quality_table

    path = placed("manifest/translations.json", data)
    found = TranslationFolder.open(path.parent)
    assert len(found.identity) == 12
    assert compatible_folder(path.parent, found.provenance) is not None
    for subset in found.subsets():
        assert (path.parent / f"{subset}.jsonl").resolve().parent == path.parent.resolve()
    Console(file=StringIO(), width=140).print(quality_table(found.quality))


def translations(data: bytes) -> None:
    """A file of translations whose checksum is right."""
    from mteb_hybrid.translation.folder import TranslationFolder
    from mteb_hybrid.translation.manifest import FileEntry, Provenance

    path = placed("translations/en-sw.jsonl", data)
    entry = FileEntry(hashlib.sha256(data).hexdigest(), data.removesuffix(b"\n").count(b"\n") + 1)
    opened = TranslationFolder(path.parent, Provenance("m", "1", {}, "local"), {"en-sw": entry})
    found = opened.read("en-sw", seeds.TOPICS)
    assert found.keys() == seeds.TOPICS.keys()
    "".join(found.values()).encode()


def topics(data: bytes) -> None:
    """A file of MIRACL's topics."""
    from mteb_hybrid.translation.topics import read_topics

    found = read_topics(placed("topics/topics.sw.tsv", data).parent, "sw")
    "".join((*found, *found.values())).encode()


def beir_corpus(data: bytes) -> None:
    """Documents in BEIR's layout."""
    from mteb_hybrid.collections.beir_lines import read_documents

    "".join(one.id + one.text + (one.language or "") for one in read_documents(placed("corpus.jsonl", data))).encode()


def beir_queries(data: bytes) -> None:
    """Queries in BEIR's layout."""
    from mteb_hybrid.collections.beir_lines import misspelled_question, read_queries

    path = placed("queries.jsonl", data)
    "".join(one.id + one.text + one.question for one in read_queries(path)).encode()
    misspelled_question(path)


def beir_judgments(data: bytes) -> None:
    """Judgments in BEIR's layout."""
    from mteb_hybrid.collections.beir_lines import read_judgments

    for one in read_judgments(placed("test.tsv", data)):
        "".join((one.query, one.document)).encode()
        assert one.grade <= 2**31 - 1


def beir(data: bytes) -> None:
    """A pooled folder in BEIR's layout: corpus, queries, judgments."""
    from mteb_hybrid.collections.beir import BeirSource
    from mteb_hybrid.collections.beir_files import find_files
    from mteb_hybrid.collections.beir_notes import find_notes
    from mteb_hybrid.collections.beir_parts import read_parts

    parts = data.split(SEPARATOR, 2)
    for name, part in zip(("corpus.jsonl", "queries.jsonl", "qrels/test.tsv"), parts, strict=False):
        placed(f"beir/{name}", part)
    root = folder() / "beir"
    files = find_files(root, "test", {})
    read = read_parts(files, None, {})
    find_notes(files, read)
    BeirSource.of("Fuzz", root)._read_survey(files)
    for part_read in read.values():
        "".join((*part_read.passages, *part_read.queries, *part_read.query_ids)).encode()


def checkpoint(data: bytes) -> None:
    """A checkpoint of a pass over a corpus, and going on from it."""
    from mteb_hybrid.ranking import RankCounter
    from mteb_hybrid.streaming.progress import Progress

    found = Progress(placed("pass/sw.npz", data).parent).load("sw")
    queries = np.eye(2, dtype=np.float32)
    pairs, order = np.array([0, 0, 1]), np.array([5, 6, 7])
    counter = RankCounter(queries, pairs, queries[[0, 1, 1]], order, similarity="cosine", top_k=2)
    if found is not None and found.fits(10, counter.result()):
        counter.restore(found.ranking)
        assert 0 <= found.size <= 10
        found.missing(10)
        counter.count(np.eye(2, dtype=np.float32), np.array([1, 2]))
        counter.result().ranks()


def anchors(data: bytes) -> None:
    """The embeddings that a pass began with."""
    from mteb_hybrid.streaming.progress import Progress

    found = Progress(placed("anchors/anchors.npz", data).parent).load_anchors()
    if found is not None:
        assert all(one.dtype == np.float32 and one.ndim == 2 for one in found.values())


def kept(data: bytes) -> None:
    """Embeddings of a corpus that were kept."""
    from mteb_hybrid.streaming.kept import KeptEmbeddings

    store = KeptEmbeddings(folder() / "kept")
    placed("kept/000000000000-000000000003.npy", data)
    found = store.load(0, 3)
    assert found is None or (found.shape[0] == 3 and found.dtype == np.float32)


def negatives(data: bytes) -> None:
    """Mined negatives of a language."""
    from mteb_hybrid.trainers.mining.folder import MiningFolder

    found = MiningFolder(placed("mined/negatives-de.npz", data).parent, {}).load("de", "texts")
    assert found is None or (found.ndim == 2 and found.dtype == np.int64)


def model_config(data: bytes) -> None:
    """The configuration of a model's directory."""
    from mteb_hybrid.models.directory import directory_meta

    path = placed("model/config_sentence_transformers.json", data)
    meta = directory_meta(str(path.parent))
    assert meta is not None
    meta.to_dict()


def modules(data: bytes) -> None:
    """The list of modules of a model's directory."""
    from mteb_hybrid.models.directory import directory_meta

    meta = directory_meta(str(placed("modules/modules.json", data).parent))
    assert meta is not None


def training_state(data: bytes) -> None:
    """What a training left in its directory: its summary and its notes."""
    from mteb_hybrid.trainers.recipes.output import OutputDirectory
    from mteb_hybrid.trainers.recipes.reading import Recipe, shipped_recipes
    from mteb_hybrid.trainers.recipes.run import TrainingSummary

    known = Recipe.read(shipped_recipes()[0])
    if not (folder() / "trained").exists():
        placed("trained/training/recipe.toml", known.to_toml().encode())
        placed("trained/training/checkpoint-5/x", b"")
    summary, _, notes = data.partition(SEPARATOR)
    placed("trained/training/summary.json", summary)
    placed("trained/training/data.json", notes)
    place = OutputDirectory(folder() / "trained")
    done = place.check(known, resume=True)
    if done is not None:
        TrainingSummary.of(done, place.path)
    placed("trained/training/checkpoint-5/x", b"")
    place.begin(known, {"model": "1"}, 1)


def triples(data: bytes) -> None:
    """Triples of mMARCO."""
    from mteb_hybrid.trainers.data.builders.triple_file import read_triples

    assert read_triples(placed("triples.tsv", data), 1, None).shape[1] == 3
