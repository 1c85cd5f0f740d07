"""Paths of a recipe, made to mean the same everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tiny_recipes import tiny_content

from mteb_hybrid.trainers.recipes import Recipe
from mteb_hybrid.trainers.recipes.paths import with_absolute_paths


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, and a home beside it."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path


def absolute(data: dict[str, Any], model: str = "tiny") -> dict[str, Any]:
    return with_absolute_paths(Recipe.parse({**tiny_content(model), "data": [data]})).plain()


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ({"kind": "wide", "path": "a.parquet"}, {"path": "work/a.parquet"}),
        ({"kind": "long", "path": "~/a.parquet"}, {"path": "home/a.parquet"}),
        (
            {"kind": "pairs", "pairs": {"en-de": "b/c.csv", "en-zh.x": "d.csv"}},
            {"pairs": {"en-de": "work/b/c.csv", "en-zh.x": "work/d.csv"}},
        ),
        ({"kind": "beir", "path": "nq"}, {"path": "work/nq"}),
        (
            {"kind": "beir", "folders": {"en": "nq-en", "de": "~/nq"}},
            {"folders": {"en": "work/nq-en", "de": "home/nq"}},
        ),
        ({"kind": "mmarco", "path": "m"}, {"path": "work/m"}),
    ],
)
def test_data(written: dict[str, Any], expected: dict[str, Any], folder: Path) -> None:
    """All paths of all tables, relative to the working directory or to the home, and nothing else."""
    plain = Recipe.parse({**tiny_content(), "data": [written]}).plain()["data"][0]
    for key, value in expected.items():
        plain[key] = (
            {name: str(folder / path) for name, path in value.items()}
            if isinstance(value, dict)
            else str(folder / value)
        )
    assert absolute(written)["data"] == [plain]


def test_what_is_no_path() -> None:
    """Collections, data of the hub and models of the hub keep their names."""
    recipe = Recipe.parse(
        {
            **tiny_content("owner/name"),
            "data": [{"kind": "mmarco", "languages": ["de"]}, {"kind": "collection", "name": "miniqa-r"}],
        }
    )
    assert with_absolute_paths(recipe) == recipe


@pytest.mark.parametrize(
    ("name", "expected"),
    [("tiny", "work/tiny"), ("./tiny", "work/tiny"), ("~/tiny", "home/tiny"), ("a/b/tiny", "work/a/b/tiny")],
)
def test_model(name: str, expected: str, folder: Path) -> None:
    """A directory's name is a path if it is there, or if no model of the hub can have it."""
    (folder / "work" / "tiny").mkdir()
    assert absolute({"kind": "collection", "name": "miniqa-r"}, name)["model"]["name"] == str(folder / expected)


def test_output(folder: Path) -> None:
    """The model's directory is one too."""
    recipe = Recipe.parse({**tiny_content(), "output": {"directory": "model"}})
    assert with_absolute_paths(recipe).output.directory == str(folder / "work" / "model")
