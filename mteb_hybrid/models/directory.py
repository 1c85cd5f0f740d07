"""`mteb run -m ./some-directory`: a local sentence-transformers directory as a model of MTEB.

MTEB alone ends in NotImplementedError. The model is called ``local/<directory>``, and its revision is a hash of its
files, so that two directories of one name do not read each other's cached results.
"""

from __future__ import annotations

import functools
import hashlib
import logging
import re
from typing import TYPE_CHECKING, Any

from mteb_hybrid.errors import ModelDirectoryError
from mteb_hybrid.file_names import is_folder, is_there, user_path
from mteb_hybrid.languages import KNOWN_SCRIPTS
from mteb_hybrid.parsing import parse_json, shown

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mteb.models.model_meta import ModelMeta

logger = logging.getLogger(__name__)

# class in sentence-transformers' configuration -> (wrapper in mteb.models, MTEB's model type)
_WRAPPERS = {
    "SentenceTransformer": ("SentenceTransformerEncoderWrapper", "dense"),
    "CrossEncoder": ("CrossEncoderWrapper", "cross-encoder"),
    "SparseEncoder": ("SparseEncoderWrapper", "sparse"),
    "MultiVectorEncoder": ("MultiVectorWrapper", "late-interaction"),
    "ColBERT": ("MultiVectorWrapper", "late-interaction"),  # how PyLate calls it
}
# classes that are imported from an installed package; with one dot a directory's own file could have the package's name
_PACKAGED = re.compile(r"(sentence_transformers(\.\w+)+|pylate\.\w+(\.\w+)+)")
# how a path begins, and no name on the hub
_PATHS = ("./", "../", "/", "~", ".\\", "..\\")
# what a trainer leaves beside a model, and what a reader may edit, does not change the model
_NOT_THE_MODEL = {
    "README.md", "optimizer.pt", "scheduler.pt", "scaler.pt", "trainer_state.json", "training_args.bin", "runs", "eval",
    "training",
}  # fmt: skip


def directory_meta(model: str, revision: str | None = None) -> ModelMeta | None:
    """Metadata of a sentence-transformers directory, or None if ``model`` is not one.

    Raises:
        ModelDirectoryError: It is one, but it is unusable or has another revision than asked for; or it is a path, as
            no name on the hub can be, and nothing is there.
    """
    path = user_path(model)
    if not is_folder(path):
        if model.startswith(_PATHS) and not is_there(path):
            raise ModelDirectoryError(
                f"there is no model directory {path.absolute()}: name one that sentence-transformers has saved, or a "
                "model on the hub"
            )
        return None
    if not (path / "modules.json").is_file() and not (path / "config_sentence_transformers.json").is_file():
        logger.warning(
            "%s is a directory but not a sentence-transformers model: it has neither modules.json nor "
            "config_sentence_transformers.json. Save it with SentenceTransformer(%r).save(DIR) and run that.",
            path, model,
        )  # fmt: skip
        return None
    path = path.resolve()
    found = directory_revision(path)
    if revision is not None and revision != found:
        raise ModelDirectoryError(f"{path} has revision {found}, not {revision}; leave the revision out")

    from mteb import models
    from mteb.models.model_meta import ModelMeta, ScoringFunction

    config = _read_json(path / "config_sentence_transformers.json")
    kind = str(config.get("model_type") or "SentenceTransformer")
    wrapper_name, model_type = _WRAPPERS.get(kind, (None, None))
    wrapper = getattr(models, wrapper_name, None) if wrapper_name else None
    if wrapper is None or model_type is None:
        raise ModelDirectoryError(f"{path} holds a {kind}, which this version of MTEB cannot load: install a newer one")
    similarity = str(config.get("similarity_fn_name") or "cosine")
    prompts = config.get("prompts") or {}
    if not isinstance(prompts, dict):
        raise ModelDirectoryError(
            f"{path / 'config_sentence_transformers.json'}: prompts must be texts by name, got {shown(prompts)}"
        )
    known = {"cosine": ScoringFunction.COSINE, "dot": ScoringFunction.DOT_PRODUCT}
    empty: ModelMeta = ModelMeta.create_empty()
    return empty.model_copy(
        update={
            "loader": functools.partial(_load, wrapper, path),
            "name": f"local/{path.name}",
            "revision": found,
            "framework": ["Sentence Transformers", "PyTorch"],
            "similarity_fn_name": known.get(similarity) if model_type == "dense" else None,
            "model_type": [model_type],
            "use_instructions": any(prompts.values()),
            "languages": _card_languages(path / "README.md"),
        }
    )


def directory_revision(path: Path) -> str:
    """Hash of the names and contents of a model's files, 16 hex digits."""
    digest = hashlib.sha256()
    for file in _model_files(path):
        digest.update(file.relative_to(path).as_posix().encode() + b"\0")
        with file.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()[:16]


def _model_files(path: Path) -> Iterator[Path]:
    for file in sorted(path.rglob("*")):
        parts = file.relative_to(path).parts
        ignored = any(part in _NOT_THE_MODEL or part.startswith((".", "checkpoint-", "rng_state")) for part in parts)
        if file.is_file() and not ignored:
            yield file


def check_modules(path: Path) -> None:
    """See that a model's directory asks for no code but that of installed packages.

    sentence-transformers before 6.0 runs a directory's own code, or that of whatever repository of the hub its
    ``modules.json`` names, without being told to.

    Raises:
        ModelDirectoryError: It does, or its ``modules.json`` cannot be read.
    """
    file = path / "modules.json"
    try:
        modules = parse_json(file.read_text(encoding="utf-8")) if file.is_file() else []
        types = [module["type"] for module in modules]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelDirectoryError(f"{file} cannot be read: {error!r}; save the model again") from error
    for one in types:
        if not isinstance(one, str) or not _PACKAGED.fullmatch(one):
            raise ModelDirectoryError(
                f"{file} names the class {shown(one)}, which is none of sentence-transformers: loading it would run "
                "code that came with the model. Read that code; if you trust it, say so in Python: "
                f"mteb.get_model({str(path)!r}, trust_remote_code=True)"
            )


def _load(wrapper: Any, path: Path, name: str, revision: str | None = None, **kwargs: Any) -> Any:
    """MTEB's loader interface: the name and revision are those of the results, the weights come from ``path``."""
    del name, revision
    if not kwargs.get("trust_remote_code"):
        check_modules(path)
    return wrapper(str(path), **kwargs)


def _card_languages(card: Path) -> list[str] | None:
    """The languages that a model's card names, in MTEB's codes, as far as we know them; None if it names none."""
    from huggingface_hub import ModelCard

    if not card.is_file():
        return None
    try:
        named = ModelCard.load(card).data.language
    except Exception as error:  # noqa: BLE001 - a card is for readers: a broken one must not keep a model from running
        logger.warning("%s cannot be read as a model card: %s", card, error)
        return None
    codes = [named] if isinstance(named, str) else named or []
    return sorted({KNOWN_SCRIPTS[code] for code in codes if isinstance(code, str) and code in KNOWN_SCRIPTS}) or None


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = parse_json(path.read_text(encoding="utf-8")) if path.is_file() else {}
    except (OSError, ValueError) as error:
        raise ModelDirectoryError(f"{path} cannot be read: {error}; save the model again") from error
    return content if isinstance(content, dict) else {}
