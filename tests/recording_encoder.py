"""An encoder for runs on several processes: it notes on disk what it encodes, and goes wrong when it is told to."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import numpy as np
import torch
from encoders import CountingEncoder


@dataclass(frozen=True)
class Trouble:
    """What happens when a text is to be encoded.

    Attributes:
        text: The text.
        kind: ``kill`` the process, return ``nan``, ``raise``, or be out of ``memory``.
        times: How often; None for always.
    """

    text: str
    kind: str
    times: int | None = None


class RecordingEncoder(CountingEncoder):
    """Hash vectors; every call's texts are a file in ``folder``.

    Attributes:
        pause: Seconds that each text takes. (Workers import this class: what a test patches of it they never see.)
        held: A text that is not encoded before there is a file ``go`` in ``folder``, or for two minutes.
    """

    def __init__(self, folder: Path, trouble: Trouble | None = None, name: str = "test/recording") -> None:
        super().__init__(name)
        self.folder = folder
        self.trouble = trouble
        self.pause = 0.0
        self.held: str | None = None

    def encode(self, inputs, *, task_metadata, hf_split, hf_subset, prompt_type=None, **kwargs):
        texts = [text for batch in inputs for text in batch["text"]]
        time.sleep(self.pause * len(texts))
        deadline = time.monotonic() + 120
        while self.held in texts and not (self.folder / "go").exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        found = np.stack([self.vector(text) for text in texts])
        if self.trouble is not None and self.trouble.text in texts and self._is_due():
            kind = self.trouble.kind
            if kind == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            if kind == "memory":
                raise torch.OutOfMemoryError("CUDA out of memory")
            if kind == "raise":
                raise KeyError("a bug in somebody's model")
            if kind == "nan":
                found[texts.index(self.trouble.text)] = np.nan
        name = f"{prompt_type.value}-{os.getpid()}-{uuid4().hex}"
        (self.folder / f"{name}.part").write_text("\0".join(texts), encoding="utf-8")
        (self.folder / f"{name}.part").rename(self.folder / f"{name}.txt")
        return found

    def encoded(self, role: str = "document", by: str = "*") -> Counter[str]:
        """How often each text was encoded, by all processes or by one of `processes`."""
        files = self.folder.glob(f"{role}-{by}-*.txt")
        return Counter(text for file in files for text in file.read_text(encoding="utf-8").split("\0"))

    def processes(self, role: str = "document") -> set[str]:
        """The processes that have encoded."""
        return {file.name.split("-")[1] for file in self.folder.glob(f"{role}-*.txt")}

    def _is_due(self) -> bool:
        seen = len(list(self.folder.glob("trouble-*")))
        (self.folder / f"trouble-{seen}").touch()
        return self.trouble.times is None or seen < self.trouble.times
