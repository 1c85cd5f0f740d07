"""Where the time of a run goes: seconds by part, no second counted to two of them."""

from __future__ import annotations

import contextlib
import time
from collections import defaultdict
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import torch

from mteb_hybrid.fingerprint import torch_module

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FORWARD, TOKENISING, HANDING = "forward pass", "tokenising", "rest of encoding"


class Stopwatch:
    """Adds up seconds by part; what an inner part takes is not counted to the outer one.

    Args:
        clock: Returns seconds: of the wall, or of this process on the CPU, `time.process_time`, where the machine is
            shared with others.

    Attributes:
        seconds: Seconds by part.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._clock = clock
        self._open: list[str] = []
        self._since = 0.0

    @contextlib.contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Count the block to a part."""
        self._charge()
        self._open.append(name)
        try:
            yield
        finally:
            self._charge()
            self._open.pop()

    @contextlib.contextmanager
    def watching(self, *places: tuple[Any, str, str]) -> Iterator[None]:
        """Count all calls of some functions, as long as the block runs.

        Args:
            places: A module, class or object, the name of a function or method of it, and the part that its calls are.
        """
        with contextlib.ExitStack() as stack:
            for owner, name, part in places:
                stack.enter_context(patch.object(owner, name, self._timed(getattr(owner, name), part)))
            yield

    def _timed(self, function: Callable[..., Any], part: str) -> Callable[..., Any]:
        def timed(*arguments: Any, **options: Any) -> Any:
            with self.part(part):
                return function(*arguments, **options)

        return timed

    def _charge(self) -> None:
        """Count the time since the last change to the innermost part that is open."""
        if torch.cuda.is_available():
            torch.cuda.synchronize()  # what a GPU has been told to do is not done yet
        now = self._clock()
        if self._open:
            self.seconds[self._open[-1]] += now - self._since
        self._since = now


def encoder_places(model: Any) -> list[tuple[Any, str, str]]:
    """The parts of an encoder of MTEB: all of ``encode``, and inside it what a sentence-transformers model does."""
    module = torch_module(model)
    places = [(model, "encode", HANDING)]
    if module is not None:
        places += [(module, tokenise_name(module), TOKENISING), (module, "forward", FORWARD)]
    return places


def tokenise_name(module: Any) -> str:
    """What the installed sentence-transformers calls the method that makes tensors of texts."""
    return "preprocess" if hasattr(module, "preprocess") else "tokenize"  # the latter before version 6
