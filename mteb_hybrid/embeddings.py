"""The store in which every text is encoded once, over all subsets and all tasks of a run.

MTEB evaluates subset by subset and would encode a corpus again for each of them: 443,388 texts for the three XQuAD-R
tasks instead of 26,021. The store keeps embeddings by model, role, the prompt that the model really uses, and text. It
outlives MTEB's unloading of a task's data, is bounded in bytes, and is emptied when `mteb.evaluate` ends. Outside of
`mteb.evaluate` (``task.evaluate`` called by hand, in a training loop, say) it forgets a model whose weights change.
"""

from __future__ import annotations

import contextlib
import logging
import os
import weakref
from collections import OrderedDict
from dataclasses import dataclass, field
from itertools import filterfalse
from typing import TYPE_CHECKING, Any

import numpy as np

from mteb_hybrid.errors import EmbeddingError
from mteb_hybrid.fingerprint import torch_module

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Sequence

    from numpy.typing import NDArray

logger = logging.getLogger(__name__)

STORE_VARIABLE = "MTEB_HYBRID_STORE_BYTES"
DEFAULT_STORE_BYTES = 4 << 30


@dataclass
class _Shelf:
    """Embeddings that share model, role and prompt: a growing matrix and the row of each text."""

    row: dict[str, int] = field(default_factory=dict)
    matrix: NDArray[np.float32] = field(default_factory=lambda: np.empty((0, 0), dtype=np.float32))

    def add(self, texts: Sequence[str], embeddings: NDArray[np.float32]) -> None:
        used = len(self.row)
        needed = used + len(texts)
        if needed > len(self.matrix):
            grown = np.empty((max(needed, 2 * len(self.matrix)), embeddings.shape[1]), dtype=np.float32)
            if used:
                grown[:used] = self.matrix[:used]
            self.matrix = grown
        self.matrix[used:needed] = embeddings
        self.row.update(zip(texts, range(used, needed), strict=True))

    def get(self, texts: Sequence[str]) -> NDArray[np.float32]:
        rows = np.fromiter(map(self.row.__getitem__, texts), dtype=np.int64, count=len(texts))
        return self.matrix[rows]


