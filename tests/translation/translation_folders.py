"""Three Swahili topics in English, and changes of the files of their folder."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mteb_hybrid.translation import Provenance

TOPICS = {"12": "Pinokyo ilitungwa lini?", "6": "Bandari kubwa iko wapi?", "8": "Mji mkuu ni\u2028gani?"}
ENGLISH = {"12": "When was Pinocchio written?", "6": "Where is the large port?", "8": "Which is the\u2028capital?"}
MADE_BY = Provenance("someone/model", "r1", {"num_beams": 4, "prefix": None}, "d1")


def rewrite(folder: Path, change: Callable[[list[Any]], Any]) -> None:
    """Change the rows of en-sw.jsonl, or the whole file where a text is returned, and correct the manifest."""
    path = folder / "en-sw.jsonl"
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]
    changed = change(rows)
    text = changed if isinstance(changed, str) else "".join(json.dumps(row) + "\n" for row in rows)
    path.write_text(text, encoding="utf-8")
    entry = {"sha256": hashlib.sha256(text.encode()).hexdigest(), "queries": len(text.strip("\n").split("\n"))}
    edit(folder, lambda manifest: manifest["files"].update({"en-sw.jsonl": entry}))


def edit(folder: Path, change: Callable[[Any], Any]) -> None:
    """Change the manifest; what is returned replaces it if it is not None."""
    path = folder / "translations.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    changed = change(manifest)
    path.write_text(json.dumps(manifest if changed is None else changed), encoding="utf-8")
