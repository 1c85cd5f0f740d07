"""The note in a subset's folder: what its files are of, so that nothing else comes to lie beside them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from mteb_hybrid import __version__
from mteb_hybrid.atomic import atomic_path
from mteb_hybrid.errors import ResultsError
from mteb_hybrid.parsing import parse_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from mteb.abstasks import AbsTaskRetrieval

NOTE = "task.json"
"""Name of the file, which readers of BEIR's layout pass over."""
_KEYS = ("task", "revision", "subset", "splits")  # what decides; the version does not


def note_of(task: AbsTaskRetrieval, subset: str, splits: Iterable[str]) -> dict[str, Any]:
    """What a folder's files will be of: task, revision of its data, subset, splits, and version of this package."""
    return {
        "task": task.metadata.name,
        "revision": task.metadata.dataset["revision"],
        "subset": subset,
        "splits": list(splits),
        "mteb_hybrid": __version__,
    }


def check_note(folder: Path, note: Mapping[str, Any]) -> None:
    """See that a folder is free, or holds files of the same task, data, subset and splits, which may be replaced.

    Raises:
        ResultsError: It holds other files, or it cannot be told.
    """
    if not holds_files(folder):
        return
    try:
        found = parse_json((folder / NOTE).read_text(encoding="utf-8"))
        if all(found[key] == note[key] for key in _KEYS):
            return
        held = f"files of {found['task']} {found['subset']}, data {found['revision']}, {', '.join(found['splits'])}"
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        held = f"files that no {NOTE} explains"
    wanted = f"{note['task']} {note['subset']}, data {note['revision']}, {', '.join(note['splits'])}"
    raise ResultsError(f"{folder} holds {held}, not of {wanted}; name another folder, or delete this one")


def write_note(folder: Path, note: Mapping[str, Any]) -> None:
    """Write the note; before the files, so that an export that was interrupted can be repeated."""
    with atomic_path(folder / NOTE) as temporary:
        temporary.write_text(json.dumps(note, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


def holds_files(folder: Path) -> bool:
    """Whether there is a file in a folder or below it, but for what is hidden at its top, such as ``.git``."""
    return folder.exists() and any(
        not path.is_dir() for top in folder.iterdir() if not top.name.startswith(".") for path in (top, *top.rglob("*"))
    )
