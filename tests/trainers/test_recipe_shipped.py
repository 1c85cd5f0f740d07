"""The shipped recipes, from the model to the last option, on stand-ins of their models and data; and the docs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest
from parallel_items import write_mmarco
from tiny_recipes import tiny_model

from mteb_hybrid.collections import SHIPPED, miniqa_r
from mteb_hybrid.trainers.recipes import Recipe, schema, shipped_recipes, train
from mteb_hybrid.trainers.recipes.schema import RecipeTables

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
    monkeypatch.setitem(SHIPPED, "mlqa-r", miniqa_r)
    places = [f"model.name={model}", "model.max_seq_length=64"]
    summary = train(Recipe.read("e5-small-mlqa-r", places), dry_run=True)
    assert (summary.items, summary.held_out, summary.steps) == ({"miniqa-r": 43}, 5, 120)


def test_all_are_tried() -> None:
    """No recipe ships without one of the tests above."""
    assert shipped_recipes() == ["e5-small-mlqa-r", "labse-mmarco", "xlm-r-base-mmarco"]


def test_every_key_is_documented() -> None:
    """docs/training.md names each table of a recipe in a row of its own, with all of its keys; no others."""
    text = (Path(__file__).parents[2] / "docs/training.md").read_text(encoding="utf-8")
    cells = (line.strip("| ").split(" | ") for line in text.splitlines() if re.match(r"\| (`\[|\.\.\. `kind)", line))
    documented = {cell[0]: set(re.findall(r"`(\w+)`", cell[1])) for cell in cells}
    tables = {name: field.default for name, field in RecipeTables.model_fields.items() if name != "data"}
    kinds = {"model": schema.ModelTable, "training": schema.TrainingTable, "evaluation": schema.EvaluationTable}
    for name, default in tables.items():
        assert documented.pop(f"`[{name}]`") == set(kinds.get(name, type(default)).model_fields)
    common = documented.pop("`[[data]]` of every kind")
    for table in (schema.CollectionData, schema.TableData, schema.PairsData, schema.BeirData, schema.MmarcoData):
        kind = get_args(table.model_fields["kind"].annotation)[0]
        (row,) = [keys for words, keys in documented.items() if f'"{kind}"' in words] or [set()]
        assert row == set(table.model_fields) - common
        assert common - set(table.model_fields) <= {"languages"}
    assert len(documented) == 4
