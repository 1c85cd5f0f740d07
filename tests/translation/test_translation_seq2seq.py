"""A small random M2M100 model as a translator, against its own tokenizer and `generate`, text by text."""

from __future__ import annotations

import json
import logging
import os
import shutil
from pathlib import Path

import pytest
from tiny_translators import _one_thread, m2m100_directory  # noqa: F401 - a fixture

from mteb_hybrid.errors import TranslationError
from mteb_hybrid.models.directory import directory_revision
from mteb_hybrid.translation.seq2seq import Seq2SeqTranslator

pytest.importorskip("sentencepiece")
pytestmark = pytest.mark.usefixtures("_one_thread")

TEXTS = ["bandari kubwa iko wapi?", "kenya", "mto refu nchini kenya iko wapi kubwa?", "iko wapi?", "mto mto mto?"]


@pytest.fixture(scope="module")
def directory() -> Path:
    return m2m100_directory()


def translator(directory: Path, **settings) -> Seq2SeqTranslator:
    return Seq2SeqTranslator(str(directory), **{"max_new_tokens": 8, "num_beams": 1, "device": "cpu", **settings})


def one_by_one(directory: Path, source: str, target: str, beams: int, shortest: int = 2) -> list[str]:
    """Each text through the family's own tokenizer and generate, without batches."""
    import torch
    from transformers import M2M100ForConditionalGeneration, M2M100Tokenizer

    tokenizer = M2M100Tokenizer.from_pretrained(str(directory), src_lang=source)
    model = M2M100ForConditionalGeneration.from_pretrained(str(directory)).float().eval()
    translations = []
    for text in TEXTS:
        with torch.inference_mode():
            ids = model.generate(
                **tokenizer(text, return_tensors="pt"),
                forced_bos_token_id=tokenizer.get_lang_id(target),
                num_beams=beams,
                early_stopping=beams > 1,
                max_new_tokens=8,
                min_new_tokens=shortest,
                do_sample=False,
            )
        assert ids[0, 1] == tokenizer.get_lang_id(target)
        whole = tokenizer.decode(ids[0, 2:], skip_special_tokens=True, clean_up_tokenization_spaces=False)
        translations.append(whole.strip())
    return translations


@pytest.mark.parametrize("beams", [1, 3])
def test_as_one_by_one(directory: Path, beams: int) -> None:
    """Batches sorted by length give, in the texts' order, what each text gives by itself."""
    alone = one_by_one(directory, "sw", "en", beams)
    found = translator(directory, num_beams=beams, batch_size=2).translate(TEXTS, "sw", "en")
    assert found == alone
    assert len(set(found)) > 1


def test_languages_matter(directory: Path) -> None:
    """Another source or target language gives other translations: both reach the model."""
    made = translator(directory)
    english = made.translate(TEXTS, "sw", "en")
    assert made.translate(TEXTS, "sw", "fr") != english
    assert made.translate(TEXTS, "de", "en") != english
    assert made.translate(TEXTS, "sw", "en") == english


def test_nothing_to_translate(directory: Path) -> None:
    """No texts, no translations."""
    assert translator(directory).translate([], "sw", "en") == []


def test_never_empty(directory: Path, tmp_path: Path) -> None:
    """A model that would end every translation at once must say something first."""
    other = tmp_path / "laconic"
    shutil.copytree(directory, other)
    path = other / "generation_config.json"
    settings = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(settings | {"sequence_bias": [[[2], 1e4]]}), encoding="utf-8")  # 2 is the end
    assert one_by_one(other, "sw", "en", 1, shortest=0) == [""] * len(TEXTS)
    assert all(translator(other).translate(TEXTS, "sw", "en"))


def test_identity(directory: Path) -> None:
    """A directory's name and revision are those of `mteb run` on directories; decoding says what decides."""
    made = translator(directory, num_beams=2)
    assert made.name == "local/tiny-m2m100"
    assert made.revision == directory_revision(directory)
    assert made.decoding == {"num_beams": 2, "max_new_tokens": 8, "do_sample": False, "prefix": None}
    assert translator(directory, revision=made.revision).revision == made.revision
    with pytest.raises(TranslationError, match="leave the revision out"):
        translator(directory, revision="main")


def test_directions(directory: Path) -> None:
    """M2M100 has no Telugu: neither forth nor back; Swahili goes both ways."""
    made = translator(directory)
    made.check("sw", "en")
    assert made.reverses("sw", "en")
    assert not made.reverses("te", "en")
    with pytest.raises(TranslationError, match=r"does not know Telugu \(te\)"):
        made.translate(["?"], "te", "en")


def test_too_long(directory: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A text beyond what the model reads is cut off with a warning, not a crash."""
    with caplog.at_level(logging.WARNING):
        assert len(translator(directory).translate(["kenya " * 200, "kenya"], "sw", "en")) == 2
    assert "1 texts reach the 48 tokens of local/tiny-m2m100" in caplog.text


def test_generation_settings_of_the_checkpoint(directory: Path, tmp_path: Path) -> None:
    """A checkpoint that asks for sampling and a length of its own is decoded as we say all the same."""
    other = tmp_path / "sampling"
    shutil.copytree(directory, other)
    path = other / "generation_config.json"
    settings = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(settings | {"do_sample": True, "max_length": 3, "num_beams": 7}), encoding="utf-8")
    assert translator(other).translate(TEXTS, "sw", "en") == translator(directory).translate(TEXTS, "sw", "en")


def test_prefix_for_a_family_that_needs_none(directory: Path) -> None:
    """A prefix for M2M100 is refused."""
    with pytest.raises(TranslationError, match="names languages as M2M100 does; leave --prefix out"):
        translator(directory, prefix="")


def test_no_model(tmp_path: Path) -> None:
    """A directory without a model is named."""
    with pytest.raises(TranslationError, match=rf"{tmp_path} could not be loaded as a sequence-to-sequence model"):
        translator(tmp_path)


def test_model_of_another_kind(directory: Path, tmp_path: Path) -> None:
    """A model that is not sequence-to-sequence is refused."""
    other = tmp_path / "bert"
    shutil.copytree(directory, other)
    (other / "config.json").write_text(json.dumps({"model_type": "bert"}), encoding="utf-8")
    with pytest.raises(TranslationError, match="could not be loaded as a sequence-to-sequence model"):
        translator(other)


def test_name_that_nobody_has(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that is no directory and cannot be fetched is named, with what was tried."""
    if os.environ.get("HF_HUB_OFFLINE") != "1":
        monkeypatch.setattr(
            "huggingface_hub.hf_hub_download", lambda *rest, **more: (_ for _ in ()).throw(OSError("no"))
        )
    with pytest.raises(TranslationError, match=r"someone/no-model \(main\) is neither a directory nor a model"):
        Seq2SeqTranslator("someone/no-model")


@pytest.mark.parametrize("setting", ["batch_size", "num_beams", "max_new_tokens"])
def test_less_than_one(directory: Path, setting: str) -> None:
    """Numbers below 1 are refused before the model is loaded."""
    with pytest.raises(TranslationError, match="must be at least 1, not 0"):
        translator(directory, **{setting: 0})


def test_device_that_is_not_there(directory: Path) -> None:
    """A device that PyTorch does not have is named."""
    with pytest.raises(TranslationError, match="cannot be put on nowhere"):
        translator(directory, device="nowhere")
