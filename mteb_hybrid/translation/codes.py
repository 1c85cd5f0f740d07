"""How a translation model is told its languages, found by looking at its tokenizer.

NLLB, M2M100 and mBART-50 mark the source language with a token that the tokenizer adds, and the target language with
the first token of the translation, which is forced. MADLAD has a token of the target language before the text. Others
are told by a text before the text (T5), or not at all (Marian): those need a prefix from the user.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mteb_hybrid.collections.miracl import LANGUAGES
from mteb_hybrid.errors import TranslationError
from mteb_hybrid.language_names import english_name

if TYPE_CHECKING:
    from collections.abc import Mapping

# language -> (FLORES-200 code of NLLB, mBART-50's code or None); M2M100 and MADLAD use our own codes
_CODES: dict[str, tuple[str, str | None]] = {
    "ar": ("arb_Arab", "ar_AR"),
    "bn": ("ben_Beng", "bn_IN"),
    "de": ("deu_Latn", "de_DE"),
    "en": ("eng_Latn", "en_XX"),
    "es": ("spa_Latn", "es_XX"),
    "fa": ("pes_Arab", "fa_IR"),
    "fi": ("fin_Latn", "fi_FI"),
    "fr": ("fra_Latn", "fr_XX"),
    "hi": ("hin_Deva", "hi_IN"),
    "id": ("ind_Latn", "id_ID"),
    "ja": ("jpn_Jpan", "ja_XX"),
    "ko": ("kor_Hang", "ko_KR"),
    "ru": ("rus_Cyrl", "ru_RU"),
    "sw": ("swh_Latn", "sw_KE"),
    "te": ("tel_Telu", "te_IN"),
    "th": ("tha_Thai", "th_TH"),
    "yo": ("yor_Latn", None),
    "zh": ("zho_Hans", "zh_CN"),
}


@dataclass(frozen=True, slots=True)
class Convention:
    """A family's way of naming languages.

    Attributes:
        name: The family that has it.
        codes: Language to the family's code, which is what ``tokenizer.src_lang`` takes.
        token: The code's token, with ``{}`` for the code.
        before_the_text: The target's token stands before the text; the source language is not told.
    """

    name: str
    codes: Mapping[str, str]
    token: str = "{}"  # noqa: S105 - no password
    before_the_text: bool = False


CONVENTIONS = (
    Convention("NLLB", {language: flores for language, (flores, _) in _CODES.items()}),
    Convention("M2M100", {language: language for language in _CODES}, "__{}__"),
    Convention("mBART-50", {language: code for language, (_, code) in _CODES.items() if code}),
    Convention("MADLAD", {language: language for language in _CODES}, "<2{}>", before_the_text=True),
)


@dataclass(frozen=True, slots=True)
class Direction:
    """What tells a model one direction.

    Attributes:
        source_code: Value for ``tokenizer.src_lang``, or None.
        marker: Id of a token that every encoded text must then hold, or None: the source's mark, or MADLAD's target.
        forced_bos_token_id: First token of every translation, or None.
        prefix: Put before every text.
    """

    source_code: str | None = None
    marker: int | None = None
    forced_bos_token_id: int | None = None
    prefix: str = ""


class LanguageCodes:
    """The languages that a tokenizer can be told, and how.

    Attributes:
        convention: The family's way that the tokenizer was found to have, or None: told by the user's prefix.
    """

    def __init__(self, tokenizer: Any, model: str, prefix: str | None = None) -> None:
        """Look at a tokenizer's vocabulary.

        Args:
            tokenizer: A tokenizer of ``transformers``.
            model: Name of the model, for messages.
            prefix: Text before every text, for a model without one of the known ways; ``{source}`` and ``{target}``
                stand for the languages' English names. Empty for a model that translates one pair only.

        Raises:
            TranslationError: The tokenizer has no known way and there is no prefix, or it has one and there is one.
        """
        vocabulary = dict(tokenizer.get_vocab())
        # M2M100 does not list its languages in the vocabulary
        vocabulary |= getattr(tokenizer, "lang_token_to_id", None) or {}
        vocabulary |= getattr(tokenizer, "lang_code_to_id", None) or {}
        ids = {convention.name: _known(convention, vocabulary) for convention in CONVENTIONS}
        best = max(CONVENTIONS, key=lambda convention: len(ids[convention.name]))
        self.convention = best if len(ids[best.name]) > 1 else None  # a direction has two languages
        self._ids = ids[best.name]
        self._tokenizer, self._model, self._prefix = tokenizer, model, prefix
        if self.convention is None and prefix is None:
            raise TranslationError(
                f"{model} names languages in none of the known ways ({', '.join(way.name for way in CONVENTIONS)}). If "
                'it is told by the text, pass --prefix "translate {source} to {target}: "; if it translates one pair '
                'only, pass --prefix ""'
            )
        if self.convention is not None and prefix is not None:
            raise TranslationError(f"{model} names languages as {self.convention.name} does; leave --prefix out")

    @property
    def one_way(self) -> bool:
        """Whether the model is told no language, and so cannot be asked to translate back."""
        return self._prefix is not None and "{source}" not in self._prefix and "{target}" not in self._prefix

    def direction(self, source: str, target: str) -> Direction:
        """What tells the model to translate from ``source`` into ``target``, two of MIRACL's languages.

        Raises:
            TranslationError: The tokenizer does not know one of them; the message lists those that it knows.
        """
        for language in (source, target):
            if language not in LANGUAGES:
                raise TranslationError(f"{language!r} is no language of MIRACL; name one of {', '.join(LANGUAGES)}")
        if self.convention is None:
            prefix = self._prefix or ""
            names = {"{source}": english_name(source), "{target}": english_name(target)}
            for placeholder, name in names.items():
                prefix = prefix.replace(placeholder, name)
            return Direction(prefix=prefix)
        if self.convention.before_the_text:
            mark = self._id(target)
            return Direction(marker=mark, prefix=self.convention.token.format(self.convention.codes[target]) + " ")
        source_id, target_id = self._id(source), self._id(target)
        return Direction(self.convention.codes[source], source_id, target_id)

    def set(self, direction: Direction) -> None:
        """Set the tokenizer to a direction, and see that it took effect.

        Raises:
            TranslationError: Encoded texts do not carry the mark that they must.
        """
        if direction.source_code is not None:
            self._tokenizer.src_lang = direction.source_code
        if direction.marker is None:
            return
        if direction.marker not in self._tokenizer(f"{direction.prefix}a")["input_ids"]:
            raise TranslationError(
                f"the tokenizer of {self._model}, a {type(self._tokenizer).__name__}, has the languages of "
                f"{self.convention.name if self.convention else 'no family'} but does not mark texts with them; its "
                "tokenizer_config.json must name the family's own class"
            )

    def _id(self, language: str) -> int:
        if language not in self._ids:
            raise TranslationError(
                f"{self._model} does not know {english_name(language)} ({language}): take another model, or one of "
                f"MIRACL's languages that it knows: {', '.join(self._ids)}"
            )
        return self._ids[language]


def _known(convention: Convention, vocabulary: Mapping[str, int]) -> dict[str, int]:
    """Languages whose token is in a vocabulary, with its id."""
    tokens = {language: convention.token.format(code) for language, code in convention.codes.items()}
    return {language: vocabulary[token] for language, token in tokens.items() if token in vocabulary}
