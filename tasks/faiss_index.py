"""Indexes of MTEB's FAISS backend: made as the user says, and kept for the subsets that search the same pool."""

from __future__ import annotations

import importlib.util
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import xxhash

from mteb_hybrid import _mteb
from mteb_hybrid.embeddings import STORE
from mteb_hybrid.errors import FaissError

if TYPE_CHECKING:
    from collections.abc import Hashable

    import numpy as np
    from numpy.typing import NDArray

    from mteb_hybrid.exact import Similarity


def check_faiss() -> None:
    """Raise an error that says how to get FAISS, if it is not there.

    Raises:
        FaissError: It is not installed.
    """
    if importlib.util.find_spec("faiss") is None:
        raise FaissError('searching with FAISS needs FAISS: pip install "mteb-hybrid[faiss]"')


@dataclass(frozen=True, slots=True)
class FaissIndex:
    """What FAISS is to build.

    Attributes:
        factory: For its ``index_factory``: ``Flat``, as in MTEB, ``HNSW32``, ``IVF64,Flat``.
        parameters: For its ``ParameterSpace``: ``nprobe=8``, ``efSearch=64``; several with commas between them.
    """

    factory: str = "Flat"
    parameters: str = ""

    def experiment(self) -> dict[str, str]:
        """What tells results of it from others, for MTEB's ``experiment_kwargs``."""
        return {"faiss": self.factory} | ({"faiss_parameters": self.parameters} if self.parameters else {})

    def empty(self, dimension: int, describe: str) -> Any:
        """An index without vectors, for inner products; of vectors of length 1 these are cosines.

        Args:
            dimension: Of the embeddings.
            describe: Model, task and subset, for messages.

        Raises:
            FaissError: FAISS cannot make it.
        """
        import faiss

        try:
            index = faiss.index_factory(dimension, self.factory, faiss.METRIC_INNER_PRODUCT)
            space: Any = faiss.ParameterSpace()
            space.set_index_parameters(index, self.parameters)
        except RuntimeError as error:
            raise self._refused(f"{describe}, embeddings of dimension {dimension}", error) from error
        return index

    def build(self, passages: NDArray[np.float32], similarity: Similarity, describe: str) -> Any:
        """MTEB's backend with passages in it, numbered by row.

        Args:
            passages: float32, shape (passages, dimension).
            similarity: For ``cosine`` MTEB makes all vectors of length 1.
            describe: As in `empty`.

        Raises:
            FaissError: FAISS cannot make the index, as where there are less passages than clusters.
        """
        import faiss

        index = self.empty(passages.shape[1], describe)
        backend = _mteb.faiss_backend(index, similarity)
        try:
            if not index.is_trained:
                vectors = passages.copy()
                if similarity == "cosine":  # as MTEB's backend makes what it adds
                    faiss.normalize_L2(vectors)
                index.train(vectors)
            backend.add_documents(passages, [str(row) for row in range(len(passages))])
        except RuntimeError as error:
            raise self._refused(f"{describe}, {len(passages)} passages", error) from error
        return backend

    def _refused(self, what: str, error: RuntimeError) -> FaissError:
        wanted = " with ".join(repr(one) for one in (self.factory, self.parameters) if one)
        return FaissError(f"{what}: FAISS cannot make the index {wanted}: {str(error).rpartition(': ')[2]}")


@dataclass(slots=True)
class PoolIndexes:
    """MTEB's backends for the last pools, as many as the embedding store would hold.

    Attributes:
        index: What FAISS builds of a pool.
    """

    index: FaissIndex
    _built: OrderedDict[Hashable, tuple[Any, int]] = field(default_factory=OrderedDict)

    def of(self, passages: NDArray[np.float32], similarity: Similarity, describe: str) -> Any:
        """The backend of a pool, known by its embeddings; arguments and errors as of `FaissIndex.build`."""
        key = (similarity, passages.shape, xxhash.xxh3_128_digest(passages.data))
        if key not in self._built:
            self._built[key] = self.index.build(passages, similarity, describe), passages.nbytes
            while len(self._built) > 1 and sum(size for _, size in self._built.values()) > STORE.max_bytes:
                self._built.popitem(last=False)
        self._built.move_to_end(key)
        return self._built[key][0]
