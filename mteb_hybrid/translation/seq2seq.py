"""Any sequence-to-sequence model of ``transformers`` as a translator, through ``generate``."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mteb_hybrid.errors import TranslationError
from mteb_hybrid.file_names import is_folder, user_path
from mteb_hybrid.models.directory import directory_revision
from mteb_hybrid.translation.codes import Direction, LanguageCodes

if TYPE_CHECKING:
    from collections.abc import Sequence

logger = logging.getLogger(__name__)

_LONGEST = 1_000_000  # tokenizers without a limit state a number beyond any


class Seq2SeqTranslator:
    """A translation model with its tokenizer, in float32, on one device; never with code from the hub.

    Decoding is greedy or beam search, never sampling, and the end of a translation is not allowed to be its beginning,
    so that empty translations are all but impossible. What the checkpoint's own generation settings say besides, such
    as a length penalty, stands.

    Attributes:
        name: The model's name; ``local/<directory>`` for a directory.
        revision: The commit on the hub, or the hash of the directory's files.
    """

    def __init__(
        self,
        model_name: str,
        revision: str | None = None,
        device: str | None = None,
        batch_size: int = 32,
        max_new_tokens: int = 128,
        num_beams: int = 4,
        *,
        prefix: str | None = None,
    ) -> None:
        """Load a model.

        Args:
            model_name: Name on the hub, or a directory.
            revision: Commit, branch or tag; for a directory its hash, or None.
            device: Such as ``cuda:1``; a GPU if there is one.
            batch_size: Texts translated at once, 1 or more; changes speed, not results but for rounding.
            max_new_tokens: Longest translation in tokens; what is longer is cut off.
            num_beams: Beams of the search; 1 is greedy.
            prefix: See `LanguageCodes`.

        Raises:
            TranslationError: The model cannot be loaded, or cannot be told languages.
        """
        import torch

        for setting, value in (("batch size", batch_size), ("max new tokens", max_new_tokens), ("beams", num_beams)):
            if value < 1:
                raise TranslationError(f"{setting} must be at least 1, not {value}")
        path = user_path(model_name)
        if is_folder(path):
            path = path.resolve()
            place, commit = str(path), None
            self.name, self.revision = f"local/{path.name}", directory_revision(path)
            if revision not in (None, self.revision):
                raise TranslationError(f"{path} has revision {self.revision}, not {revision}; leave the revision out")
        else:
            commit = _commit(model_name, revision)
            place = self.name = model_name
            self.revision = commit
        self._tokenizer, model = _load(place, commit)
        self._codes = LanguageCodes(self._tokenizer, model_name, prefix)
        self._device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        try:
            self._model = model.float().to(self._device).eval()
        except (RuntimeError, AssertionError) as error:
            raise TranslationError(
                f"{model_name} cannot be put on {self._device}: {error}; name another device, such as cpu"
            ) from error
        self._batch_size, self._max_new_tokens, self._num_beams = batch_size, max_new_tokens, num_beams
        self._prefix = prefix
        limits = (self._tokenizer.model_max_length, getattr(model.config, "max_position_embeddings", None))
        self._limit = min((limit for limit in limits if limit is not None and limit < _LONGEST), default=None)

    @property
    def decoding(self) -> dict[str, Any]:
        """The settings that decide what a text's translation is."""
        return {
            "num_beams": self._num_beams,
            "max_new_tokens": self._max_new_tokens,
            "do_sample": False,
            "prefix": self._prefix,
        }

    def check(self, source: str, target: str) -> None:
        """See whether the model can be told this direction; whether it has learnt it is another question.

        Raises:
            TranslationError: It cannot; the message names model and language.
        """
        self._codes.set(self._codes.direction(source, target))

    def reverses(self, source: str, target: str) -> bool:
        """Whether the model can be told the way back, from ``target`` into ``source``."""
        if self._codes.one_way:
            return False
        try:
            self.check(target, source)
        except TranslationError:
            return False
        return True

    def translate(self, texts: Sequence[str], source: str, target: str) -> list[str]:
        """Translations of texts, in their order; longest texts go first, in batches of about one length.

        Args:
            texts: n texts. One that is longer than the model can read is cut off, with a warning.
            source: Two-letter code of the texts' language.
            target: Two-letter code of the language to translate into.

        Returns:
            n texts without outer blanks.

        Raises:
            TranslationError: The model cannot be told this direction.
        """
        direction = self._codes.direction(source, target)
        self._codes.set(direction)
        order = sorted(range(len(texts)), key=lambda index: (-len(texts[index]), index))
        translations = [""] * len(texts)
        for start in range(0, len(order), self._batch_size):
            batch = order[start : start + self._batch_size]
            for index, text in zip(batch, self._generate([texts[i] for i in batch], direction), strict=True):
                translations[index] = text
        return translations

    def _generate(self, texts: list[str], direction: Direction) -> list[str]:
        import torch

        encoded = self._tokenizer(
            [direction.prefix + text for text in texts],
            return_tensors="pt",
            padding=True,
            truncation=self._limit is not None,
            max_length=self._limit,
        )  # (texts, tokens)
        if self._limit is not None and encoded["input_ids"].shape[1] >= self._limit:
            full = int((encoded["attention_mask"].sum(dim=1) >= self._limit).sum())
            logger.warning("%d texts reach the %d tokens of %s and may be cut off", full, self._limit, self.name)
        forced = direction.forced_bos_token_id
        # set on the model: of settings that are passed, transformers 4 takes those with default values from the model
        self._model.generation_config.update(
            do_sample=False,
            num_beams=self._num_beams,
            early_stopping=self._num_beams > 1,
            max_length=None,  # some checkpoints have one, and warn of it at every batch
            max_new_tokens=self._max_new_tokens,
            min_new_tokens=1 if forced is None else 2,
            forced_bos_token_id=forced,
        )
        inputs = {name: encoded[name].to(self._device) for name in ("input_ids", "attention_mask")}
        with torch.inference_mode():
            generated = self._model.generate(**inputs)  # (texts, tokens)
        # the start token and the target language; not every tokenizer counts the latter as special
        generated = generated[:, 1 if forced is None else 2 :].cpu()
        texts = self._tokenizer.batch_decode(generated, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return [text.strip() for text in texts]


def _commit(model: str, revision: str | None) -> str:
    """The commit of a model on the hub that a revision stands for; its config.json is fetched for that."""
    from huggingface_hub import hf_hub_download

    try:
        config = Path(hf_hub_download(model, "config.json", revision=revision))
    except Exception as error:  # errors of three HTTP libraries, by version of the hub's client, without a common base
        raise TranslationError(
            f"{model} ({revision or 'main'}) is neither a directory nor a model that could be fetched: "
            f"{type(error).__name__}: {' '.join(str(error).split())}. Check the name, the revision and the network, or "
            "name the directory of a model"
        ) from error
    return config.parent.name  # the cache has snapshots/<commit>/config.json


def _load(place: str, commit: str | None) -> tuple[Any, Any]:
    """Tokenizer and model of a directory, or of a name on the hub at a commit."""
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(place, revision=commit, trust_remote_code=False)
        model = AutoModelForSeq2SeqLM.from_pretrained(place, revision=commit, trust_remote_code=False)
    except (ImportError, KeyError, OSError, ValueError) as error:
        raise TranslationError(
            f"{place} could not be loaded as a sequence-to-sequence model: {' '.join(str(error).split())}. "
            'Tokenizers of most translation models need `pip install "mteb-hybrid[translate]"`'
        ) from error
    return tokenizer, model
