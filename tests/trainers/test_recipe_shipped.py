"""The shipped recipes, from the model to the last option, on stand-ins of their models and data."""

from __future__ import annotations

from pathlib import Path

import pytest
from parallel_items import write_mmarco
from tiny_recipes import tiny_model

from mteb_hybrid.collections import miniqa_r
from mteb_hybrid.trainers.recipes import Recipe, data, shipped_recipes, train

LANGUAGES = ("arabic", "chinese", "english", "german", "hindi", "russian", "spanish")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(tmp_path_factory.mktemp("models") / "base")


@pytest.fixture(scope="module")
def mmarco(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """2,150 questions, enough for what the recipes hold out and a batch of 100."""
    numbers = range(2150)
    return write_mmarco(
        tmp_path_factory.mktemp("mmarco"),
        {name: {number: f"{name} question {number}" for number in numbers} for name in LANGUAGES},
        {name: {number: f"{name} passage {number}" for number in numbers} for name in LANGUAGES},
        [(number, number, (number + 1) % len(numbers)) for number in numbers],
    )


@pytest.mark.parametrize("name", ["xlm-r-base-mmarco", "labse-mmarco"])
def test_on_mmarco(name: str, model: Path, mmarco: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing but the places of model and data is changed, and the length that the tiny model has."""
    monkeypatch.setenv("MTEB_HYBRID_CACHE", str(tmp_path))
    places = [f"model.name={model}", f"data.0.path={mmarco}", "model.max_seq_length=64"]
    summary = train(Recipe.read(name, places), dry_run=True)
    assert (summary.items, summary.held_out) == ({"mmarco": 150}, 2000)
    assert summary.languages == ["ar", "de", "en", "es", "hi", "ru", "zh"]
    assert summary.steps == 10  # one full batch an epoch


def test_on_a_collection(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """MiniQA-R stands in for MLQA-R."""
    monkeypatch.setitem(data._COLLECTIONS, "mlqa-r", miniqa_r)
    places = [f"model.name={model}", "model.max_seq_length=64"]
    summary = train(Recipe.read("e5-small-mlqa-r", places), dry_run=True)
    assert (summary.items, summary.held_out, summary.steps) == ({"miniqa-r": 43}, 5, 120)


def test_all_are_tried() -> None:
    """No recipe ships without one of the tests above."""
    assert shipped_recipes() == ["e5-small-mlqa-r", "labse-mmarco", "xlm-r-base-mmarco"]
