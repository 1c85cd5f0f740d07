"""From the ``[[data]]`` tables of a recipe to the views that are trained and evaluated on."""

from __future__ import annotations

import csv
import json
from collections import Counter
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import xxhash
from datasets import Dataset, load_from_disk

from mteb_hybrid.collections import SHIPPED
from mteb_hybrid.errors import MtebHybridError, RecipeError
from mteb_hybrid.file_names import is_folder, is_there, user_path
from mteb_hybrid.suggest import suggestion
from mteb_hybrid.trainers.data.parallel_dataset import ParallelDataset
from mteb_hybrid.trainers.recipes.paths import is_path, table_paths
from mteb_hybrid.trainers.recipes.schema import BeirData, CollectionData, MmarcoData, PairsData, TableData

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mteb_hybrid.trainers.recipes.reading import Recipe
    from mteb_hybrid.trainers.recipes.schema import Data

Made = TypeVar("Made")
_FILES = {
    ".parquet": Dataset.from_parquet,
    ".jsonl": Dataset.from_json,
    ".json": Dataset.from_json,
    # "NA" is a text; quotes mean something in the one and nothing in the other, as in BEIR's and mMARCO's files
    ".csv": partial(Dataset.from_csv, keep_default_na=False, na_values=[""]),
    ".tsv": partial(Dataset.from_csv, keep_default_na=False, na_values=[""], sep="\t", quoting=csv.QUOTE_NONE),
}


@dataclass(frozen=True, slots=True)
class Views:
    """The data of a recipe.

    Attributes:
        train: What is trained on.
        held_out: What is not, as an evaluation set in the languages of the evaluation; None if nothing is held out.
    """

    train: ParallelDataset
    held_out: ParallelDataset | None

    def describe(self) -> dict[str, Any]:
        """Numbers of items by collection, what is held out, and a hash of a sample of rows, for telling data apart."""
        sample = self.train.select_columns([name for name in self.train.column_names if name != "label"])
        return {
            "train": self.train.collections,
            "held_out": {} if self.held_out is None else self.held_out.collections,
            "languages": list(self.train.languages),
            "sample": xxhash.xxh3_64_hexdigest(json.dumps(sample.to_list()).encode()),
        }


def check_paths(recipe: Recipe) -> None:
    """Make sure that the files and folders that a recipe names are there, before anything is loaded.

    Raises:
        RecipeError: One is not, or it is of a kind that cannot be read; the message names the key.
    """
    name = recipe.model.name
    if is_path(name) and not is_folder(user_path(name)):
        raise RecipeError(f"model.name: there is no directory {name}; name one that is there, or a model on the hub")
    for number, table in enumerate(recipe.data):
        for key, written in table_paths(table):
            path = user_path(written)
            if not is_there(path):
                raise RecipeError(f"data.{number}.{key}: there is no file or folder {written}; name one that is there")
            if isinstance(table, TableData | PairsData) and path.is_file() and path.suffix not in _FILES:
                raise RecipeError(
                    f"data.{number}.{key}: {written} must be a folder of Dataset.save_to_disk, or a file "
                    f"{', '.join(_FILES)}"
                )


def build_views(recipe: Recipe) -> Views:
    """The views of a recipe: joined, with the held-out items taken out, and reduced to the asked-for fractions.

    Items are held out before the fractions are taken: models that are trained on more or less of the same data are
    compared on the same items.

    Raises:
        RecipeError: Data is missing or inconsistent; the message names the key.
    """
    views = [
        _named(f"data.{number}", _build, table, number, recipe.parallel) for number, table in enumerate(recipe.data)
    ]
    names = Counter(name for view in views for name in view.collections)
    if twice := [name for name, count in names.items() if count > 1]:
        raise RecipeError(f"data: {twice[0]!r} is there twice; give the tables a name of their own")
    whole = ParallelDataset.join(views, temperature=recipe.sampling.temperature)
    _check_languages(recipe, whole)
    evaluation = recipe.evaluation
    held_out = None
    train = whole
    if evaluation is not None and evaluation.held_out is not None:
        train, held_out = _named("evaluation.held_out", whole.split_items, evaluation.held_out, seed=evaluation.seed)
        languages = evaluation.languages or recipe.sampler.languages
        held_out = (held_out if languages is None else held_out.restrict(languages)).for_evaluation()
    fractions = {
        name: table.fraction for view, table in zip(views, recipe.data, strict=True) for name in view.collections
    }
    return Views(_reduced(train, fractions, recipe.training.seed), held_out)


