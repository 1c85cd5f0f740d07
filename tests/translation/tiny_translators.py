"""Translators that a test can look through: a word-by-word one, and a small random M2M100 model with its tokenizer."""

from __future__ import annotations

import functools
import io
import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from mteb_hybrid.errors import TranslationError

WORDS = ["bandari", "kubwa", "nchini", "kenya", "iko", "wapi", "where", "is", "the", "port", "river", "mto", "refu"]
SENTENCES = [f"{a} {b} {c}?" for a in WORDS for b in WORDS for c in WORDS]


class MarkingTranslator:
    """Translates ``text`` into ``<target>:text`` and back; knows what it was asked for."""

    name = "test/marking"
    revision = "r1"

    def __init__(self, languages: Sequence[str] = ("en", "sw", "bn", "yo"), *, both_ways: bool = True) -> None:
        self.languages, self.both_ways = languages, both_ways
        self.calls: list[tuple[str, str, list[str]]] = []
        self.fail_at: str | None = None
        self.empty: set[str] = set()

    @property
    def decoding(self) -> Mapping[str, Any]:
        return {"num_beams": 1, "max_new_tokens": 32}

    def check(self, source: str, target: str) -> None:
        for language in (source, target):
            if language not in self.languages:
                raise TranslationError(f"{self.name} does not know {language}")

    def reverses(self, source: str, target: str) -> bool:
        return self.both_ways

    def translate(self, texts: Sequence[str], source: str, target: str) -> list[str]:
        if self.fail_at in texts:
            raise KeyboardInterrupt
        self.calls.append((source, target, list(texts)))
        if target != "en":
            return [text.removeprefix(f"{source}:") for text in texts]
        return ["" if text in self.empty else f"{target}:{text}" for text in texts]

    @property
    def translated(self) -> list[str]:
        """All texts that were translated into English."""
        return [text for _, target, texts in self.calls for text in texts if target == "en"]


@pytest.fixture
def _one_thread():
    """PyTorch on one thread: a tiny model waits for its threads more than it computes."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@functools.cache
def m2m100_directory() -> Path:
    """A directory with a random M2M100 model of 30,000 weights, and a tokenizer trained on a few words."""
    import sentencepiece
    import torch
    from transformers import M2M100Config, M2M100ForConditionalGeneration, M2M100Tokenizer

    folder = Path(tempfile.mkdtemp(prefix="m2m100-")) / "tiny-m2m100"
    folder.mkdir()
    pieces = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(SENTENCES), model_writer=pieces, vocab_size=36, character_coverage=1.0, minloglevel=9
    )
    (folder / "source.model").write_bytes(pieces.getvalue())
    processor = sentencepiece.SentencePieceProcessor(model_proto=pieces.getvalue())
    names = [processor.id_to_piece(number) for number in range(processor.get_piece_size())]
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    vocabulary = {piece: number for number, piece in enumerate([*special, *(n for n in names if n not in special)])}
    (folder / "source.json").write_text(json.dumps(vocabulary), encoding="utf-8")
    tokenizer = M2M100Tokenizer(str(folder / "source.json"), str(folder / "source.model"), model_max_length=48)
    tokenizer.save_pretrained(folder)
    torch.manual_seed(3)
    config = M2M100Config(
        vocab_size=len(vocabulary) + 100 + 8, d_model=32, max_position_embeddings=64,
        encoder_layers=1, decoder_layers=1, encoder_attention_heads=2, decoder_attention_heads=2,
        encoder_ffn_dim=32, decoder_ffn_dim=32, init_std=0.5,
    )  # fmt: skip
    M2M100ForConditionalGeneration(config).save_pretrained(folder)
    return folder
