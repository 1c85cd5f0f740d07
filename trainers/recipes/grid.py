"""A grid of trainings, each in a directory of its own, and a table of what they score."""

from __future__ import annotations

import csv
import itertools
import json
import logging
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from pydantic import TypeAdapter

from mteb_hybrid.atomic import atomic_path, check_folder
from mteb_hybrid.errors import MtebHybridError, RecipeError
from mteb_hybrid.parsing import parse_json
from mteb_hybrid.trainers.recipes.data import build_views
from mteb_hybrid.trainers.recipes.output import OutputDirectory
from mteb_hybrid.trainers.recipes.run import TrainingSummary, is_first_process, several_processes, train

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from mteb_hybrid.trainers.recipes.reading import Recipe

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SweepPoint:
    """One training of a sweep.

    Attributes:
        name: Name of its directory, such as ``alpha-0.5_seed-1``.
        values: Value by axis: ``alpha``, ``languages``, ``fraction``, ``seed``; those that the sweep varies.
        summary: What the training did; None if it failed.
        problem: What kept it from being trained.
    """

    name: str
    values: dict[str, Any]
    summary: TrainingSummary | None = None
    problem: str | None = None

    def row(self) -> dict[str, Any]:
        """All there is to say, by column."""
        values = {axis: "-".join(value) if axis == "languages" else value for axis, value in self.values.items()}
        row = {"point": self.name, **values}
        if self.summary is not None:
            row |= {"items": sum(self.summary.items.values()), "steps": self.summary.trained_steps}
            row |= {"best_step": self.summary.best_step, "seconds": round(self.summary.seconds, 1)}
            row |= self.summary.metrics or {}
        return row | {"problem": self.problem}


def sweep(
    recipe: Recipe,
    output: str | Path,
    *,
    alphas: Sequence[float] = (),
    languages: Sequence[Sequence[str]] = (),
    fractions: Sequence[float] = (),
    seeds: Sequence[int] = (),
) -> list[SweepPoint]:
    """Train a recipe at every point of a grid.

    Points that are done are left as they are, one that was interrupted goes on from its last checkpoint. All points are
    evaluated on the same held-out items; if languages vary and the recipe does not say which to evaluate on, on those
    of all points together. After each point ``sweep.csv`` and ``sweep.json`` are written anew, with the points of
    sweeps that were run in the same folder before.

    Args:
        recipe: What all points share.
        output: Folder of the points' directories and the tables.
        alphas: Values of ``sampler.alpha``.
        languages: Values of ``sampler.languages``.
        fractions: Shares of the recipe's data; each table's own fraction is multiplied with it.
        seeds: Values of ``training.seed``.

    Returns:
        All points, those that failed among them: one that the data is too small for, or that does not fit into the
        GPU's memory, does not stop the others.

    Raises:
        RecipeError: A value cannot be used, or there is none; a point was begun with another recipe; or the folder
            cannot be written.
    """
    points = list(_points(recipe, alphas, languages, fractions, seeds))
    if languages:
        _check_languages(recipe, languages)
    for point, changed in points:
        OutputDirectory(Path(output) / point.name).check(changed, resume=True)
    names = [point.name for point, _ in points]
    if twice := [name for name in names if names.count(name) > 1]:
        raise RecipeError(f"sweep: {twice[0]} is there twice; give each value once")
    try:
        check_folder(Path(output))
    except OSError as error:
        raise RecipeError(f"sweep: {output} cannot be written: {error}; name another folder") from error
    done = []
    for number, (point, changed) in enumerate(points, start=1):
        logger.info("point %d of %d: %s", number, len(points), point.name)
        try:
            summary = train(changed, Path(output) / point.name, resume=True)
            done.append(SweepPoint(point.name, point.values, summary))
        except (MtebHybridError, torch.OutOfMemoryError) as error:
            if not isinstance(error, MtebHybridError) and several_processes():
                raise  # the others would wait for this one
            logger.warning("%s: %s", point.name, error)
            done.append(SweepPoint(point.name, point.values, problem=str(error)))
        if is_first_process():
            _write(Path(output), [*_others(Path(output), names), *done])
    return done


