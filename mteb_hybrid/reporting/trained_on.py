"""Which languages a model was trained on: as its card says, or as the user does."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from mteb_hybrid.errors import ResultsError
from mteb_hybrid.languages import KNOWN_SCRIPTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mteb_hybrid.reporting.summary import ModelSummary


def trained_languages(summaries: Sequence[ModelSummary], named: Sequence[str] = ()) -> dict[str, tuple[str, ...]]:
    """Which languages each model was trained on: as the user says, else as its card says.

    Args:
        summaries: The models.
        named: Such as ``de,en`` for all models, or ``MODEL=de,en`` for one.

    Raises:
        ResultsError: A model that no result is of, or an unknown language.
    """
    found: dict[str, tuple[str, ...]] = {one.model: one.languages for one in summaries if one.languages}
    tested = {language for one in summaries for language in one.languages_run()}
    known = tested | KNOWN_SCRIPTS.keys()
    for text in sorted(named, key=lambda text: "=" in text):  # what is said of one model wins
        model, _, listed = text.rpartition("=")
        languages = tuple(code.strip() for code in listed.split(",") if code.strip())
        models = [one.model for one in summaries if not model or one.model == model]
        if not models:
            names = dict.fromkeys(one.model for one in summaries)
            raise ResultsError(
                f"--train-languages {text}: there is no result of a model {model!r}; there are {', '.join(names)}"
            )
        for language in languages:
            if language not in known:
                close = difflib.get_close_matches(language.lower(), known, n=1)
                hint = f"did you mean {close[0]!r}?" if close else f"the results have {', '.join(sorted(tested))}"
                raise ResultsError(f"--train-languages {text}: unknown language {language!r}; {hint}")
        found.update(dict.fromkeys(models, languages))
    return found
