"""Items from a table with one row for an item and a column for each language: ``query_en``, ``passage_de``, ..."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from mteb_hybrid.errors import TrainingDataError
from mteb_hybrid.trainers.data.builders.patterns import by_pattern, check_language, present
from mteb_hybrid.trainers.data.texts import Block, Texts, column_texts, narrow

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np
    from datasets import Dataset
    from numpy.typing import NDArray

    Column = tuple[str, str]

_NEGATIVE = "negative"
# a language is one word, or a code with further parts: pt_BR, deu_Latn, zh_Hans_CN
_COLUMN = re.compile(
    r"(?P<role>query|passage|negative(_\d+)?)_(?P<language>[^\W\d_][^_]*|[A-Za-z]{2,3}(_[A-Za-z0-9]{2,8})+)"
)


def wide_blocks(dataset: Dataset, languages: Iterable[str] | None, name: str) -> list[Block]:
    """Items of the rows of a wide table; an item lacks a language where the column is null.

    Columns are ``query_<language>`` and ``passage_<language>``, and ``negative_<language>`` or
    ``negative_<n>_<language>``; others are left alone.

    Raises:
        TrainingDataError: There are no such columns, or a passage has no negative where others have one.
    """
    columns = _columns(dataset.column_names)
    if languages is not None:
        wanted = {check_language(language, name) for language in languages}
        if missing := sorted(wanted - {language for _, language in columns}):
            raise TrainingDataError(
                f"{name} has no columns in {missing[0]!r}; it has {', '.join(dataset.column_names)}"
            )
        columns = {column: field for column, field in columns.items() if column[1] in wanted}
    texts = {column: column_texts(dataset, field) for column, field in columns.items()}
    has = {column: present(texts[column]) for column in columns if not column[0].startswith(_NEGATIVE)}
    if not {"query", "passage"} <= {role for role, _ in has}:
        raise TrainingDataError(
            f"{name} needs columns such as 'query_en' and 'passage_en'; it has {', '.join(dataset.column_names)}"
        )
    negatives = sorted({role for role, _ in columns if role.startswith(_NEGATIVE)}, key=_number)
    blocks = []
    for pattern, members in by_pattern(has, len(dataset)):
        rows = _rows(members, len(dataset))
        here = {
            role: {language: _at(texts[role, language], rows) for one, language in sorted(pattern) if one == role}
            for role in ("query", "passage")
        }
        if here["query"] and here["passage"]:
            several = {
                language: tuple(
                    _at(texts[role, language], rows) for role in negatives if (role, language) in texts
                )
                for language in here["passage"]
            }  # fmt: skip
            _check_negatives(several, name, members)
            blocks.append(
                Block(len(members), here["query"], here["passage"], several if negatives else {}, collection=name)
            )
    return blocks


def _columns(names: Iterable[str]) -> dict[Column, str]:
    """Columns by role and language."""
    matches = {name: _COLUMN.fullmatch(name) for name in names}
    return {(match["role"], match["language"]): name for name, match in matches.items() if match}


def _number(role: str) -> int:
    return int(role.partition("_")[2] or 0)


def _rows(members: NDArray[np.int64], total: int) -> int | NDArray[np.integer[Any]]:
    """Rows of a block's items; a number if it is the whole table, so that no list of rows is kept."""
    if len(members) == total:
        return 0
    return narrow(members)


def _at(texts: Texts, rows: int | NDArray[np.integer[Any]]) -> Texts:
    return Texts(texts.dataset, texts.column, rows)


def _check_negatives(negatives: dict[str, tuple[Texts, ...]], name: str, members: NDArray[np.int64]) -> None:
    for language, several in negatives.items():
        for texts in several:
            mask = present(texts)
            if mask is not None and not mask[members].all():
                row = members[~mask[members]][0]
                raise TrainingDataError(
                    f"{name}: {texts.column!r} is empty in row {row}, which has a passage in {language!r}: fill it, or "
                    "leave the column out in all languages"
                )
