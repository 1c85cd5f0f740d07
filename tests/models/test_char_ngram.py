"""The embedded baseline ``mteb-hybrid/char-ngram``."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import unicodedata
from collections import Counter
from pathlib import Path
from typing import Any

import mteb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mteb.types import PromptType
from sklearn.utils import murmurhash3_32

from mteb_hybrid.models import CHAR_NGRAM, char_ngram_meta
from mteb_hybrid.models.char_ngram import DIMENSION, CharNgramEncoder
from mteb_hybrid.tasks.loader import text_loader

TEXTS = [
    "Wie viele Punkte gab die Verteidigung der Panthers ab?",
    "Σε ποιον πόντο βρίσκεται η πόλη;",
    "डिफेंस ने कितने अंक दिए?",
    "华沙的人口是多少？",
    "กรุงวอร์ซอมีประชากรเท่าใด",
    "كم عدد النقاط؟",
    "a",
]


@pytest.fixture(scope="module")
def model() -> Any:
    return mteb.get_model(CHAR_NGRAM)


def encode(texts: list[str]) -> np.ndarray:
    """Embeddings without MTEB's loader around the texts."""
    return CharNgramEncoder(CHAR_NGRAM).encode([{"text": texts}])


def expected(text: str) -> np.ndarray:
    """What the docstring promises, written down a second time."""
    counts: Counter[str] = Counter()
    for word in unicodedata.normalize("NFKC", text).lower().split():
        padded = f" {word} "
        for n in range(1, 5):
            grams = [padded[i : i + n] for i in range(len(padded) - n + 1)]
            counts.update(grams)
            if len(grams) <= 1:  # the padded word itself counts once
                counts.update([padded] if not grams else [])
                break
    row = np.zeros(DIMENSION)
    for gram, count in counts.items():
        row[abs(murmurhash3_32(gram, seed=0)) % DIMENSION] += count
    return row / np.linalg.norm(row)


def test_declared_as_it_is(model: Any) -> None:
    """Name, revision and dimension of the metadata are those of the loaded model and its embeddings."""
    meta = model.mteb_model_meta
    assert (meta.name, meta.revision) == ("mteb-hybrid/char-ngram", "1")
    assert meta.embed_dim == char_ngram_meta().embed_dim == DIMENSION == encode(["text"]).shape[1]
    assert len(meta.languages) == 21


def test_embeds_through_mteb(model: Any) -> None:
    """mteb.get_model gives a model that encodes MTEB's DataLoader, whatever the role and the batch size."""
    metadata = mteb.get_task("MiniQARMonolingual").metadata
    direct = encode(TEXTS)
    for role in (PromptType.query, PromptType.document):
        for size in (1, 3, 100):
            loader = text_loader(TEXTS, role, size)
            found = model.encode(loader, task_metadata=metadata, hf_split="test", hf_subset="de", prompt_type=role)
            np.testing.assert_array_equal(found, direct)


def test_form() -> None:
    """One float32 row of length 1 per text, in the order of the texts, without negative values."""
    found = encode(TEXTS)
    assert found.dtype == np.float32
    assert found.shape == (len(TEXTS), DIMENSION)
    np.testing.assert_allclose(np.linalg.norm(found.astype(np.float64), axis=1), 1, atol=1e-6)
    assert (found >= 0).all()
    for text, row in zip(TEXTS, found, strict=True):
        np.testing.assert_array_equal(encode([text])[0], row)
    assert len({row.tobytes() for row in found}) == len(TEXTS)


@pytest.mark.parametrize("text", [*TEXTS, "ab", "aaaa aaaa", "ＡＢＣ １２３", "ﬁx", "Ünïcödé\tand\nlines"])
def test_counts_of_character_ngrams(text: str) -> None:
    """The row is the normalised count of 1- to 4-grams inside words, hashed without sign."""
    np.testing.assert_allclose(encode([text])[0], expected(text), atol=1e-6)


@pytest.mark.parametrize(
    ("one", "other"),
    [("ÄPFEL", "äpfel"), ("ＡＢＣ", "abc"), ("a\u0308pfel", "äpfel"), ("zwei  Wörter\n", "zwei Wörter")],
)
def test_spellings_of_the_same_text(one: str, other: str) -> None:
    """Case, width, composition and spacing do not matter."""
    np.testing.assert_array_equal(encode([one]), encode([other]))


def test_finds_spelling(model: Any) -> None:
    """Texts that share words are nearer than texts that do not: it is a baseline, not noise."""
    question, same, other = encode(["Wo liegt Warschau?", "Warschau liegt an der Weichsel.", "Βαρσοβία: ο ποταμός"])
    assert question @ same > question @ other + 0.2


@settings(max_examples=300, deadline=None)
@given(st.text(min_size=1).filter(lambda text: text.strip()))
def test_no_text_is_zero(text: str) -> None:
    """Any text that is not blank has an embedding of length 1."""
    (row,) = encode([text])
    assert abs(np.linalg.norm(row.astype(np.float64)) - 1) < 1e-6


def test_blank_text_is_zero() -> None:
    """Blank texts have nothing to count: a row of zeros, and no NaN."""
    np.testing.assert_array_equal(encode(["", "  \t\n"]), np.zeros((2, DIMENSION), dtype=np.float32))


def test_same_in_every_process(tmp_path: Path) -> None:
    """Embeddings are the same bytes in other processes, whatever PYTHONHASHSEED is."""
    script = """
import hashlib, json, sys, types
sys.modules["mteb"] = types.ModuleType("mteb")  # ten seconds of imports that the encoder has no use for
for name in ("mteb.models", "mteb.models.abs_encoder"):
    sys.modules[name] = types.ModuleType(name)
sys.modules["mteb.models.abs_encoder"].AbsEncoder = object
from mteb_hybrid.models.char_ngram import CharNgramEncoder
found = CharNgramEncoder("any").encode([{"text": json.loads(sys.argv[1])}])
print(hash("text"), hashlib.sha256(found.tobytes()).hexdigest())
"""
    answers = []
    for seed in ("1", "4242"):
        env = os.environ | {"PYTHONHASHSEED": seed, "MTEB_HYBRID_AUTOLOAD": "0"}
        env.pop("PYTHONPATH", None)
        done = subprocess.run(
            [sys.executable, "-c", script, json.dumps(TEXTS)], cwd=tmp_path, env=env, text=True, capture_output=True
        )
        assert done.returncode == 0, done.stderr
        answers.append(done.stdout.split())
    hashes, digests = zip(*answers, strict=True)
    assert hashes[0] != hashes[1]  # the two processes do differ
    assert set(digests) == {hashlib.sha256(encode(TEXTS).tobytes()).hexdigest()}
