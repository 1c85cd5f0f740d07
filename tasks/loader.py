"""What an encoder is handed: the batches that MTEB itself would hand it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mteb.types import PromptType

from mteb_hybrid.tasks.in_memory import table

if TYPE_CHECKING:
    from collections.abc import Sequence


def text_loader(texts: Sequence[str], role: PromptType, batch_size: int) -> Any:
    """The DataLoader that MTEB would hand to ``model.encode`` for these texts in this role.

    MTEB goes text by text, slower than a GPU encodes them.
    Passages with a ``heading`` and a ``body`` (`mteb_hybrid.streaming.corpus.TitledText`) are handed out with both.
    """
    from torch.utils.data import DataLoader

    columns: dict[str, Sequence[str]] = {"id": [str(i) for i in range(len(texts))], "text": list(texts)}
    if role is PromptType.document:
        columns["body"] = [str(getattr(text, "body", text)) for text in texts]
        columns["text"] = [text.strip() for text in texts]
        if any(hasattr(text, "heading") for text in texts):
            columns["title"] = [getattr(text, "heading", "") for text in texts]
    else:
        columns["query"] = columns["text"]
    prepared: Any = table(columns)
    return DataLoader(prepared, batch_size=batch_size)
