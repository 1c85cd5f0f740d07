"""How far a run is: a bar on a terminal, a line a minute where there is none, as in the log of a job on a cluster."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

from tqdm.auto import tqdm

if TYPE_CHECKING:
    from types import TracebackType

_EVERY = 60.0  # seconds between lines


class Told:
    """Tells how much is done, at which rate, and how long the rest will take.

    Args:
        label: What is done.
        unit: What is counted.
        total: How many there are.
        done: How many were done before.
    """

    def __init__(self, label: str, unit: str, total: int, done: int = 0) -> None:
        self._label, self._unit, self._total, self._before, self._done = label, unit, total, done, done
        self._bar: Any = tqdm(total=total, initial=done, desc=label, unit=unit, disable=None)
        self._began = self._said = time.monotonic()

    def __enter__(self) -> Told:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._bar.close()

    def more(self, done: int) -> None:
        """Count what was done just now."""
        self._done += done
        self._bar.update(done)
        now = time.monotonic()
        if self._bar.disable and (now - self._said >= _EVERY or self._done == self._total):
            self._said = now
            line = tqdm.format_meter(
                self._done, self._total, now - self._began,
                prefix=self._label, unit=self._unit, initial=self._before, ncols=0,
            )  # fmt: skip
            tqdm.write(line, file=sys.stderr)
