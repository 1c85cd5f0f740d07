"""Processes of one training that have not read the same data."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest
from tiny_recipes import tiny_recipe

from mteb_hybrid.errors import RecipeError
from mteb_hybrid.trainers.recipes import run
from mteb_hybrid.trainers.recipes.data import build_views


class TestDataOfOtherProcesses:
    """Each process makes its part of every batch, from what it has read itself."""

    @pytest.fixture
    def gathered(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
        """What another machine has read, here; and views of the same."""
        views = build_views(tiny_recipe(tmp_path / "base"))
        others = [("elsewhere", views.describe())]
        monkeypatch.setattr("accelerate.utils.gather_object", lambda own: own + others)
        self.views = views
        return others

    def test_the_same(self, gathered: list[tuple[str, dict[str, Any]]]) -> None:
        run.check_same_data(self.views, 2)

    @pytest.mark.parametrize("change", [{"sample": "0"}, {"train": {"miniqa-r": 41}}])
    def test_another(self, gathered: list[tuple[str, dict[str, Any]]], change: dict[str, Any]) -> None:
        """The message names both machines; a process that is alone asks nobody."""
        gathered[0][1].update(change)
        here = socket.gethostname()
        with pytest.raises(RecipeError, match=f"data: what is read on elsewhere is not what is read on {here}"):
            run.check_same_data(self.views, 2)
        run.check_same_data(self.views, 1)
