"""The manifest of a translation folder: what made the translations, and what their files must be."""

from __future__ import annotations

import dataclasses
import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mteb_hybrid.parsing import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MANIFEST = "translations.json"
FORMAT = 1
_LARGEST_FIGURE = 1e6  # shares are at most 1, chrF 100
SUBSET = re.compile(r"([a-z]{2})-(?!\1)[a-z]{2}")


@dataclass(frozen=True, slots=True)
class Sample:
    """That only a sample of the topics is translated: at most ``queries`` of a language, drawn with ``seed``."""

    queries: int
    seed: int = 0


LITE = Sample(queries=100, seed=0)


@dataclass(frozen=True, slots=True)
class Provenance:
    """What made the translations of a folder; the same for all its files.

    Attributes:
        model: Name of the model, such as ``facebook/nllb-200-distilled-600M``.
        revision: Commit of the model, or the hash of its directory.
        decoding: Settings of decoding, as JSON has them.
        dataset_revision: Commit of the data set that the topics are from, or ``local``.
        sampled: None where all topics are translated.
        split: Split of the data set.
        collection: The collection whose topics they are.
    """

    model: str
    revision: str
    decoding: Mapping[str, Any]
    dataset_revision: str
    sampled: Sample | None = None
    split: str = "dev"
    collection: str = "miracl"


@dataclass(frozen=True, slots=True)
class FileEntry:
    """What the manifest says of a file: its SHA-256 in hex, and its number of rows, 1 or more."""

    sha256: str
    queries: int


def sample_topics(ids: Iterable[str], queries: int, seed: int = 0) -> tuple[str, ...]:
    """A sample of topic ids that depends on nothing but the set of ids, the number and the seed; sorted.

    Ids are ordered by the SHA-256 of ``"<seed>:<id>"``, and the first ``queries`` are taken: no generator whose numbers
    another version of Python or NumPy could change. All are taken where there are no more than that.
    """
    drawn = sorted(set(ids), key=lambda topic: hashlib.sha256(f"{seed}:{topic}".encode()).digest())[:queries]
    return tuple(sorted(drawn))


def parse_manifest(content: Any) -> tuple[Provenance, dict[str, FileEntry], dict[str, dict[str, float | None]]]:
    """Provenance, files per subset and quality per subset of a manifest's content.

    Raises:
        KeyError, TypeError, ValueError: It is not as it must be.
    """
    if not isinstance(content, dict):
        raise TypeError("it is no JSON object")
    if content["format"] != FORMAT:
        raise ValueError(f"its format is {shown(content['format'])}, this version of mteb-hybrid reads {FORMAT}")
    sampled = content["sampled"]
    names = ("model", "revision", "dataset_revision", "split", "collection")
    provenance = Provenance(
        **{name: text_of(content, name) for name in names},
        decoding=_object(content, "decoding"),
        sampled=None if sampled is None else Sample(_count(sampled, "queries"), _count(sampled, "seed", least=0)),
    )
    files = {}
    for name, entry in _object(content, "files").items():
        subset = name.removesuffix(".jsonl")
        if subset == name or not SUBSET.fullmatch(subset):
            raise ValueError(f"{shown(name)} is no file of a subset, such as en-sw.jsonl")
        digest = text_of(entry, "sha256")
        if not re.fullmatch("[0-9a-f]{64}", digest):
            raise ValueError(f"{shown(digest)} is no SHA-256")
        files[subset] = FileEntry(digest, _count(entry, "queries"))
    quality = {subset: _figures(content["quality"], subset) for subset in _object(content, "quality")}
    return provenance, files, quality


def manifest_content(
    provenance: Provenance, files: Mapping[str, FileEntry], quality: Mapping[str, Mapping[str, float | None]]
) -> dict[str, Any]:
    """What `parse_manifest` reads, for JSON."""
    return {
        "format": FORMAT,
        **dataclasses.asdict(provenance),
        "files": {f"{subset}.jsonl": dataclasses.asdict(files[subset]) for subset in sorted(files)},
        "quality": {subset: dict(quality[subset]) for subset in sorted(quality)},
    }


def text_of(row: Any, name: str) -> str:
    """The text of a JSON object's key; raises KeyError or TypeError where there is none."""
    value = row[name]
    if not isinstance(value, str):
        raise TypeError(f"{name} is {shown(value)}, not a text")
    return value


def _count(row: Any, name: str, least: int = 1) -> int:
    value = row[name]
    if type(value) is not int or value < least:
        raise ValueError(f"{name} is {shown(value)}, not a number of {least} or more")
    return value


def _figures(row: Any, name: str) -> dict[str, float | None]:
    """The figures of a subset: each a finite number, or null where it is not known."""
    if not SUBSET.fullmatch(name):
        raise ValueError(f"quality has {shown(name)}, which is no subset, such as en-sw")
    figures = _object(row, name)
    for figure, value in figures.items():
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise TypeError(f"quality.{name}.{figure} is {shown(value)}, not a number or null")
        if value is not None and not abs(value) <= _LARGEST_FIGURE:
            raise ValueError(f"quality.{name}.{figure} is {shown(value)}, which no figure can be")
    return figures


def _object(row: Any, name: str) -> dict[str, Any]:
    value = row[name]
    if not isinstance(value, dict):
        raise TypeError(f"{name} is {shown(value)}, not an object")
    return value