def _reduced(view: ParallelDataset, fractions: Mapping[str, float], seed: int) -> ParallelDataset:
    """The view with a fraction of the items of each collection; the smaller one is part of the larger one."""
    if all(fraction == 1 for fraction in fractions.values()):
        return view
    name_of = np.concatenate([np.full(block.count, block.collection, dtype=object) for block in view.blocks])
    kept = []
    for number, (name, fraction) in enumerate(fractions.items()):
        items = np.flatnonzero(name_of == name)
        order = np.random.default_rng([seed, number]).permutation(len(items))
        kept.append(items[order[: max(1, round(fraction * len(items)))]])
    return view.select_items(np.concatenate(kept))


def _named(key: str, make: Callable[..., Made], *arguments: Any, **options: Any) -> Made:
    """What a function makes; its errors name the key."""
    try:
        return make(*arguments, **options)
    except RecipeError:
        raise
    except MtebHybridError as error:
        raise RecipeError(f"{key}: {error}") from error


def _build(table: Data, number: int, parallel: bool) -> ParallelDataset:
    options: dict[str, Any] = {"parallel": parallel}
    match table:
        case CollectionData():
            return ParallelDataset.from_collection(SHIPPED[table.name](), table.languages, **options)
        case TableData():
            builder = {"wide": ParallelDataset.from_wide, "long": ParallelDataset.from_long}[table.kind]
            dataset = _read(table.path, f"data.{number}.path")
            return builder(dataset, table.languages, name=table.name or Path(table.path).stem, **options)
        case PairsData():
            datasets: Any = {pair: _read(path, f"data.{number}.pairs.{pair}") for pair, path in table.pairs.items()}
            return ParallelDataset.from_dict(datasets, name=table.name, **options)
        case BeirData():
            folders: Any = table.path and user_path(table.path)
            if table.folders is not None:
                folders = {language: user_path(folder) for language, folder in table.folders.items()}
            return ParallelDataset.from_beir(folders, table.split, table.languages, name=table.name, **options)
        case MmarcoData():
            given: dict[str, Any] = {"source": table.path and user_path(table.path), "revision": table.revision}
            return ParallelDataset.from_mmarco(
                languages=table.languages,
                negatives=table.negatives,
                max_items=table.max_items,
                name=table.name,
                **{key: value for key, value in given.items() if value is not None},
                **options,
            )


def _read(written: str, key: str) -> Dataset:
    """A table from a folder of ``save_to_disk`` or from a file."""
    path = user_path(written)
    try:
        dataset = load_from_disk(str(path)) if path.is_dir() else _FILES[path.suffix](str(path))
    except Exception as error:  # whatever datasets makes of a file that is no such table
        raise RecipeError(
            f"{key}: {written} cannot be read as a table: {error.__cause__ or error}; correct it, or name another"
        ) from error
    if not isinstance(dataset, Dataset):
        raise RecipeError(f"{key}: {written} holds several tables ({', '.join(dataset)}); name the folder of one")
    return dataset


def _check_languages(recipe: Recipe, view: ParallelDataset) -> None:
    """Make sure that all languages that a recipe names are in its data."""
    named = {
        "sampler.languages": recipe.sampler.languages,
        "sampler.language_weights": recipe.sampler.language_weights,
        "evaluation.languages": recipe.evaluation.languages if recipe.evaluation and recipe.evaluation.held_out else (),
    }
    for key, languages in named.items():
        for language in languages or ():
            if language not in view.languages:
                raise RecipeError(
                    f"{key}: the data has no language {language!r}; it has {', '.join(view.languages)}"
                    + suggestion(language, view.languages)
                )
