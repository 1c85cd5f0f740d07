"""Tasks of a user's own parallel collection in BEIR's layout."""

from __future__ import annotations

import difflib
import re
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast

from mteb.abstasks.task_metadata import TaskMetadata
from mteb.languages import check_language_code
from pydantic import ValidationError

from mteb_hybrid import _mteb
from mteb_hybrid.collections.beir import BeirSource, Survey
from mteb_hybrid.errors import CollectionError, RegistrationError
from mteb_hybrid.tasks.parallel import AbsTaskParallelRetrieval
from mteb_hybrid.tasks.settings import Setting, Subset, collection_subsets, subset_langs

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from mteb.abstasks.abstask import AbsTask

    from mteb_hybrid.collections.beir_files import Folders

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_RESERVED = (*(setting.value for setting in Setting), "HardNegatives")  # what reports split a task's name at
_SCRIPT = re.compile(r"[a-z]{3}-[A-Z][a-z]{3}")
_SETTING_LINES = {
    Setting.MONOLINGUAL: "Questions and passages are in the same language.",
    Setting.CROSS_LINGUAL: "The subset en-de has English questions and German passages.",
    Setting.MULTILINGUAL: "The passages of all languages are pooled; a subset is named by its questions' language.",
}


class AbsTaskBeirRetrieval(AbsTaskParallelRetrieval):
    """Retrieval in a user's own parallel collection; `from_beir` makes the subclasses.

    Results are filed under a hash of the files, also if these change while Python runs.

    Attributes:
        source: Where the collection lies.
        surveyed: What was found there when the class was made.
        planned: The subsets that it had when the class was made.
    """

    source: ClassVar[BeirSource]
    surveyed: ClassVar[Survey]
    planned: ClassVar[dict[str, Subset]]

    def refresh(self) -> None:
        """File results under the files as they are now, unless data is loaded."""
        if self.data_loaded:
            return
        try:
            revision = self.source.survey().revision
        except CollectionError:  # `check` says it, for those who need the data
            return
        if revision != self.metadata.dataset["revision"]:
            dataset = {**self.metadata.dataset, "revision": revision}
            self.metadata = self.metadata.model_copy(update={"dataset": dataset})

    def check(self) -> None:
        """See that the files can be read and still have the task's subsets.

        Raises:
            CollectionError: They cannot, or have not.
        """
        if collection_subsets(self.setting, self.source.collection()) != self.planned:
            raise CollectionError(
                f"{self.metadata.name}: the collection has other languages than when the task was made; start Python "
                "anew"
            )

    def load_data(self, num_proc: int | None = None, **kwargs: Any) -> None:
        """Load the languages that the kept subsets name.

        Raises:
            CollectionError: A file is missing, malformed or inconsistent, or languages came or went.
        """
        if self.data_loaded:
            return
        self.refresh()
        self.check()
        super().load_data(num_proc, **kwargs)

    def _planned(self) -> dict[str, Subset]:
        return self.planned


def from_beir(
    name: str,
    folders: Folders,
    *,
    split: str = "test",
    languages: Iterable[str] | None = None,
    scripts: Mapping[str, str] | None = None,
    revision: str | None = None,
    description: str = "",
    license: str | None = None,  # noqa: A002 - as MTEB calls it
    reference: str | None = None,
    citation: str = "",
    register: bool = True,
) -> tuple[type[AbsTaskBeirRetrieval], ...]:
    """Make the tasks ``<name>Monolingual``, ``CrossLingual`` and ``Multilingual`` of a collection in BEIR's layout.

    A collection lies in a folder for each language, where questions are aligned by query id, or in one pooled folder
    whose documents and queries have a ``language``; a query there names its question, which translations share, by
    ``question``. Folders as `mteb-hybrid export` writes them for our Monolingual and Multilingual tasks are read too.
    Encoded is the title, a space and the text. A score above 0 in the judgments is a grade of relevance. What is
    relevant for a question is relevant for its translations; where judgments differ, the highest grade counts.

    A setting without a subset is left out, and the pooled one where there is one language to search. All files are read
    once for each state of theirs, then looked at; texts are held while a task is loaded. What can be read but is hardly
    meant, such as questions that no two languages share, is a `RuntimeWarning`.

    Args:
        name: What the names of the tasks begin with, such as ``Handbook``.
        folders: The folder, or a folder for each language.
        split: Whose judgments: ``qrels/<split>.tsv``.
        languages: Those to keep. Default: all.
        scripts: MTEB's codes of languages that are not known here: ``{"mt": "mlt-Latn"}``.
        revision: What results are filed under. Default: a hash of the files, so that changed data has results of its
            own; who names one must name another when the data changes.
        description: Of the collection, for MTEB's metadata.
        license: As MTEB writes them, such as ``cc-by-4.0``, or an address.
        reference: Address of its description.
        citation: BibTeX.
        register: Whether MTEB is to know the tasks by name. The same call again gives the same classes.

    Returns:
        The classes. They pickle by name: another process must have made them too, as it has if they are in a card.

    Raises:
        CollectionError: A name, language or other argument cannot be used, or the files are missing, malformed or
            inconsistent; the message names file and line.
        RegistrationError: MTEB has another task of one of the names.
    """
    _check_name(name)
    scripts = dict(scripts or {})
    for language, code in scripts.items():
        _check_script(language, code)
    source = BeirSource.of(name, folders, split=split, languages=languages, scripts=scripts, revision=revision)
    survey = source.survey()
    collection = source.collection(survey)
    for note in survey.notes:
        warnings.warn(f"{name}: {note}", RuntimeWarning, stacklevel=2)
    default = f"Retrieval in {name}, a collection of a user's own."
    classes = []
    for setting in Setting:
        planned = collection_subsets(setting, collection)
        if not planned or (setting is Setting.MULTILINGUAL and len(collection.languages) == 1):
            continue
        try:
            metadata = TaskMetadata(
                name=f"{name}{setting.value}",
                dataset={"path": f"local/{name}", "revision": collection.revision},
                description=f"{description or default} {_SETTING_LINES[setting]}",
                reference=reference,
                type="Retrieval",
                category="t2t",
                modalities=["text"],
                eval_splits=[split],
                eval_langs=subset_langs(setting, planned, scripts),
                main_score="map",
                license=cast("Any", license),
                bibtex_citation=citation,
            )
        except ValidationError as error:
            raise CollectionError(f"{name}: {_wrong(error)}") from error
        classes.append(_make(metadata, source, survey, setting, planned))
    settled = settle(classes, _mteb.registered_tasks() if register else {})
    if register:
        _mteb.add_tasks(settled)
    return settled


