"""Translating topics subset by subset, so that a killed run goes on where it was.

Every ``part_size`` queries are stored as they are done, in ``<folder>/.parts/<key>/``; the key is a digest of the
model, its revision and its decoding. A part is used again only if its topics are still the same. When a subset is
whole, its file and the manifest are written and its parts are removed.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import json
import logging
from typing import TYPE_CHECKING, Any, Protocol

from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from mteb_hybrid.atomic import atomic_path, check_folder, remove_abandoned
from mteb_hybrid.collections.miracl import LANGUAGES
from mteb_hybrid.errors import TranslationError
from mteb_hybrid.parsing import parse_json
from mteb_hybrid.translation import quality as figures
from mteb_hybrid.translation.folder import TranslationFolder, compatible_folder, write_translations
from mteb_hybrid.translation.manifest import Provenance, Sample, sample_topics, text_of
from mteb_hybrid.translation.topics import LOCAL, load_topics, read_topics
from mteb_hybrid.wide_tables import fitted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from rich.console import Console

logger = logging.getLogger(__name__)

PART_SIZE = 256


class Translator(Protocol):
    """What translates; `mteb_hybrid.translation.seq2seq.Seq2SeqTranslator` is one."""

    name: str
    revision: str

    @property
    def decoding(self) -> Mapping[str, Any]:
        """Settings that decide what a text's translation is, as JSON has them."""

    def check(self, source: str, target: str) -> None:
        """Raise TranslationError if this direction cannot be translated."""

    def reverses(self, source: str, target: str) -> bool:
        """Whether the way back, from ``target`` into ``source``, can be translated."""

    def translate(self, texts: Sequence[str], source: str, target: str) -> list[str]:
        """Translations of texts, in their order."""


def miracl_topics(languages: Sequence[str], folder: Path | None = None) -> tuple[dict[str, dict[str, str]], str]:
    """Topics per language, from a folder of ``topics.<language>.tsv`` or from the data set, and their revision.

    Raises:
        CollectionError: Topics are missing or damaged.
        DownloadError: They could not be fetched.
    """
    if folder is not None:
        return {language: read_topics(folder, language) for language in languages}, LOCAL
    loaded = {language: load_topics(language) for language in languages}
    (revision,) = {revision for _, revision in loaded.values()}
    return {language: topics for language, (topics, _) in loaded.items()}, revision


def corpus_languages(query_language: str, chosen: str | None = None) -> list[str]:
    """Languages of the corpora: those named, separated by commas, or all of MIRACL's but the query language.

    Raises:
        TranslationError: A language is none of MIRACL's, or is the query language, or is named twice.
    """
    named = [language.strip() for language in chosen.split(",")] if chosen is not None else []
    for language in (query_language, *named):
        if language not in LANGUAGES:
            raise TranslationError(f"{language!r} is no language of MIRACL; name one of {', '.join(LANGUAGES)}")
    if query_language in named or len(set(named)) < len(named):
        raise TranslationError(f"{chosen}: name each corpus language once, and not the query language {query_language}")
    return named or [language for language in LANGUAGES if language != query_language]


def translate_topics(
    translator: Translator,
    topics: Mapping[str, Mapping[str, str]],
    folder: Path,
    *,
    dataset_revision: str,
    query_language: str = "en",
    sampled: Sample | None = None,
    round_trip: bool = True,
    part_size: int = PART_SIZE,
    console: Console | None = None,
) -> dict[str, figures.Quality]:
    """Translate the topics of each corpus language into the query language, into a translation folder.

    A subset that the folder already has is verified and left as it is. An empty translation is not replaced by
    anything: its subset is not written, the others are, and then the call fails. The subset's parts stay, so that a
    second run fails at once; other decoding or another model, and so another folder, is the cure.

    Args:
        translator: What translates.
        topics: Corpus language to topic id to topic.
        folder: The translation folder, new or of the same provenance.
        dataset_revision: Revision of the topics.
        query_language: Language to translate into.
        sampled: Translate a sample only.
        round_trip: Translate back, where the translator can and sacrebleu is installed, for a figure of quality. Costs
            as much again.
        part_size: Queries that are stored at once, 1 or more.
        console: Where progress is shown.

    Returns:
        Quality per subset that was translated by this call.

    Raises:
        TranslationError: A language cannot be translated, or the folder is of another provenance or cannot be written
            (before anything is translated), or there are empty translations (after everything else is written).
    """
    for language in topics:
        translator.check(language, query_language)
    decoding = dict(translator.decoding)
    provenance = Provenance(translator.name, translator.revision, decoding, dataset_revision, sampled)
    existing = compatible_folder(folder, provenance)
    parts = folder / ".parts" / _key(provenance)
    if existing is None or any(f"{query_language}-{language}" not in existing.files for language in topics):
        try:
            check_folder(parts)
        except OSError as error:
            raise TranslationError(f"{folder} cannot be written: {error}; name another folder") from error
    if round_trip and not figures.can_score_round_trip():
        logger.warning('no round trip without sacrebleu: pip install "mteb-hybrid[translate]"')
        round_trip = False
    done: dict[str, figures.Quality] = {}
    empty: dict[str, list[str]] = {}
    with Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn(),
        console=console, disable=console is None,
    ) as progress:  # fmt: skip
        for language, all_topics in topics.items():
            subset = f"{query_language}-{language}"
            if existing is not None and subset in existing.files:
                existing.read(subset, all_topics)
                logger.info("%s: already translated", subset)
                _remove_parts(parts, subset)  # whoever has written it may have been killed then
                continue
            ids = sample_topics(all_topics, sampled.queries, sampled.seed) if sampled else tuple(all_topics)
            sources = [all_topics[topic] for topic in ids]
            back_too = round_trip and translator.reverses(language, query_language)
            bar = progress.add_task(subset, total=len(ids) * (2 if back_too else 1))
            steps = _Parts(parts, translator, part_size, functools.partial(progress.advance, bar))
            texts = steps.translate(subset, ids, sources, language, query_language)
            empty_ids = [topic for topic, text in zip(ids, texts, strict=True) if not text.strip()]
            if empty_ids:
                empty[subset] = empty_ids
                continue
            back = steps.translate(f"{subset}.back", ids, texts, query_language, language) if back_too else None
            done[subset] = figures.assess(sources, texts, query_language, back)
            pairs = dict(zip(ids, texts, strict=True))
            write_translations(folder, subset, pairs, all_topics, provenance, dataclasses.asdict(done[subset]))
            _remove_parts(parts, subset)
    if empty:
        named = "; ".join(f"{subset}: {len(ids)} (topics {', '.join(ids[:10])})" for subset, ids in empty.items())
        raise TranslationError(
            f"{translator.name} gave empty translations, and their subsets were not written to {folder}: {named}. "
            "Use more beams or another model, with another folder"
        )
    with contextlib.suppress(OSError):  # parts of other runs stay
        remove_abandoned(parts)
        parts.rmdir()
        parts.parent.rmdir()
    return done


