"""What can be read in a collection in BEIR's layout but is hardly meant: for warnings, when its tasks are made."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from mteb_hybrid.collections.beir_lines import misspelled_question

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from mteb_hybrid.collections.base import LanguagePart
    from mteb_hybrid.collections.beir_files import BeirFiles


def find_notes(files: Sequence[BeirFiles], parts: Mapping[str, LanguagePart]) -> tuple[str, ...]:
    """Questions that are not aligned over languages, and languages in which nothing is relevant; a sentence each.

    Args:
        files: The collection's folders.
        parts: Its languages, as read from them.

    Raises:
        CollectionError: A file went away, or changed, since it was read.
    """
    asking = {language: part for language, part in parts.items() if part.queries}
    return (*_not_aligned(files, asking), *_not_judged(files, asking, parts))


def _not_aligned(files: Sequence[BeirFiles], asking: Mapping[str, LanguagePart]) -> Iterator[str]:
    if len(asking) < 2:
        return
    aligned = max(Counter(question for part in asking.values() for question in part.query_ids).values()) > 1
    pooled = files[0].language is None
    if not aligned:
        place = files[0].queries if pooled else files[0].folder.parent
        yield (
            f"{place}: no question is asked in two languages, of {', '.join(asking)}; translations of a question share "
            f"their {'question' if pooled else '_id'!r}"
        )
    if pooled or not aligned:  # otherwise the ids align them, and other keys are no concern of ours
        for one in files:
            slip = misspelled_question(one.queries)
            if slip:
                yield f"{one.queries}, line {slip[0]}: unknown key {slip[1]!r}; did you mean 'question'?"


def _not_judged(
    files: Sequence[BeirFiles], asking: Mapping[str, LanguagePart], parts: Mapping[str, LanguagePart]
) -> Iterator[str]:
    answered = {question for part in parts.values() for question, _, _ in part.judgments()}
    for language, part in asking.items():
        qrels = next(one.qrels for one in files if one.language in (None, language))
        if answered.isdisjoint(part.query_ids):
            yield f"{qrels}: no document is relevant for any question of {language!r}"
        elif part.passages and not any(part.judgments()):
            yield f"{qrels}: no document of {language!r} is relevant for any question"
