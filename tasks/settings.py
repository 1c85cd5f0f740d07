"""The three settings of arXiv 2408.10536, section 3.2: which questions are asked of which passages."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from mteb_hybrid.languages import language_script

if TYPE_CHECKING:
    from collections.abc import Sequence


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
        languages: Languages of the collection.
        query_languages: Those that questions are asked in; all of them unless given.
    """
    asked = languages if query_languages is None else query_languages
    if setting is Setting.MONOLINGUAL:
        return {language: Subset(language, (language,)) for language in asked}
    if setting is Setting.CROSS_LINGUAL:
        return {f"{x}-{y}": Subset(x, (y,)) for x in asked for y in languages if x != y}
    return {language: Subset(language, tuple(languages)) for language in asked}


def eval_langs(
    setting: Setting, languages: Sequence[str], query_languages: Sequence[str] | None = None
) -> dict[str, list[str]]:
    """MTEB's ``eval_langs``: the languages that a language filter compares with; arguments as in `subsets`.

    A pooled subset has its query language alone. Its pool is always all languages: a pool that shrank with a filter
    would put scores of another task into the cache.
    """
    if setting is Setting.CROSS_LINGUAL:
        return {
            name: [language_script(subset.query_language), language_script(subset.passage_languages[0])]
            for name, subset in subsets(setting, languages, query_languages).items()
        }
    return {name: [language_script(name)] for name in subsets(setting, languages, query_languages)}
