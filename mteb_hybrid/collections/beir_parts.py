"""From the files of a collection in BEIR's layout to its languages: documents placed, questions aligned by id."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NoReturn

import xxhash

from mteb_hybrid.collections.base import LanguagePart
from mteb_hybrid.collections.beir_lines import read_documents, read_judgments, read_queries
from mteb_hybrid.errors import CollectionError
from mteb_hybrid.languages import check_language
from mteb_hybrid.parsing import shown
from mteb_hybrid.suggest import suggestion

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from mteb_hybrid.collections.beir_files import BeirFiles

    Place = tuple[str, int]  # language, and position among its passages

_BLOCK = 2**22


def read_parts(
    files: Sequence[BeirFiles], languages: Sequence[str] | None, scripts: Mapping[str, str]
) -> dict[str, LanguagePart]:
    """The languages of a collection, sorted: those of its documents, and those that questions are asked in.

    The judgments of a question are those of all its translations; where they differ, the highest grade counts.

    Args:
        files: Its folders.
        languages: Those to keep; None: all.
        scripts: MTEB's codes of the user's own languages.

    Raises:
        CollectionError: A line is malformed, an id unknown, a language unknown, or nothing is relevant.
    """
    read = _Collection(scripts)
    # with folders for languages that all hold one corpus, as `mteb-hybrid export` writes a pooled task, it is read once
    pooled = len({digest_of(one.corpus) for one in files}) == 1
    for number, one in enumerate(files):
        if pooled and number:
            read.share_documents(files[0], one)
        else:
            read.add_documents(one, of_folder=not pooled, said=pooled and len(files) > 1)
    for one in files:
        read.add_queries(one)
    for one in files:
        read.add_judgments(one)
    return read.parts(languages, str(files[0].folder if len(files) == 1 else files[0].folder.parent))


def digest_of(path: Path) -> str:
    """A hash of a file's content, 32 hex digits.

    Raises:
        CollectionError: The file cannot be read.
    """
    digest = xxhash.xxh3_128()
    try:
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
    except OSError as error:
        raise CollectionError(f"{path} cannot be read: {error}; put it back, or name another folder") from error
    return digest.hexdigest()


class _Collection:
    """What was read so far."""

    def __init__(self, scripts: Mapping[str, str]) -> None:
        self.scripts = scripts
        self.passages: dict[str, list[str]] = defaultdict(list)  # by language
        self.asked: dict[str, dict[str, str]] = defaultdict(dict)  # by language, question id to text
        self.places: dict[Path, dict[str, Place]] = {}  # by corpus, document id to place
        self.questions: dict[Path, dict[str, str]] = {}  # by file, query id to question id
        self.judged: dict[str, dict[Place, int]] = defaultdict(dict)  # by question id, place to grade

    def add_documents(self, files: BeirFiles, *, of_folder: bool, said: bool) -> None:
        """Place the documents of a corpus.

        Args:
            files: Its folder.
            of_folder: Whether all of them must be in the folder's language.
            said: Whether each must say its language.
        """
        places = self.places[files.corpus] = {}
        name, default = str(files.corpus), None if said else files.language
        for document in read_documents(files.corpus):
            where = f"{name}, line {document.line}"
            language = self._language(document.language, default, where)
            if of_folder and language != files.language:
                raise CollectionError(
                    f"{where}: the document is in {language!r}, in the folder of {files.language!r}. Put documents "
                    "of several languages into one pooled folder, or into the same corpus.jsonl in every folder"
                )
            places[document.id] = (language, len(self.passages[language]))
            self.passages[language].append(document.text)
        if not places:
            raise CollectionError(f"{files.corpus} has no document: add some, or leave the folder out")

    def share_documents(self, first: BeirFiles, files: BeirFiles) -> None:
        """Let a folder have the corpus of another."""
        self.places[files.corpus] = self.places[first.corpus]

    def add_queries(self, files: BeirFiles) -> None:
        """Take up the queries of a folder as questions."""
        questions = self.questions[files.queries] = {}
        name = str(files.queries)
        for query in read_queries(files.queries):
            where = f"{name}, line {query.line}"
            language = self._language(query.language, files.language, where)
            if files.language not in (None, language):
                raise CollectionError(
                    f"{where}: the query is in {language!r}, in the folder of {files.language!r}: put it into the "
                    "other's"
                )
            if query.question in self.asked[language]:
                raise CollectionError(
                    f"{where}: question {shown(query.question)} is asked twice in {language!r}: leave one of them out"
                )
            self.asked[language][query.question] = query.text
            questions[query.id] = query.question

    def add_judgments(self, files: BeirFiles) -> None:
        """Take up the judgments of a folder; a question that it does not ask may be asked in another language."""
        known = self.questions[files.queries]
        elsewhere = {question for asked in self.asked.values() for question in asked}
        places, name = self.places[files.corpus], str(files.qrels)
        for judgment in read_judgments(files.qrels):
            where = f"{name}, line {judgment.line}"
            if judgment.query not in known and judgment.query not in elsewhere:
                raise CollectionError(
                    f"{where} names query {shown(judgment.query)}, which {files.queries} does not have: add it there, "
                    "or leave the judgment out"
                )
            if judgment.document not in places:
                raise CollectionError(
                    f"{where} names document {shown(judgment.document)}, which {files.corpus} does not have: add it "
                    "there, or leave the judgment out"
                )
            if judgment.grade > 0:
                grades = self.judged[known.get(judgment.query, judgment.query)]
                place = places[judgment.document]
                grades[place] = max(judgment.grade, grades.get(place, 0))

    def parts(self, languages: Sequence[str] | None, source: str) -> dict[str, LanguagePart]:
        """The languages, those to keep or all."""
        there = sorted({*self.passages, *(language for language, asked in self.asked.items() if asked)})
        for language in languages or ():
            if language not in there:
                _no_language(language, there, source)
        kept = there if languages is None else sorted(set(languages))
        questions = list(dict.fromkeys(question for language in kept for question in self.asked[language]))
        relevant: dict[str, dict[str, dict[int, int]]] = {language: {} for language in kept}
        for question in questions:
            for (language, position), grade in self.judged.get(question, {}).items():
                if language in relevant:
                    relevant[language].setdefault(question, {})[position] = grade
        if not any(relevant.values()):
            raise CollectionError(
                f"{source}: no document in {', '.join(kept)} is relevant for a question in these: add some to qrels"
            )
        return {language: self._part(language, questions, relevant[language], source) for language in kept}

    def _part(
        self, language: str, questions: Sequence[str], relevant: Mapping[str, Mapping[int, int]], source: str
    ) -> LanguagePart:
        asked, passages = self.asked[language], tuple(self.passages[language])
        return LanguagePart(
            language=language,
            passages=passages,
            contexts=passages,
            query_ids=tuple(asked),
            queries=tuple(asked.values()),
            relevant=tuple(tuple(relevant.get(question, ())) for question in asked),
            source=source,
            unasked={question: tuple(relevant.get(question, ())) for question in questions if question not in asked},
            grades={
                (question, position): grade
                for question, grades in relevant.items()
                for position, grade in grades.items()
                if grade != 1
            },
        )

    def _language(self, said: str | None, of_folder: str | None, where: str) -> str:
        language = said or of_folder
        if language is None:
            raise CollectionError(f"{where} has no 'language', which it needs where languages share a file")
        if language not in self.passages and language not in self.asked:
            try:
                check_language(language, self.scripts)
            except CollectionError as error:
                raise CollectionError(f"{where}: {error}") from error
        return language


def _no_language(language: str, there: Sequence[str], source: str) -> NoReturn:
    raise CollectionError(f"{source} has no language {language!r}{suggestion(language, there, 'it has')}")
