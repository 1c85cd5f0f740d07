"""How fast an encoder encodes passages, part by part."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import torch
from cost_model import Encoding, Load
from flops import Architecture
from mteb.types import PromptType
from standin import LANGUAGE
from stopwatch import FORWARD, HANDING, Stopwatch, encoder_places, tokenise_name

from mteb_hybrid import _mteb
from mteb_hybrid.fingerprint import torch_module
from mteb_hybrid.streaming.passes import DEFAULT_CHUNK
from mteb_hybrid.tasks.embedder import Embedder
from mteb_hybrid.tasks.miracl import MIRACLMonolingual

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_TOKENISED = 2048  # texts that the rate of tokenising is measured on


@dataclass(frozen=True, slots=True)
class Bench:
    """An encoder of MTEB that is measured.

    Attributes:
        model: The encoder.
        batch_size: Texts of a batch.
        clock: Returns seconds.
    """

    model: Any
    batch_size: int
    clock: Callable[[], float]

    @property
    def module(self) -> Any:
        """Its sentence-transformers model; None if it has none, and then nothing is known of tokens and operations."""
        return torch_module(self.model)

    @property
    def options(self) -> dict[str, Any]:
        """Options of ``encode``."""
        return {"batch_size": self.batch_size, "show_progress_bar": False}

    def dimension(self) -> int:
        """Dimension of its embeddings."""
        return int(self.module.encode("one text").shape[0])

    def token_counts(self, texts: Sequence[str]) -> list[int]:
        """Numbers of tokens of passages as the model reads them."""
        encoded = self.module.tokenizer(
            [self._prompt + text for text in texts], truncation=True, max_length=self.module.max_seq_length
        )
        return [len(ids) for ids in encoded["input_ids"]]

    def load(self, passages: Sequence[str], questions: Sequence[str], asked: int) -> Load:
        """What there is to do for some passages and questions, where so many questions are counted for."""
        lengths = self.token_counts([*passages, *questions]) if self.module is not None else []
        flops = Architecture.of(self.module).flops(lengths) if lengths else 0.0
        return Load(len(passages), len(passages) + len(questions), sum(lengths), flops, asked)

    def encoding(self, sample: list[str], texts: list[str]) -> Encoding:
        """Encode as a worker does: a sample in earnest, many others without tokenising and forward pass."""
        embedder = Embedder(self.model, MIRACLMonolingual.metadata, "dev", LANGUAGE, self.options)
        watch = Stopwatch(self.clock)
        with self._emptied(), watch.part(HANDING):
            embedder.embed_once(texts[:DEFAULT_CHUNK], PromptType.document)
        handing = watch.seconds[HANDING] / len(texts[:DEFAULT_CHUNK])
        if self.module is None:
            return Encoding(handing, 0.0, 0.0, float("inf"))
        embedder.embed_once(
            sample[: self.batch_size], PromptType.document
        )  # what is done once, such as choosing kernels
        with watch.watching(*encoder_places(self.model)):
            embedder.embed_once(sample, PromptType.document)
        forward = self.load(sample, (), 0).flops / watch.seconds[FORWARD]
        return Encoding(handing, *self._tokenising(sorted(texts[:_TOKENISED], key=len, reverse=True)), forward)

    def _tokenising(self, texts: list[str]) -> tuple[float, float]:
        """Seconds a token in the tokenizer's own library, and in Python; batches as encoding makes them."""
        watch, tokenise = Stopwatch(self.clock), getattr(self.module, tokenise_name(self.module))
        backend = getattr(self.module.tokenizer, "backend_tokenizer", None)
        for start in range(0, len(texts), self.batch_size):
            batch = [self._prompt + text for text in texts[start : start + self.batch_size]]
            with watch.part("all"):
                tokenise(batch)
            with watch.part("library"):
                if backend is not None:  # else all of it is Python
                    backend.encode_batch(batch)
        tokens = sum(self.token_counts(texts))
        library = watch.seconds["library"] / tokens
        return library, max(0.0, watch.seconds["all"] / tokens - library)

    @contextlib.contextmanager
    def _emptied(self) -> Iterator[None]:
        """As long as the block runs, a sentence-transformers model neither tokenises nor computes."""
        module = self.module
        if module is None:
            yield
            return
        width = self.dimension()

        def forward(features: dict[str, torch.Tensor], **_options: Any) -> dict[str, torch.Tensor]:
            return {"sentence_embedding": torch.ones(len(features["input_ids"]), width, device=module.device)}

        def tokenise(texts: list[str], *_arguments: Any, **_options: Any) -> dict[str, torch.Tensor]:
            return {"input_ids": torch.zeros(len(texts), 1)}

        with patch.object(module, tokenise_name(module), tokenise), patch.object(module, "forward", forward):
            yield

    @property
    def _prompt(self) -> str:
        return _mteb.resolved_prompt(self.model, MIRACLMonolingual.metadata, PromptType.document)[0] or ""
