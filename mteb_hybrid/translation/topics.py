"""MIRACL's dev topics: from a folder of ``topics.<language>.tsv``, or from the data set on the hub."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mteb_hybrid.collections.miracl import MIRACL
from mteb_hybrid.collections.remote import DATA_VARIABLE, data_folder
from mteb_hybrid.errors import CollectionError, DownloadError
from mteb_hybrid.parsing import shown

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

DATASET, REVISION, SPLIT = MIRACL.path, MIRACL.revision, MIRACL.split
LOCAL = "local"  # revision of topics whose data set cannot be told; translations carry their sources anyway


def read_topics(folder: Path, language: str) -> dict[str, str]:
    """Topics of a language from ``folder/topics.<language>.tsv``, lines ``id<TAB>text``.

    Returns:
        Topic id to topic, in the file's order.

    Raises:
        CollectionError: The file is missing, a line is malformed or an id occurs twice; the message names the line.
    """
    path = folder / f"topics.{language}.tsv"
    try:
        content = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise CollectionError(
            f"{path} cannot be read ({error}); --topics must name a folder with topics.{language}.tsv, lines "
            "id<TAB>text in UTF-8"
        ) from error
    rows = []
    for number, line in enumerate(content.removesuffix("\n").split("\n"), start=1):
        cells = line.removesuffix("\r").split("\t")
        if len(cells) != 2:
            raise CollectionError(f"{path}, line {number}: {len(cells)} cells, expected id<TAB>text")
        rows.append((f"{path}, line {number}", cells[0], cells[1]))
    return _unique(rows)


def load_topics(language: str) -> tuple[dict[str, str], str]:
    """Topics of a language from ``MTEB_HYBRID_DATA/MIRACLRetrieval`` if that is there, else from the hub.

    Returns:
        Topic id to topic in the data set's order, and the data set's revision (``local`` for a folder).

    Raises:
        CollectionError: The folder does not have the topics in the hub's layout, or they are damaged.
        DownloadError: The hub's data set could not be fetched.
    """
    import datasets

    data = data_folder()
    local = data / "MIRACLRetrieval" if data is not None else None
    config = f"{language}-queries"
    try:
        if local is not None and local.is_dir():
            origin, revision = str(local), LOCAL
            table: Any = datasets.load_dataset(origin, config, split=SPLIT)
        else:
            origin, revision, local = DATASET, REVISION, None
            table = datasets.load_dataset(origin, config, split=SPLIT, revision=revision)
        rows = [(f"{origin}, {config}, row {n}", row["_id"], row["text"]) for n, row in enumerate(table)]
    except Exception as error:  # the hub's, the HTTP library's and PyArrow's errors have no common base
        said = f"{type(error).__name__}: {' '.join(str(error).split())}"
        if local is not None:
            raise CollectionError(
                f"{local} does not have {config} ({said}); it must have the layout of {DATASET}: unset {DATA_VARIABLE} "
                "to fetch the topics, or name a folder of topics.<language>.tsv with --topics"
            ) from error
        raise DownloadError(
            f"{config} of {DATASET} at {REVISION} could not be fetched ({said}). Check the network and try again, or "
            "name a folder of topics.<language>.tsv with --topics"
        ) from error
    return _unique(rows), revision


def _unique(rows: Iterable[tuple[str, Any, Any]]) -> dict[str, str]:
    """Topics by id; rows are (place, id, text)."""
    topics: dict[str, str] = {}
    for place, topic, text in rows:
        if not isinstance(topic, str) or not isinstance(text, str) or not topic.strip() or not text.strip():
            raise CollectionError(
                f"{place}: id and text must be texts that are not empty, not {shown(topic)} and {shown(text)}"
            )
        if topic in topics:
            raise CollectionError(f"{place}: topic {shown(topic)} occurs twice; leave one of them out")
        topics[topic] = text
    return topics
