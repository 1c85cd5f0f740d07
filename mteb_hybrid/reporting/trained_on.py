"""Which languages a model was trained on: as its card says, or as the user does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mteb_hybrid.errors import ResultsError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mteb_hybrid.reporting.summary import ModelSummary


def trained_languages(summaries: Sequence[ModelSummary], named: Sequence[str] = ()) -> dict[str, tuple[str, ...]]:
    """Which languages each model was trained on: as the user says, else as its card says.

    Args:
        summaries: The models.
        named: Such as ``de,en`` for all models, or ``MODEL=de,en`` for one.

    Raises:
        ResultsError: A model or a language that no result is of.
    """
    found: dict[str, tuple[str, ...]] = {one.model: one.languages for one in summaries if one.languages}
    known = {language for one in summaries for language in one.query_languages()}
    for text in sorted(named, key=lambda text: "=" in text):  # what is said of one model wins
        model, _, listed = text.rpartition("=")
        languages = tuple(code.strip() for code in listed.split(",") if code.strip())
        models = [one.model for one in summaries if not model or one.model == model]
        if not models:
            raise ResultsError(f"--train-languages {text}: there is no result of a model {model!r}")
        if not known & set(languages):
            raise ResultsError(
                f"--train-languages {text}: none of these is a query language of the results; those are "
                f"{', '.join(sorted(known))}"
            )
        found.update(dict.fromkeys(models, languages))
    return found
