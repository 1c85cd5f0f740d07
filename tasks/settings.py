"""The three settings of arXiv 2408.10536, section 3.2: which questions are asked of which passages."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from mteb_hybrid.languages import language_script

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mteb_hybrid.collections import ParallelCollection


class Setting(StrEnum):
    """How a task family splits into subsets."""

    MONOLINGUAL = "Monolingual"
    """Questions of X against the passages of X; subset ``de``."""
    CROSS_LINGUAL = "CrossLingual"
    """Questions of X against the passages of another language Y; ``en-de``: English questions, German corpus."""
    MULTILINGUAL = "Multilingual"
    """Questions of X against the pooled passages of all languages; subset ``de``, named by the questions."""


@dataclass(frozen=True, slots=True)
class Subset:
    """One subset of a task: a query language and the languages of its pool."""

    query_language: str
    passage_languages: tuple[str, ...]


def subsets(
    setting: Setting, languages: Sequence[str], query_languages: Sequence[str] | None = None
) -> dict[str, Subset]:
    """Subsets of a setting by name, in the order of the languages.

    Args:
        setting: The setting.
        languages: Languages of the collection's passages.
        query_languages: Those that questions are asked in; the same unless given.
    """
    asked = languages if query_languages is None else query_languages
    if setting is Setting.MONOLINGUAL:
        return {language: Subset(language, (language,)) for language in asked if language in languages}
    if setting is Setting.CROSS_LINGUAL:
        return {f"{x}-{y}": Subset(x, (y,)) for x in asked for y in languages if x != y}
    return {language: Subset(language, tuple(languages)) for language in asked}


def collection_subsets(setting: Setting, collection: ParallelCollection) -> dict[str, Subset]:
    """Subsets of a setting in which some question of a collection has a relevant passage, by name."""
    planned = subsets(setting, collection.languages, collection.query_languages)
    return {
        name: subset
        for name, subset in planned.items()
        if collection.can_answer(subset.query_language, subset.passage_languages)
    }


def eval_langs(
    setting: Setting, languages: Sequence[str], query_languages: Sequence[str] | None = None
) -> dict[str, list[str]]:
    """MTEB's ``eval_langs`` of all subsets of a setting; arguments as in `subsets`, result as in `subset_langs`."""
    return subset_langs(setting, subsets(setting, languages, query_languages))


def subset_langs(
    setting: Setting, planned: Mapping[str, Subset], scripts: Mapping[str, str] | None = None
) -> dict[str, list[str]]:
    """MTEB's ``eval_langs`` of some subsets: the languages that a language filter compares with.

    A pooled subset has its query language alone. Its pool is always all languages: a pool that shrank with a filter
    would put scores of another task into the cache.

    Args:
        setting: The setting.
        planned: Its subsets by name.
        scripts: MTEB's codes of the user's own languages.
    """
    crossing = setting is Setting.CROSS_LINGUAL
    return {
        name: [
            language_script(language, scripts)
            for language in (subset.query_language, *(subset.passage_languages if crossing else ()))
        ]
        for name, subset in planned.items()
    }
