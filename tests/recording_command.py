"""Commands with what only tests have: the pooled task on MIRACL's stand-in, and a model that notes what it encodes.

``python recording_command.py MODEL.pickle mteb run ...`` is ``mteb run ...`` with both of them known to MTEB.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from encoders import named_meta
from miracl_runs import Pooled
from ray_clusters import ENVIRONMENT
from recording_encoder import RecordingEncoder

from mteb_hybrid import _mteb

MODEL = "test/recording"
TASK = Pooled.metadata.name


def started(model: RecordingEncoder, program: str, *arguments: str, cwd: Path, **more: str) -> subprocess.Popen[bytes]:
    """The command in a process of its own.

    Args:
        model: What is `MODEL` there. In its folder is also what the command says, as ``said.txt``.
        program: ``mteb`` or ``mteb-hybrid``.
        arguments: Its arguments.
        cwd: Where it runs.
        more: Variables of its environment.
    """
    file = model.folder / "model.pickle"
    file.write_bytes(pickle.dumps(model))
    environment = {**os.environ, **ENVIRONMENT, "HF_DATASETS_CACHE": str(model.folder / "datasets"), "COLUMNS": "400"}
    with (model.folder / "said.txt").open("wb") as said:
        return subprocess.Popen(
            [sys.executable, __file__, str(file), program, *arguments], cwd=cwd, env=environment | more,
            stdout=said, stderr=subprocess.STDOUT,
        )  # fmt: skip


def main(file: str, program: str, *arguments: str) -> Any:
    """Do what the installed script of a program does."""

    def load(*_: Any, **__: Any) -> Any:
        return pickle.loads(Path(file).read_bytes())

    _mteb.add_tasks([Pooled])
    _mteb.add_models([named_meta(MODEL, loader=load)])
    (script,) = entry_points(group="console_scripts", name=program)
    sys.argv = [program, *arguments]
    return script.load()()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
