"""Passages of a wanted length: sentences of XQuAD-R put together, or invented words where it is not at hand."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import cycle, islice
from typing import TYPE_CHECKING, Any

import numpy as np
from standin import invented_texts

from mteb_hybrid.collections import xquad_r
from mteb_hybrid.collections.remote import data_folder

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class Sentences:
    """What passages are put together from.

    Attributes:
        origin: What they are, for readers.
        texts: Sentences by language, in the order of their collection.
        questions: Questions of all languages.
    """

    origin: str
    texts: list[list[str]]
    questions: list[str]

    @classmethod
    def at_hand(cls) -> Sentences:
        """XQuAD-R's, if ``MTEB_HYBRID_DATA`` has it, else invented ones."""
        folder = data_folder()
        if folder is None or not (folder / "xquad-r").is_dir():
            texts = list(invented_texts(14_000, words=8))
            return cls("invented words (MTEB_HYBRID_DATA has no XQuAD-R)", [texts[1000:]], texts[:1000])
        collection = xquad_r()
        parts = [collection.load(language) for language in collection.languages]
        return cls(
            "consecutive sentences of XQuAD-R in 11 languages",
            [list(part.passages) for part in parts],
            [question for part in parts for question in part.queries],
        )

    def passages(self, count: int, tokenizer: Any, tokens: int) -> list[str]:
        """Distinct passages, as many of each language, of half to one and a half times the wanted number of tokens.

        Raises:
            SystemExit: There are not so many.
        """
        lengths = [[len(ids) for ids in tokenizer(one, add_special_tokens=False)["input_ids"]] for one in self.texts]
        random = np.random.default_rng(0)
        streams = cycle(
            [_joined(texts, sizes, tokens, random) for texts, sizes in zip(self.texts, lengths, strict=True)]
        )
        drawn = (next(stream) for stream in streams)
        found = dict.fromkeys(islice(drawn, count))
        while len(found) < count:
            before = len(found)
            found.update(dict.fromkeys(islice(drawn, count)))
            if len(found) == before:
                raise SystemExit(f"only {before:,} passages of {tokens} tokens can be put together from {self.origin}")
        return list(found)[:count]


def _joined(texts: list[str], sizes: list[int], tokens: int, random: np.random.Generator) -> Iterator[str]:
    """Consecutive texts put together, over and over, each time cut elsewhere; without end."""
    taken: list[str] = []
    length, wanted = 0, tokens / 2 + tokens * random.random()
    for text, size in cycle(zip(texts, sizes, strict=True)):
        # whichever of with and without this text is nearer to the wanted length
        if taken and length + size / 2 > wanted:
            yield " ".join(taken)
            taken, length, wanted = [], 0, tokens / 2 + tokens * random.random()
        taken.append(text)
        length += size
