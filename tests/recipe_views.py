"""Recipes with data tables of their own, and their views."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import datasets
import pytest
from parallel_items import item
from tiny_recipes import tiny_content

from mteb_hybrid.trainers.recipes import Recipe
from mteb_hybrid.trainers.recipes.data import Views, build_views

ITEMS = [item(str(number), "de en" if number % 3 else "de en es") for number in range(12)]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MTEB_HYBRID_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "datasets")


def recipe(data: Sequence[dict[str, Any]], evaluation: dict[str, Any] | None = None, **tables: Any) -> Recipe:
    content = tiny_content()
    content.pop("evaluation")
    more = {} if evaluation is None else {"evaluation": evaluation}
    return Recipe.parse({**content, "data": list(data), **more, **tables})


def views(data: Sequence[dict[str, Any]], evaluation: dict[str, Any] | None = None, **tables: Any) -> Views:
    return build_views(recipe(data, evaluation, **tables))


MINI = {"kind": "collection", "name": "miniqa-r", "languages": ["de", "en"]}
