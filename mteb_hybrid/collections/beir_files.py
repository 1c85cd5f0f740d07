"""Where the files of a collection in BEIR's layout lie: a folder for each language, or one pooled folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mteb_hybrid.errors import CollectionError
from mteb_hybrid.file_names import is_folder
from mteb_hybrid.languages import check_language
from mteb_hybrid.suggest import suggestion

Folders = Mapping[str, Path | str] | Path | str

_LAYOUT = "a folder in BEIR's layout must have corpus.jsonl, queries.jsonl and qrels/<split>.tsv"


@dataclass(frozen=True, slots=True)
class BeirFiles:
    """The files of one folder in BEIR's layout.

    Attributes:
        folder: The folder.
        split: Whose judgments are read.
        language: What the folder is the language of; None for a pooled folder, whose lines say it.
    """

    folder: Path
    split: str
    language: str | None

    @property
    def corpus(self) -> Path:
        """The documents."""
        return self.folder / "corpus.jsonl"

    @property
    def queries(self) -> Path:
        """The queries."""
        return self.folder / "queries.jsonl"

    @property
    def qrels(self) -> Path:
        """The judgments."""
        return self.folder / "qrels" / f"{self.split}.tsv"

    def paths(self) -> tuple[Path, Path, Path]:
        """All three."""
        return self.corpus, self.queries, self.qrels

    def check(self) -> None:
        """See that the files are there.

        Raises:
            CollectionError: One is not. For a split, the message lists those that are there.
        """
        for path in (self.corpus, self.queries):
            if not path.is_file():
                raise CollectionError(f"{path} is missing; {_LAYOUT}")
        if not self.qrels.is_file():
            splits = sorted(path.stem for path in self.qrels.parent.glob("*.tsv"))
            if not splits:
                raise CollectionError(f"{self.qrels} is missing; {_LAYOUT}")
            hint = suggestion(self.split, splits, "there are")
            raise CollectionError(f"{self.folder} has no split {self.split!r}{hint}")


def find_files(folders: Folders, split: str, scripts: Mapping[str, str]) -> list[BeirFiles]:
    """The folders of a collection, sorted by language.

    A folder with ``corpus.jsonl`` is pooled. Any other holds a folder for each language; what has no ``corpus.jsonl``
    and is not called by a language is left alone.

    Args:
        folders: The folder, or a folder for each language.
        split: Whose judgments are read.
        scripts: MTEB's codes of the user's own languages.

    Raises:
        CollectionError: A folder or file is missing, a language is unknown, or a pooled folder holds folders for
            languages.
    """
    if isinstance(folders, Mapping):
        found = {language: Path(folder) for language, folder in folders.items()}
        if not found:
            raise CollectionError("the collection has no folder: name one for each language")
    else:
        root = Path(folders)
        if not is_folder(root):
            raise CollectionError(f"{root} is no folder; {_LAYOUT}")
        if (root / "corpus.jsonl").is_file():
            _check_pooled(root, scripts)
            files = BeirFiles(root, split, None)
            files.check()
            return [files]
        found = {path.name: path for path in root.iterdir() if _is_language(path, scripts)}
        if not found:
            raise CollectionError(
                f"{root} holds neither corpus.jsonl, as a pooled folder does, nor a folder for each language, such as "
                f"'en'; {_LAYOUT}"
            )
    for language, folder in found.items():
        _check_language(language, folder, scripts)
    every = [BeirFiles(folder, split, language) for language, folder in sorted(found.items())]
    for files in every:
        files.check()
    return every


def _check_pooled(root: Path, scripts: Mapping[str, str]) -> None:
    apart = sorted(path.parent.name for path in root.glob("*/corpus.jsonl") if _is_known(path.parent.name, scripts))
    if apart:
        raise CollectionError(
            f"{root} holds corpus.jsonl, as a pooled folder does, and folders for languages, {', '.join(apart)}: "
            "remove one of the two, corpus.jsonl or these folders"
        )


def _is_language(path: Path, scripts: Mapping[str, str]) -> bool:
    if not path.is_dir() or path.name.startswith("."):
        return False
    return (path / "corpus.jsonl").is_file() or _is_known(path.name, scripts)


def _is_known(language: str, scripts: Mapping[str, str]) -> bool:
    try:
        check_language(language, scripts)
    except CollectionError:
        return False
    return True


def _check_language(language: str, folder: Path, scripts: Mapping[str, str]) -> None:
    try:
        check_language(language, scripts)
    except CollectionError as error:
        parts = language.split("-")
        crossing = len(parts) == 2 and all(_is_known(part, scripts) for part in parts)
        hint = ". It looks like a subset of a CrossLingual task: export the Monolingual or the Multilingual one"
        raise CollectionError(f"{folder}: {error}{hint if crossing else ''}") from error
