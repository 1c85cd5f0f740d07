"""Cards: small TOML files by which `mteb run` knows users' own collections."""

from __future__ import annotations

import difflib
import os
import tomllib
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from mteb_hybrid.errors import CardError, MtebHybridError
from mteb_hybrid.tasks.beir import from_beir

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic_core import ErrorDetails

    from mteb_hybrid.tasks.beir import AbsTaskBeirRetrieval

TASKS_VARIABLE = "MTEB_HYBRID_TASKS"

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
            content = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise CardError(f"{path} cannot be read: {error}") from error
        try:
            return cls.model_validate(content)
        except ValidationError as error:
            wrong = "; ".join(_line(one) for one in error.errors(include_url=False))
            raise CardError(f"{path}: {wrong}") from error

    def register(self, place: Path) -> tuple[type[AbsTaskBeirRetrieval], ...]:
        """Make the tasks known to MTEB.

        Args:
            place: The folder that relative paths begin at.

        Raises:
            CollectionError: The collection cannot be read.
            RegistrationError: MTEB has another task of one of the names.
        """
        options = self.model_dump(exclude={"name", "folder", "folders"})
        if self.folders is not None:
            return from_beir(self.name, {code: _at(place, folder) for code, folder in self.folders.items()}, **options)
        return from_beir(self.name, _at(place, str(self.folder)), **options)


@dataclass(frozen=True, slots=True)
class CardState:
    """What became of a card.

    Attributes:
        path: Its file; or a folder of ``MTEB_HYBRID_TASKS`` with which something is wrong.
        tasks: Names of its tasks.
        problem: What is wrong, in words that name the file; None if nothing is.
    """

    path: Path
    tasks: tuple[str, ...] = ()
    problem: str | None = None


_states: list[CardState] = []


def register_cards() -> None:
    """Register the collections of all cards, ``*.toml`` in the folders that ``MTEB_HYBRID_TASKS`` names.

    A card that cannot be used becomes one warning, which says what is wrong with it, and is left out.
    """
    _states[:] = _registered()
    for state in _states:
        if state.problem is not None:
            warnings.warn(f"{TASKS_VARIABLE}: left out: {state.problem}", RuntimeWarning, stacklevel=2)


def card_states() -> tuple[CardState, ...]:
    """What became of the cards when MTEB's tasks were loaded; empty before that, and where there are none."""
    return tuple(_states)


def _registered() -> Iterator[CardState]:
    for folder in filter(None, os.environ.get(TASKS_VARIABLE, "").split(os.pathsep)):
        place = Path(folder).expanduser()
        cards = sorted(place.glob("*.toml"))
        if not cards:
            found = "holds no card, *.toml" if place.is_dir() else "is no folder"
            yield CardState(place, problem=f"{place} {found}; {TASKS_VARIABLE} names folders of cards")
        for path in cards:
            try:
                classes = Card.read(path).register(path.parent)
            except CardError as error:
                yield CardState(path, problem=str(error))
            except MtebHybridError as error:
                yield CardState(path, problem=f"{path}: {error}")
            except Exception as error:  # noqa: BLE001 - whatever it is, MTEB and the other cards go on
                yield CardState(path, problem=f"{path}: {type(error).__name__}: {error}")
            else:
                yield CardState(path, tuple(cls.metadata.name for cls in classes))


def _at(place: Path, folder: str) -> Path:
    return place / Path(folder).expanduser()


def _line(one: ErrorDetails) -> str:
    """What is wrong with a key: ``splitt: unknown key; did you mean 'split'?``."""
    kind, path = one["type"], ".".join(map(str, one["loc"]))
    if kind == "value_error":  # it names its key itself
        return str(one["ctx"]["error"])
    if kind == "missing":
        return f"{path}: is missing"
    if kind == "extra_forbidden":
        known = list(Card.model_fields)
        close = difflib.get_close_matches(path, known, n=1)
        return f"{path}: unknown key; " + (f"did you mean {close[0]!r}?" if close else f"there are {', '.join(known)}")
    return f"{path}: {one['msg']}, got {one['input']!r}"
