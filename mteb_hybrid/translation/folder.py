"""The translation folder: files of translated queries, and a manifest that says what made them and what they hold.

::

    translations.json    {"format": 1, "collection": "miracl", "dataset_revision": ..., "split": "dev", "model": ...,
                          "revision": ..., "decoding": {...}, "sampled": null or {"queries": 100, "seed": 0},
                          "files": {"en-sw.jsonl": {"sha256": ..., "queries": 482}}, "quality": {"en-sw": {...}}}
    en-sw.jsonl          {"_id": topic id, "text": translation, "source": the topic as it was}, one a line

``en-sw`` is English queries on the Swahili corpus: query language first. A row carries its source, so that translations
of other topics, or of an earlier wording, cannot be taken for those of these.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mteb_hybrid.atomic import atomic_path, locked
from mteb_hybrid.errors import TranslationError
from mteb_hybrid.parsing import parse_json, shown
from mteb_hybrid.translation.manifest import (
    MANIFEST,
    SUBSET,
    FileEntry,
    Provenance,
    Sample,
    manifest_content,
    parse_manifest,
    sample_topics,
    text_of,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

TRANSLATIONS_VARIABLE = "MTEB_HYBRID_MIRACL_TRANSLATIONS"

_AGAIN = "fetch the folder again, or make it anew with `mteb-hybrid translate`"


@dataclass(frozen=True, slots=True)
class TranslationFolder:
    """A folder whose manifest was read and found in order; its files are verified when they are read.

    Attributes:
        path: The folder.
        provenance: What made its translations.
        files: What the manifest says of each subset's file.
        quality: Quality figures per subset, see `mteb_hybrid.translation.quality`.
    """

    path: Path
    provenance: Provenance
    files: Mapping[str, FileEntry]
    quality: Mapping[str, Mapping[str, float | None]] = field(default_factory=dict)

    @classmethod
    def open(cls, path: Path) -> TranslationFolder:
        """Read and check the manifest of a folder.

        Raises:
            TranslationError: There is no manifest, it cannot be read, or it is not what a manifest must be.
        """
        manifest = path / MANIFEST
        try:
            content = parse_json(manifest.read_bytes())
        except FileNotFoundError:
            raise TranslationError(
                f"{path} is not a translation folder: it has no {MANIFEST}. Make one with `mteb-hybrid translate "
                f"--output {path}`"
            ) from None
        except (OSError, ValueError) as error:
            raise TranslationError(f"{manifest} cannot be read ({error}); {_AGAIN}") from error
        try:
            return cls(path, *parse_manifest(content))
        except (KeyError, TypeError, ValueError) as error:
            said = f"{error} is missing" if isinstance(error, KeyError) else str(error)
            raise TranslationError(f"{manifest} is not a manifest of translations: {said}; {_AGAIN}") from error

    @property
    def identity(self) -> str:
        """Digest of the files' checksums, 12 hex digits: other translations, another identity."""
        lines = "".join(f"{subset} {self.files[subset].sha256}\n" for subset in self.subsets())
        return hashlib.sha256(lines.encode()).hexdigest()[:12]

    def subsets(self) -> tuple[str, ...]:
        """Names of the subsets that the manifest lists, such as ``en-sw``, sorted."""
        return tuple(sorted(self.files))

    def read(self, subset: str, topics: Mapping[str, str], *, more_topics: bool = False) -> dict[str, str]:
        """Translations of a subset, verified against its checksum and against the topics.

        Args:
            subset: Such as ``en-sw``.
            topics: Topic id to topic of the corpus language, all of them, whether or not the folder is a sample.
            more_topics: ``topics`` are a part of what was translated (MIRACLRetrievalHardNegatives has at most 1,000
                topics of a language): rows of other ids are left out instead of being refused. Which ids a sample must
                hold cannot be told then, and is not checked.

        Returns:
            Topic id to translation, in the file's order.

        Raises:
            TranslationError: The file is missing, is not the one of the manifest or is damaged; it has translations of
                other topics, or lacks some.
        """
        if subset not in self.files:
            raise TranslationError(
                f"{self.path} has no translations of {subset}; it has {', '.join(self.subsets()) or 'none'}. Add them "
                f"with `mteb-hybrid translate --output {self.path}` and the same model"
            )
        path = self.path / f"{subset}.jsonl"
        rows = _verified_rows(path, self.files[subset])
        foreign = [topic for topic in rows if topic not in topics]
        if foreign and not more_topics:
            raise TranslationError(
                f"{path} has translations of other topics: {_few(foreign)} are none of the {len(topics)} given; "
                "translate these topics into a folder of their own"
            )
        known = {topic: row for topic, row in rows.items() if topic in topics}
        changed = [topic for topic, (_, source) in known.items() if source != topics[topic]]
        if changed:
            topic = changed[0]
            raise TranslationError(
                f"{path} has translations of other topics: {len(changed)} of {len(known)} sources differ, such as "
                f"topic {topic}, which is {shown(topics[topic])} and was {shown(known[topic][1])}; translate these "
                "topics into a folder of their own"
            )
        _check_complete(path, known, topics, self.provenance.sampled, more_topics=more_topics)
        return {topic: text for topic, (text, _) in known.items()}