class EmbeddingStore:
    """Keeps embeddings of texts for as long as their model lives and is not changed.

    Args:
        max_bytes: Embeddings are kept up to this size; beyond it the shelves unused for longest are dropped.
    """

    def __init__(self, max_bytes: int = DEFAULT_STORE_BYTES) -> None:
        self.max_bytes = max_bytes
        self._shelves: OrderedDict[tuple[int, Hashable], _Shelf] = OrderedDict()
        self._derived: dict[tuple[int, Hashable], Any] = {}
        self._states: dict[int, Hashable] = {}
        self._held: dict[int, object] = {}
        self._apart: set[tuple[int, Hashable]] = set()
        self._depth = 0
        self._warned = False
        self.has_dropped = False
        """Whether embeddings had to be dropped since the store was empty: more than there is room for is at work."""

    @property
    def nbytes(self) -> int:
        """Bytes of all embeddings kept."""
        return sum(shelf.matrix.nbytes for shelf in list(self._shelves.values()))

    def embed(
        self,
        model: object,
        key: Hashable,
        texts: Sequence[str],
        encode: Callable[[list[str]], Any],
        describe: str = "the model",
    ) -> NDArray[np.float32]:
        """Embeddings of texts, of which only those not yet known are encoded.

        Args:
            model: The object that embeds; its embeddings go when it goes, and when its weights change.
            key: Whatever besides the model and the text decides the embedding: role, prompt, options.
            texts: The texts; equal ones are encoded once.
            encode: Called at most once, with the distinct unknown texts; returns an array or tensor of embeddings.
            describe: Model, task and subset, for messages.

        Returns:
            float32, shape (len(texts), dimension), finite and without zero rows.

        Raises:
            EmbeddingError: What ``encode`` returned cannot be ranked; nothing of it is kept.
        """
        self._forget_if_changed(model)
        slot = (id(model), key)
        shelf = self._shelves.get(slot) or _Shelf()
        unknown = list(dict.fromkeys(filterfalse(shelf.row.__contains__, texts)))
        if unknown:
            encoded = encode(unknown)
            self._states[id(model)] = weights_state(model)  # a model may set itself up when it first encodes
            embeddings = checked_embeddings(encoded, unknown, describe)
            width = shelf.matrix.shape[1]
            if shelf.row and embeddings.shape[1] != width:
                raise EmbeddingError(
                    f"{describe} returned embeddings of dimension {embeddings.shape[1]}, earlier ones have {width}; "
                    f"first text: {_excerpt(unknown[0])}. A model must give all texts the same dimension"
                )
            shelf.add(unknown, embeddings)
        result = shelf.get(texts)
        self._shelves[slot] = shelf
        self._shelves.move_to_end(slot)
        while self.nbytes > self.max_bytes and self._shelves:
            (owner, _), _ = self._shelves.popitem(last=False)
            self._drop_derived(owner)
            self.has_dropped = True
            if not self._warned:
                self._warned = True
                logger.warning(
                    "the embedding store is full (%s bytes): texts will be encoded again. Raise %s if memory allows",
                    f"{self.max_bytes:,}", STORE_VARIABLE,
                )  # fmt: skip
        return result

    def has(self, model: object, key: Hashable, texts: Sequence[str]) -> bool:
        """Whether embeddings of all these texts are kept; arguments as in `embed`."""
        self._forget_if_changed(model)
        shelf = self._shelves.get((id(model), key))
        return shelf is not None and all(map(shelf.row.__contains__, texts))

    def remember(self, model: object, name: Hashable, derived: object, *, keys: Sequence[Hashable]) -> None:
        """Keep what was worked out from a model's embeddings for as long as they are kept.

        It is not counted in `nbytes`, and should be small beside them.

        Args:
            model: As in `embed`.
            name: What `recall` will ask for.
            derived: What was worked out.
            keys: The keys of the embeddings, as in `embed`. If one of them is not kept any more, nor is this.
        """
        if all((id(model), key) in self._shelves for key in keys):
            self._derived[id(model), name] = derived

    def recall(self, model: object, name: Hashable) -> Any:
        """What was kept by `remember`; None if there is nothing, or if the model's weights have changed since."""
        self._forget_if_changed(model)
        return self._derived.get((id(model), name))

    @contextlib.contextmanager
    def run(self) -> Iterator[None]:
        """Keep embeddings for one run: when the outermost of nested runs ends, all of them are forgotten.

        What a model encodes may hang on more than its weights (length limits, adapters, settings of its own), so
        nothing is carried from one `mteb.evaluate` to the next.
        """
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1
            if self._depth == 0:
                self.clear()

    def keep_apart(self, model: object, key: Hashable) -> None:
        """Remember that a model's embeddings under a key may not be shared, and forget those."""
        self._apart.add((id(model), key))
        self._shelves.pop((id(model), key), None)

    def is_kept_apart(self, model: object, key: Hashable) -> bool:
        """Whether `keep_apart` was called for a model and key."""
        return (id(model), key) in self._apart

    def clear(self) -> None:
        """Forget all embeddings, and what was worked out from them."""
        self._shelves.clear()
        self._derived.clear()
        self._states.clear()
        self._held.clear()
        self._apart.clear()
        self.has_dropped = False

    def _forget_if_changed(self, model: object) -> None:
        identity = id(model)
        if self._depth and identity in self._states:  # nobody trains it within a run, and looking takes a while
            return
        state = weights_state(model)
        if identity not in self._states:
            try:
                weakref.finalize(model, self._forget, identity)
            except TypeError:  # cannot be referenced weakly: hold it, or its id could be given to another model
                self._held[identity] = model
        elif self._states[identity] != state:
            logger.info("the weights of %s have changed: its embeddings are forgotten", type(model).__name__)
            self._drop_shelves(identity)
        self._states[identity] = state

    def _forget(self, identity: int) -> None:
        self._drop_shelves(identity)
        self._states.pop(identity, None)

    def _drop_shelves(self, identity: int) -> None:
        for slot in [slot for slot in list(self._shelves) if slot[0] == identity]:
            self._shelves.pop(slot, None)
        self._drop_derived(identity)
        self._apart = {mark for mark in self._apart if mark[0] != identity}

    def _drop_derived(self, identity: int) -> None:
        for slot in [slot for slot in list(self._derived) if slot[0] == identity]:
            self._derived.pop(slot, None)


