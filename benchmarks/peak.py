"""The memory of this process, as Linux counts it."""

from __future__ import annotations

import contextlib
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_EVERY = 0.05  # seconds between looks


@dataclass
class Peak:
    """The most of something so far.

    Attributes:
        kib: In KiB.
    """

    kib: int = 0


@contextlib.contextmanager
def anonymous_peak() -> Iterator[Peak]:
    """The anonymous part, which the system cannot take back under pressure, sampled as long as the block runs."""
    peak, done = Peak(status("RssAnon")), threading.Event()

    def watch() -> None:
        while not done.wait(_EVERY):
            peak.kib = max(peak.kib, status("RssAnon"))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield peak
    finally:
        done.set()
        watcher.join()


def status(name: str) -> int:
    """A figure of /proc/self/status in KiB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1])
    return 0