def show_quality(folder: Path, console: Console) -> None:
    """Print the quality figures of all subsets that a folder has; nothing if it has none."""
    with contextlib.suppress(TranslationError):  # whatever is wrong with the manifest was said when it was to be used
        for part in fitted(quality_table(TranslationFolder.open(folder).quality), console):
            console.print(part)


def quality_table(quality: Mapping[str, Mapping[str, float | None]]) -> Table:
    """Quality figures per subset as a table; a dash where a figure is not known."""
    names = [field.name for field in dataclasses.fields(figures.Quality)]
    table = Table("subset", *(name.replace("_", " ") for name in names), title="Quality of the translations")
    for column in table.columns[1:]:
        column.justify = "right"
    for subset, row in quality.items():
        cells = [(name, row.get(name)) for name in names]
        digits = {"round_trip_chrf": 1}
        table.add_row(subset, *("-" if cell is None else f"{cell:.{digits.get(name, 4)}f}" for name, cell in cells))
    return table


class _Parts:
    """Translating a list in parts, each of which is stored when it is done."""

    def __init__(self, folder: Path, translator: Translator, size: int, advance: Callable[[int], object]) -> None:
        if size < 1:
            raise ValueError(f"a part has 1 query or more, not {size}")
        self._folder, self._translator, self._size, self._advance = folder, translator, size, advance

    def translate(self, name: str, ids: Sequence[str], texts: Sequence[str], source: str, target: str) -> list[str]:
        """Translations of n texts, in their order, from the stored parts as far as they are of these texts."""
        translations: list[str] = []
        for number, start in enumerate(range(0, len(ids), self._size)):
            part = list(zip(ids, texts, strict=True))[start : start + self._size]
            path = self._folder / f"{name}.{number}.jsonl"
            stored = _stored(path, part)
            if stored is None:
                stored = self._translator.translate([text for _, text in part], source, target)
                rows = [
                    {"_id": topic, "text": translation, "source": text}
                    for (topic, text), translation in zip(part, stored, strict=True)
                ]
                with atomic_path(path) as temporary:
                    lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in rows]
                    temporary.write_text("".join(lines), encoding="utf-8", newline="\n")
            translations += stored
            self._advance(len(part))
        return translations


def _remove_parts(parts: Path, subset: str) -> None:
    """Remove the parts of a subset, forth and back."""
    for path in parts.glob(f"{subset}.*jsonl"):
        path.unlink(missing_ok=True)  # another process may translate the same


def _stored(path: Path, part: list[tuple[str, str]]) -> list[str] | None:
    """Translations of a stored part; None if there is none, or it is not of these ids and texts."""
    try:
        rows = [parse_json(line) for line in path.read_bytes().removesuffix(b"\n").split(b"\n")]
        return [text_of(row, "text") for row in rows] if [(row["_id"], row["source"]) for row in rows] == part else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _key(provenance: Provenance) -> str:
    """Digest of what a translation depends on besides its text, 16 hex digits."""
    settings = [provenance.model, provenance.revision, provenance.decoding]
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]


class _Rate(ProgressColumn):
    """Queries a second."""

    def render(self, task: Task) -> Text:
        """Text of the column."""
        return Text("" if task.speed is None else f"{task.speed:.1f} queries/s")