def settle(
    classes: Sequence[type[AbsTaskBeirRetrieval]], known: Mapping[str, type[AbsTask]]
) -> tuple[type[AbsTaskBeirRetrieval], ...]:
    """New classes, or in their place the known ones of the same collection.

    Pickle then finds them in this module; if it raises, pickle finds the known ones of these names as before.

    Args:
        classes: Tasks of one collection.
        known: By name, the tasks that there are.

    Raises:
        RegistrationError: A known task of one of the names is another one.
    """
    kept = [cls for cls in (known.get(new.metadata.name) for new in classes) if cls and cls.__module__ == __name__]
    try:
        settled = tuple(_same(known.get(cls.metadata.name), cls) for cls in classes)
        _mteb.check_names(settled, known)
        kept = list(settled)
        return settled
    finally:
        for cls in kept:
            setattr(sys.modules[__name__], cls.__name__, cls)


def _make(
    metadata: TaskMetadata, source: BeirSource, survey: Survey, setting: Setting, planned: dict[str, Subset]
) -> type[AbsTaskBeirRetrieval]:
    content = {
        "__doc__": metadata.description,
        "__module__": __name__,
        "metadata": metadata,
        "source": source,
        "surveyed": survey,
        "setting": setting,
        "planned": planned,
        "collection": staticmethod(source.collection),
    }
    return type(metadata.name, (AbsTaskBeirRetrieval,), content)


def _same(known: Any, made: type[AbsTaskBeirRetrieval]) -> type[AbsTaskBeirRetrieval]:
    """The registered class of a name if it is of the same collection; the new one if there is none of ours.

    Raises:
        RegistrationError: It is of another collection of the user's.
    """
    if not (isinstance(known, type) and issubclass(known, AbsTaskBeirRetrieval)):
        return made
    if (known.source, known.planned) == (made.source, made.planned):
        return known
    folders = known.source.folders
    where = folders if isinstance(folders, Path) else ", ".join(str(folder) for _, folder in folders)
    cure = "its languages have changed, start Python anew" if known.source == made.source else "name one otherwise"
    raise RegistrationError(
        f"a task {made.metadata.name} exists already, of the collection in {where}. Two tasks of one name would share "
        f"their cached results: {cure}"
    )


def _wrong(error: ValidationError) -> str:
    """Which of the user's arguments MTEB refuses, and why."""
    wrong = error.errors(include_url=False)[0]
    key, given = wrong["loc"][0], wrong["input"]
    if key == "license" and wrong["type"] == "literal_error":
        known = re.findall("'([^']+)'", wrong["ctx"]["expected"])
        close = difflib.get_close_matches(re.sub("[ _]+", "-", given.lower()), known, n=1)
        hint = f"did you mean {close[0]!r}?" if close else "say it as MTEB does, 'cc-by-4.0' or 'mit', or as an address"
        return f"license: unknown license {given!r}; {hint}"
    return f"{key}: {wrong['msg']}, got {given!r}"


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise CollectionError(f"{name!r} cannot begin the names of tasks: use letters, digits and _, as in 'Handbook'")
    for end in _RESERVED:
        if name.endswith(end):
            raise CollectionError(f"{name!r} ends in {end!r}, which tells a collection's tasks apart: leave it out")


def _check_script(language: str, code: str) -> None:
    if not _SCRIPT.fullmatch(code):
        raise CollectionError(f"scripts: the code of {language!r} must be written like 'por-Latn', not {code!r}")
    try:
        check_language_code(code)
    except ValueError as error:
        raise CollectionError(
            f"scripts: MTEB does not know the code of {language!r}: {error}; write an ISO 639-3 code and a script"
        ) from error