def _check_languages(recipe: Recipe, languages: Sequence[Sequence[str]]) -> None:
    """Make sure, before the first training, that the data has all languages."""
    plain = {key: value for key, value in recipe.plain().items() if key != "evaluation"}
    plain["sampler"] = {"alpha": recipe.sampler.alpha}
    plain["training"] = {key: value for key, value in plain["training"].items() if key not in ("patience", "load_best")}
    known = build_views(type(recipe).parse(plain)).train.languages
    for language in sorted({language for several in languages for language in several}):
        if language not in known:
            raise RecipeError(f"sweep: languages: the data has no language {language!r}; it has {', '.join(known)}")


def _others(output: Path, names: Sequence[str]) -> list[SweepPoint]:
    """The points of sweeps that were run in this folder before, but for some."""
    path = output / "sweep.json"
    if not path.is_file():
        return []
    try:
        found = TypeAdapter(list[SweepPoint]).validate_python(parse_json(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:  # pydantic's are such too
        raise RecipeError(f"{path} is not what a sweep left ({error}); delete it, or name another folder") from error
    return [point for point in found if point.name not in names]


def sweep_columns(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Columns in which some row has a value, problems last."""
    columns = dict.fromkeys(column for row in rows for column, value in row.items() if value is not None)
    return sorted(columns, key=lambda column: column == "problem")


def _points(
    recipe: Recipe,
    alphas: Sequence[float],
    languages: Sequence[Sequence[str]],
    fractions: Sequence[float],
    seeds: Sequence[int],
) -> Iterator[tuple[SweepPoint, Recipe]]:
    """The points of the grid with their recipes; all are checked before the first one is trained."""
    given: dict[str, Sequence[Any]] = {"alpha": alphas, "languages": languages, "fraction": fractions, "seed": seeds}
    axes = {axis: list(values) for axis, values in given.items() if values}
    if not axes:
        raise RecipeError("a sweep needs values of alpha, languages, fraction or seed, such as --alpha 0,0.5,1")
    plain = recipe.plain()
    plain.pop("output", None)
    evaluation = plain.get("evaluation")
    if languages and evaluation is not None and "languages" not in evaluation:
        evaluation["languages"] = sorted({language for several in languages for language in several})
    for values in itertools.product(*axes.values()):
        point = dict(zip(axes, values, strict=True))
        content = json.loads(json.dumps(plain))  # a deep copy
        if "alpha" in point:
            content["sampler"]["alpha"] = point["alpha"]
        if "languages" in point:
            content["sampler"]["languages"] = list(point["languages"])
        if "seed" in point:
            content["training"]["seed"] = point["seed"]
        for table in content["data"] if "fraction" in point else ():
            table["fraction"] *= point["fraction"]
        name = "_".join(f"{axis}-{_written(value)}" for axis, value in point.items())
        yield SweepPoint(name, point), type(recipe).parse(content, source=name)


def _written(value: Any) -> str:
    return (
        "-".join(value) if isinstance(value, list | tuple) else f"{value:g}" if isinstance(value, float) else str(value)
    )


def _write(output: Path, points: Sequence[SweepPoint]) -> None:
    """Both tables, whole: a reader never sees half of one."""
    rows = [point.row() for point in points]
    columns = sweep_columns(rows)
    with (
        atomic_path(output / "sweep.csv") as temporary,
        temporary.open("w", encoding="utf-8", newline="") as stream,
    ):
        writer = csv.DictWriter(stream, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    with atomic_path(output / "sweep.json") as temporary:
        temporary.write_text(json.dumps([asdict(point) for point in points], indent=1), encoding="utf-8")
