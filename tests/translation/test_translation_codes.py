"""How models are told languages: the known families by their vocabularies, others by the user's prefix."""

from __future__ import annotations

from typing import Any

import pytest

from mteb_hybrid.collections.miracl import LANGUAGES
from mteb_hybrid.errors import TranslationError
from mteb_hybrid.translation.codes import CONVENTIONS, Direction, LanguageCodes

ORDINARY = ["<s>", "<pad>", "</s>", "<unk>", "▁a", "en", "sw", "de"]


class Tokenizer:
    """A tokenizer that has these tokens and encodes a text as its words, behind the source language's token."""

    def __init__(self, tokens: list[str], mark: str | None = "{}", hidden: list[str] | None = None) -> None:
        self.vocabulary = {token: number for number, token in enumerate([*ORDINARY, *tokens])}
        self.mark = mark
        self.src_lang: str | None = None
        if hidden is not None:  # as M2M100 does: the languages are not in get_vocab()
            self.lang_token_to_id = {token: len(self.vocabulary) + number for number, token in enumerate(hidden)}

    def get_vocab(self) -> dict[str, int]:
        return self.vocabulary

    def __call__(self, text: str) -> dict[str, list[int]]:
        ids = self.vocabulary | getattr(self, "lang_token_to_id", {})
        start = [ids[self.mark.format(self.src_lang)]] if self.mark is not None and self.src_lang is not None else []
        return {"input_ids": start + [ids.get(word, 3) for word in text.split()]}


def nllb() -> Tokenizer:
    return Tokenizer(["ace_Arab", "eng_Latn", "swh_Latn", "pes_Arab", "zho_Hans"])


def m2m100() -> Tokenizer:
    return Tokenizer([], "__{}__", hidden=["__af__", "__en__", "__fa__", "__sw__"])


def mbart() -> Tokenizer:
    return Tokenizer(["ar_AR", "en_XX", "fa_IR", "sw_KE", "zh_CN"])


def madlad() -> Tokenizer:
    return Tokenizer(["<2en>", "<2sw>", "<2te>", "<2yo>"], mark=None)


@pytest.mark.parametrize(
    ("tokenizer", "family", "code", "source", "target"),
    [
        (nllb(), "NLLB", "swh_Latn", "swh_Latn", "eng_Latn"),
        (m2m100(), "M2M100", "sw", "__sw__", "__en__"),
        (mbart(), "mBART-50", "sw_KE", "sw_KE", "en_XX"),
    ],
)
def test_marked_source_and_forced_target(
    tokenizer: Tokenizer, family: str, code: str, source: str, target: str
) -> None:
    """NLLB, M2M100 and mBART-50: the source is set on the tokenizer, the target's token is forced."""
    ids = tokenizer.vocabulary | getattr(tokenizer, "lang_token_to_id", {})
    codes = LanguageCodes(tokenizer, "someone/model")
    assert codes.convention is not None
    assert codes.convention.name == family
    assert not codes.one_way
    direction = codes.direction("sw", "en")
    assert direction == Direction(source_code=code, marker=ids[source], forced_bos_token_id=ids[target], prefix="")
    codes.set(direction)
    assert tokenizer.src_lang == code


def test_madlad() -> None:
    """MADLAD: the target's token stands before the text, nothing is forced and nothing is set."""
    tokenizer = madlad()
    codes = LanguageCodes(tokenizer, "someone/model")
    assert codes.convention is not None
    assert codes.convention.name == "MADLAD"
    direction = codes.direction("te", "sw")
    assert direction == Direction(marker=tokenizer.vocabulary["<2sw>"], prefix="<2sw> ")
    codes.set(direction)
    assert tokenizer.src_lang is None


def test_every_language() -> None:
    """Each family has a code of its own for every language of MIRACL, but for mBART-50, which has no Yoruba."""
    for convention in CONVENTIONS:
        lacking = set(LANGUAGES) - set(convention.codes)
        assert lacking == ({"yo"} if convention.name == "mBART-50" else set())
        assert len(set(convention.codes.values())) == len(convention.codes)
    assert len(LANGUAGES) == 18


