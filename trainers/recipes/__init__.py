"""Recipes: a whole training run in one TOML file."""

from mteb_hybrid.trainers.recipes.grid import SweepPoint, sweep
from mteb_hybrid.trainers.recipes.reading import Recipe, shipped_recipes
from mteb_hybrid.trainers.recipes.run import TrainingSummary, train

__all__ = ["Recipe", "SweepPoint", "TrainingSummary", "shipped_recipes", "sweep", "train"]