def write_translations(
    folder: Path,
    subset: str,
    translations: Mapping[str, str],
    topics: Mapping[str, str],
    provenance: Provenance,
    quality: Mapping[str, float | None] | None = None,
) -> TranslationFolder:
    """Write a subset into a new folder, or into one of the same provenance; the manifest last, so that it never lies.

    Args:
        folder: The translation folder; made if it is missing.
        subset: Such as ``en-sw``. A subset of that name that is already there is replaced.
        translations: Topic id to translation; all topics, or exactly those of the sample.
        topics: Topic id to topic of the corpus language, all of them.
        provenance: What made the translations.
        quality: Quality figures of the subset.

    Returns:
        The folder as it is now.

    Raises:
        TranslationError: The folder is of another provenance, or a translation is missing, empty or of no topic.
    """
    if not SUBSET.fullmatch(subset):
        raise TranslationError(f"{subset!r} is no subset: it must be two languages, such as en-sw")
    path = folder / f"{subset}.jsonl"
    foreign = [topic for topic in translations if topic not in topics]
    if foreign:
        raise TranslationError(f"{path} was not written: {_few(foreign)} are no topics; leave them out")
    empty = [topic for topic, text in translations.items() if not text.strip()]
    if empty:
        raise TranslationError(f"{path} was not written: the translations of {_few(empty)} are empty; fill them")
    _check_complete(path, translations, topics, provenance.sampled, more_topics=False)
    lines = [
        json.dumps({"_id": topic, "text": text, "source": topics[topic]}, ensure_ascii=False) + "\n"
        for topic, text in translations.items()
    ]
    data = "".join(lines).encode()
    with locked(folder):  # another process may add a subset of its own
        existing = compatible_folder(folder, provenance)
        with atomic_path(path) as temporary:
            temporary.write_bytes(data)
        entry = FileEntry(sha256=hashlib.sha256(data).hexdigest(), queries=len(lines))
        written = TranslationFolder(
            path=folder,
            provenance=provenance,
            files={**(existing.files if existing else {}), subset: entry},
            quality={**(existing.quality if existing else {}), subset: dict(quality or {})},
        )
        manifest = manifest_content(provenance, written.files, written.quality)
        with atomic_path(folder / MANIFEST) as temporary:
            temporary.write_text(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return written


def compatible_folder(folder: Path, provenance: Provenance) -> TranslationFolder | None:
    """The folder that translations of this provenance may be added to; None if it has no manifest yet.

    Raises:
        TranslationError: It holds translations of another provenance, or its manifest is damaged.
    """
    if not (folder / MANIFEST).exists():
        return None
    existing = TranslationFolder.open(folder)
    there, here = dataclasses.asdict(existing.provenance), json.loads(json.dumps(dataclasses.asdict(provenance)))
    differing = [f"{name} {there[name]!r}, not {here[name]!r}" for name in here if there[name] != here[name]]
    if differing:
        raise TranslationError(f"{folder} holds translations of {'; '.join(differing)}. Choose another folder")
    return existing


def _check_complete(
    path: Path, found: Mapping[str, object], topics: Mapping[str, str], sampled: Sample | None, *, more_topics: bool
) -> None:
    """All topics, or exactly those of the sample, must be there."""
    if sampled is None:
        missing = [topic for topic in topics if topic not in found]
        if missing:
            raise TranslationError(f"{path} lacks {len(missing)} of {len(topics)} topics: {_few(missing)}; {_AGAIN}")
    elif not more_topics:
        expected = set(sample_topics(topics, sampled.queries, sampled.seed))
        differing = sorted(expected ^ found.keys())
        if differing:
            raise TranslationError(
                f"{path} is not the sample of {sampled.queries} topics with seed {sampled.seed}: it differs in "
                f"{_few(differing)}; {_AGAIN}"
            )


def _verified_rows(path: Path, entry: FileEntry) -> dict[str, tuple[str, str]]:
    """Topic id to (translation, source) of a file that is the manifest's."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise TranslationError(f"{path} cannot be read ({error}) though the manifest lists it; {_AGAIN}") from error
    digest = hashlib.sha256(data).hexdigest()
    if digest != entry.sha256:
        raise TranslationError(
            f"{path} is not the manifest's file: its SHA-256 is {digest}, expected {entry.sha256}. It was cut off or "
            f"altered; {_AGAIN}"
        )
    rows: dict[str, tuple[str, str]] = {}
    for number, line in enumerate(data.removesuffix(b"\n").split(b"\n"), start=1):
        try:
            row = parse_json(line)
            topic, text, source = (text_of(row, name) for name in ("_id", "text", "source"))
        except (KeyError, TypeError, ValueError) as error:
            said = f"{error} is missing" if isinstance(error, KeyError) else str(error)
            raise TranslationError(f"{path}, line {number}: not a translation ({said}); {_AGAIN}") from error
        if topic in rows:
            raise TranslationError(f"{path}, line {number}: topic {topic} occurs twice; {_AGAIN}")
        if not text.strip():
            raise TranslationError(f"{path}, line {number}: the translation of topic {topic} is empty; {_AGAIN}")
        rows[topic] = (text, source)
    if len(rows) != entry.queries:
        raise TranslationError(f"{path} has {len(rows)} rows, the manifest says {entry.queries}; {_AGAIN}")
    return rows


def _few(topics: list[str]) -> str:
    """The first ids of a list, and how many more there are."""
    more = f" and {len(topics) - 5} more" if len(topics) > 5 else ""
    return ", ".join(topics[:5]) + more