def test_codes_of_the_families_tokenizers() -> None:
    """The codes are those that the families' tokenizers in transformers list; M2M100 has no Telugu."""
    m2m = pytest.importorskip("transformers.models.m2m_100.tokenization_m2m_100").FAIRSEQ_LANGUAGE_CODES["m2m100"]
    flores = pytest.importorskip("transformers.models.nllb.tokenization_nllb").FAIRSEQ_LANGUAGE_CODES
    fifty = pytest.importorskip("transformers.models.mbart50.tokenization_mbart50").FAIRSEQ_LANGUAGE_CODES
    by_name = {convention.name: convention for convention in CONVENTIONS}
    assert set(by_name["NLLB"].codes.values()) <= set(flores)
    assert set(by_name["mBART-50"].codes.values()) <= set(fifty)
    assert set(by_name["M2M100"].codes.values()) - set(m2m) == {"te"}


@pytest.mark.parametrize(("source", "target"), [("te", "en"), ("en", "te")])
def test_unknown_language(source: str, target: str) -> None:
    """A language that the tokenizer lacks: the language, the model, and what it knows."""
    codes = LanguageCodes(m2m100(), "someone/m2m")
    with pytest.raises(
        TranslationError,
        match=r"someone/m2m does not know Telugu \(te\): take another model, or one of .* it knows: en, fa, sw$",
    ):
        codes.direction(source, target)


def test_no_language_of_miracl() -> None:
    """A language outside of MIRACL is refused, whatever the tokenizer knows."""
    with pytest.raises(TranslationError, match="'af' is no language of MIRACL"):
        LanguageCodes(m2m100(), "someone/m2m").direction("af", "en")


class TestPrefix:
    def test_needed(self) -> None:
        """A tokenizer without a known way: both uses of --prefix are told."""
        with pytest.raises(
            TranslationError, match=r"none of the known ways.*--prefix \"translate \{source\}.*--prefix"
        ):
            LanguageCodes(Tokenizer([]), "someone/t5")

    def test_one_token_is_no_family(self) -> None:
        """A single token that looks like a language does not make a family: a direction takes two."""
        with pytest.raises(TranslationError, match="none of the known ways"):
            LanguageCodes(Tokenizer(["en_XX"]), "someone/t5")

    def test_names(self) -> None:
        """T5: the languages' English names take the places in the prefix."""
        codes = LanguageCodes(Tokenizer([]), "someone/t5", "translate {source} to {target}: ")
        assert not codes.one_way
        assert codes.direction("de", "en") == Direction(prefix="translate German to English: ")
        assert codes.direction("en", "de") == Direction(prefix="translate English to German: ")

    @pytest.mark.parametrize("prefix", ["", "translate German to English: "])
    def test_one_way(self, prefix: str) -> None:
        """A prefix without places is used as it is, and the model cannot be asked to translate back."""
        codes = LanguageCodes(Tokenizer([]), "someone/opus-mt", prefix)
        assert codes.one_way
        assert codes.direction("de", "en") == Direction(prefix=prefix)
        codes.set(codes.direction("de", "en"))

    @pytest.mark.parametrize("prefix", ["", "translate {source} to {target}: "])
    def test_not_needed(self, prefix: str) -> None:
        """A prefix for a family that has its own way is refused."""
        with pytest.raises(TranslationError, match="names languages as NLLB does; leave --prefix out"):
            LanguageCodes(nllb(), "someone/nllb", prefix)


def test_mark_without_effect() -> None:
    """A tokenizer that has the languages but does not mark texts with them (the wrong class) is refused."""
    tokenizer: Any = Tokenizer(["eng_Latn", "swh_Latn"], mark=None)
    codes = LanguageCodes(tokenizer, "someone/model")
    with pytest.raises(TranslationError, match="does not mark texts with them; its tokenizer_config"):
        codes.set(codes.direction("sw", "en"))