def checked_embeddings(raw: Any, texts: Sequence[str], describe: str) -> NDArray[np.float32]:
    """The embeddings as float32, shape (len(texts), dimension).

    Raises:
        EmbeddingError: Wrong number or shape, not numbers, NaN, infinite or zero rows. The message names the first bad
            text.
    """
    try:
        embeddings = _as_float32(raw)
    except (TypeError, ValueError, RuntimeError) as error:
        raise EmbeddingError(
            f"{describe} must return one vector of numbers per text, and did not ({error}); first text: "
            f"{_excerpt(texts[0])}"
        ) from error
    if embeddings.ndim != 2 or embeddings.shape[1] == 0 or len(embeddings) != len(texts):
        missing = embeddings.ndim == 2 and embeddings.shape[1] > 0 and len(embeddings) < len(texts)
        raise EmbeddingError(
            f"{describe} returned embeddings of shape {embeddings.shape} for {len(texts)} texts, expected "
            f"({len(texts)}, dimension); first text without a good one: "
            f"{_excerpt(texts[len(embeddings) if missing else 0])}"
        )
    finite = np.asarray(np.isfinite(embeddings).all(axis=1))
    usable = finite & embeddings.any(axis=1)
    if not usable.all():
        first = int(np.argmin(usable))
        kind = "zero" if finite[first] else ("NaN" if np.isnan(embeddings[first]).any() else "infinite")
        raise EmbeddingError(
            f"{describe} returned a {kind} embedding for {_excerpt(texts[first])} (text {first} of {len(texts)}; "
            f"{int((~usable).sum())} such embeddings). It cannot be ranked; check the model, its precision and input"
        )
    return embeddings


def _as_float32(raw: Any) -> NDArray[np.float32]:
    """Numbers of any real type; others are refused, of which NumPy would make some all the same."""
    if hasattr(raw, "detach"):
        raw = raw.detach().cpu()
        raw = raw.numpy() if raw.is_complex() else raw.float().numpy()
    numbers = np.asarray(raw)
    if numbers.dtype.kind in "cSUMm":  # complex numbers, texts, times
        raise TypeError(f"{numbers.dtype} is no type of real numbers")
    return numbers.astype(np.float32, copy=False)


def weights_state(model: object) -> Hashable:
    """Something that changes when the weights of a torch model do, for the cost of a few values per parameter.

    Parameters count their in-place changes (`torch.Tensor._version`), and a replaced one lies elsewhere; a sample of
    values catches changes that go around the counter, as through ``parameter.data``. A model without torch parameters
    (an API, say) has no state: only its identity tells it from others.
    """
    import torch

    module = torch_module(model)
    if module is None:
        return None
    with torch.no_grad():
        tensors = [
            tensor
            for tensor in (*module.parameters(), *module.buffers())
            if tensor.numel() and not tensor.is_meta and not tensor.is_sparse
        ]
        counters = tuple((tensor.data_ptr(), None if tensor.is_inference() else tensor._version) for tensor in tensors)  # noqa: SLF001
        by_device: dict[torch.device, list[torch.Tensor]] = {}
        for tensor in tensors:
            values = torch.view_as_real(tensor) if tensor.is_complex() else tensor
            sample = values.reshape(-1)[:: max(1, values.numel() // 8)][:8]
            by_device.setdefault(tensor.device, []).append(sample.double())
        samples = tuple(torch.cat(values).cpu().numpy().tobytes() for values in by_device.values())
    return counters, samples


def _excerpt(text: str) -> str:
    return repr(text if len(text) <= 80 else text[:77] + "...")


def _configured_bytes() -> int:
    configured = os.environ.get(STORE_VARIABLE, "").strip()
    if not configured:
        return DEFAULT_STORE_BYTES
    try:
        return max(0, int(configured))
    except ValueError:
        logger.warning(
            "%s must be a number of bytes, not %r; using %d", STORE_VARIABLE, configured, DEFAULT_STORE_BYTES
        )
        return DEFAULT_STORE_BYTES


STORE = EmbeddingStore(_configured_bytes())
"""The store of this process; its bound is ``MTEB_HYBRID_STORE_BYTES`` (4 GiB)."""


def clear_embeddings() -> None:
    """Forget all embeddings that were kept for reuse in this process."""
    STORE.clear()
