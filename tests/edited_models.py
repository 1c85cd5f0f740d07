"""Changes of a model directory's configuration."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

PROMPTS = {"query": "question ", "document": "passage "}


def edit_config(folder: Path, **changes: Any) -> None:
    """Change entries of a directory's config_sentence_transformers.json."""
    path = folder / "config_sentence_transformers.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(content | changes), encoding="utf-8")
