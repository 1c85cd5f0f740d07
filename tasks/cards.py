"""Cards: small TOML files by which `mteb run` knows users' own collections."""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from mteb_hybrid import _mteb
from mteb_hybrid.errors import CardError, MtebHybridError, RegistrationError
from mteb_hybrid.file_names import user_path
from mteb_hybrid.parsing import parse_toml, shown
from mteb_hybrid.suggest import suggestion
from mteb_hybrid.tasks.beir import from_beir, settle
from mteb_hybrid.tasks.settings import Setting, subsets

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from mteb.abstasks.abstask import AbsTask
    from pydantic_core import ErrorDetails

    from mteb_hybrid.tasks.beir import AbsTaskBeirRetrieval

TASKS_VARIABLE = "MTEB_HYBRID_TASKS"

_SHOWN = 10  # subsets that a summary names

Text = Annotated[str, Field(min_length=1)]


class Card(BaseModel):
    """What a card says; unknown keys are errors. Keys are those of `from_beir`, where they are described.

    Attributes:
        name: What the names of the tasks begin with.
        folder: The folder of the collection, relative to the card; or
        folders: a folder for each language.
        split: Whose judgments.
        languages: Those to keep.
        scripts: MTEB's codes of languages that are not known here.
        revision: What results are filed under.
        description: Of the collection.
        license: As MTEB writes them.
        reference: Address of its description.
        citation: BibTeX.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    name: Text
    folder: Text | None = None
    folders: Annotated[dict[str, Text], Field(min_length=1)] | None = None
    split: Text = "test"
    languages: Annotated[tuple[Text, ...], Field(strict=False, min_length=1)] | None = None
    scripts: dict[str, Text] = Field(default_factory=dict)
    revision: Text | None = None
    description: str = ""
    license: Text | None = None
    reference: Text | None = None
    citation: str = ""

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        for table in ("folders", "scripts"):
            for key in getattr(self, table) or ():
                if key in type(self).model_fields:
                    raise ValueError(f"{table}.{key}: is no language; write {key} above the line [{table}]")
        if (self.folder is None) == (self.folders is None):
            raise ValueError("folder: name either a folder or, as [folders], one for each language")
        return self

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a card.

        Raises:
            CardError: The file is missing, no TOML, or says something wrong.
        """
        try:
            content = parse_toml(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise CardError(f"{path} cannot be read: {error}; correct it, or remove it") from error
        try:
            return cls.model_validate(content)
        except ValidationError as error:
            wrong = "; ".join(_line(one) for one in error.errors(include_url=False))
            raise CardError(f"{path}: {wrong}") from error

    def tasks(self, place: Path) -> tuple[type[AbsTaskBeirRetrieval], ...]:
        """Make the tasks, without MTEB knowing them.

        Args:
            place: The folder that relative paths begin at.

        Raises:
            CollectionError: The collection cannot be read.
        """
        options = {**self.model_dump(exclude={"name", "folder", "folders"}), "register": False}
        if self.folders is not None:
            return from_beir(self.name, {code: _at(place, folder) for code, folder in self.folders.items()}, **options)
        return from_beir(self.name, _at(place, str(self.folder)), **options)


@dataclass(frozen=True, slots=True)
class CardState:
    """What became of a card.

    Attributes:
        path: Its file; or a folder of ``MTEB_HYBRID_TASKS`` with which something is wrong.
        tasks: Names of its tasks.
        summary: What they hold, a line each: passages and questions of the languages, subsets that are left out, and
            what is hardly meant.
        problem: What is wrong, in words that follow the path; None if nothing is.
    """

    path: Path
    tasks: tuple[str, ...] = ()
    summary: tuple[str, ...] = ()
    problem: str | None = None


_states: list[CardState] = []


def card_tasks(taken: Iterable[type[AbsTask]] = ()) -> tuple[type[AbsTaskBeirRetrieval], ...]:
    """Tasks of the collections of all cards, ``*.toml`` in the folders that ``MTEB_HYBRID_TASKS`` names.

    A card that cannot be used becomes one `RuntimeWarning`, which says what is wrong with it, and is left out.

    Args:
        taken: Further tasks whose names are taken, beside those that MTEB knows.
    """
    known = _mteb.tasks_so_far() | {cls.metadata.name: cls for cls in taken}
    made: dict[str, type[AbsTaskBeirRetrieval]] = {}
    _states[:] = _read(known, made)
    for state in _states:
        if state.problem is not None:
            warnings.warn(f"{TASKS_VARIABLE}: left out: {state.path}: {state.problem}", RuntimeWarning, stacklevel=2)
    return tuple(made.values())


def card_states() -> tuple[CardState, ...]:
    """What became of the cards when MTEB's tasks were loaded; empty before that, and where there are none."""
    return tuple(_states)


def _read(known: dict[str, type[AbsTask]], made: dict[str, type[AbsTaskBeirRetrieval]]) -> Iterator[CardState]:
    """What becomes of each card; its tasks go into ``made``, by name."""
    first: dict[str, Path] = {}  # by name, the card whose tasks they are
    for folder in filter(None, os.environ.get(TASKS_VARIABLE, "").split(os.pathsep)):
        place = user_path(folder)
        cards = sorted(place.glob("*.toml"))
        if not cards:
            found = "holds no card, *.toml" if place.is_dir() else "is no folder"
            yield CardState(place, problem=f"{found}; {TASKS_VARIABLE} names folders of cards")
        for path in cards:
            try:
                card = Card.read(path)
                classes = settle(card.tasks(path.parent), known | made)
            except RegistrationError as error:
                other = f" (the other card is {first[card.name]})" if card.name in first else ""
                yield CardState(path, problem=f"{error}{other}")
            except MtebHybridError as error:
                yield CardState(path, problem=str(error).removeprefix(str(path)).removeprefix(":").strip())
            except Exception as error:  # noqa: BLE001 - whatever it is, MTEB and the other cards go on
                yield CardState(path, problem=f"{type(error).__name__}: {error}")
            else:
                first.setdefault(card.name, path)
                made |= {cls.metadata.name: cls for cls in classes}
                yield CardState(path, tuple(cls.metadata.name for cls in classes), _summary(classes))


def _summary(classes: Sequence[type[AbsTaskBeirRetrieval]]) -> tuple[str, ...]:
    survey = classes[0].surveyed
    holds = (
        f"{language}: {_many(passages, 'passage')}, {_many(questions, 'question')}"
        for language, (passages, questions) in survey.counts.items()
    )
    planned = {cls.setting: cls.planned for cls in classes}
    asked = [language for language, (_, questions) in survey.counts.items() if questions]
    left = []
    for setting in Setting:
        if setting is Setting.MULTILINGUAL and len(survey.languages) == 1:
            continue  # it would be the monolingual one
        possible, kept = subsets(setting, survey.languages, asked), planned.get(setting, {})
        if names := [name for name in possible if name not in kept]:
            more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
            left.append(f"left out of {setting.value}, as nothing is relevant: {', '.join(names[:_SHOWN])}{more}")
    return ("; ".join(holds), *left, *(f"warning: {note}" for note in survey.notes))


def _many(count: int, thing: str) -> str:
    return f"{count:,} {thing}{'' if count == 1 else 's'}"


def _at(place: Path, folder: str) -> Path:
    return place / user_path(folder)


def _line(one: ErrorDetails) -> str:
    """What is wrong with a key: ``splitt: unknown key; did you mean 'split'?``."""
    kind, path = one["type"], ".".join(map(str, one["loc"]))
    if kind == "value_error":  # it names its key itself
        return str(one["ctx"]["error"])
    if kind == "missing":
        return f"{path}: is missing"
    if kind == "too_short":
        return f"{path}: is empty; leave it out"
    if kind == "tuple_type":
        return f'{path}: must be a list, ["{one["input"] if isinstance(one["input"], str) else "de"}"]'
    if kind == "extra_forbidden":
        return f"{path}: unknown key{suggestion(path, Card.model_fields, 'there are')}"
    return f"{path}: {one['msg']}, got {shown(one['input'])}"
