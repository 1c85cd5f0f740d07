"""Sentence-transformers directories with tiny random models, made without any download."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import torch


def base_model(folder: Path, kind: str, *, seed: int = 0, layers: int = 1, **config: Any) -> Path:
    """A BERT of eight dimensions that knows letters, in the format of transformers."""
    import transformers
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    letters = "abcdefghijklmnopqrstuvwxyz"
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{letter}" for letter in letters)]
    tokenizer = Tokenizer(models.WordPiece({token: i for i, token in enumerate(tokens)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=64,
        unk_token="[UNK]",
        pad_token="[PAD]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
    ).save_pretrained(folder)
    shape = transformers.BertConfig(
        vocab_size=len(tokens),
        hidden_size=8,
        num_hidden_layers=layers,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=64,
        **config,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        getattr(transformers, kind)(shape).save_pretrained(folder)
    return folder


def sentence_transformer(
    folder: Path,
    *,
    seed: int = 0,
    layers: int = 1,
    prompts: dict[str, str] | None = None,
    similarity: str | None = None,
    **config: Any,
) -> Path:
    """A sentence-transformers directory with random weights; more options are those of a BERT's configuration."""
    from sentence_transformers import SentenceTransformer

    base = base_model(folder.with_name(f"{folder.name}-base"), "BertModel", seed=seed, layers=layers, **config)
    made = SentenceTransformer(str(base), device="cpu", prompts=prompts, similarity_fn_name=similarity)
    made.save(str(folder))
    shutil.rmtree(base)
    return folder
