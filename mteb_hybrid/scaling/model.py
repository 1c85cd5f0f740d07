"""How a model comes to the workers: as it is here, weights and settings, or by its name where it cannot be sent."""

from __future__ import annotations

import contextlib
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mteb_hybrid.errors import ClusterError
from mteb_hybrid.fingerprint import model_fingerprint, torch_module
from mteb_hybrid.scaling.cluster import check_versions, versions

if TYPE_CHECKING:
    from collections.abc import Iterator

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SentModel:
    """A model on its way.

    Attributes:
        reference: Ray's reference to the model, in memory of the cluster; None if it could not be sent.
        name: What MTEB calls it.
        revision: Its revision.
        fingerprint: `mteb_hybrid.fingerprint.model_fingerprint` of the model here.
        versions: Versions of the libraries here.
    """

    reference: Any
    name: str | None
    revision: str | None
    fingerprint: str | None
    versions: dict[str, str]

    @classmethod
    def of(cls, model: Any) -> SentModel:
        """Put a model into the memory of the cluster, once for all workers.

        Raises:
            ClusterError: It can neither be sent nor be loaded by name.
        """
        import ray

        meta = getattr(model, "mteb_model_meta", None)
        name, revision = getattr(meta, "name", None), getattr(meta, "revision", None)
        reference = None
        try:
            with _on_cpu(model):
                reference = ray.put(model)
        except Exception as error:  # whatever pickling other people's objects raises
            if not name or not _is_known(name):
                raise ClusterError(
                    f"{name or type(model).__name__} cannot be sent to the workers ({error}), and MTEB does not know "
                    "it by name. Make it picklable, or register it with MTEB on all nodes"
                ) from error
            logger.warning("%s cannot be sent to the workers (%s): they load it by its name", name, error)
        return cls(reference, name, revision, model_fingerprint(model), versions())

    def load(self) -> Any:
        """The model, on the worker that this is called on, and on its GPU if it has one.

        Raises:
            ClusterError: The libraries here are others than where the model comes from, or the model is another.
        """
        import ray
        import torch

        check_versions(self.versions)
        model = ray.get(self.reference) if self.reference is not None else _by_name(self.name, self.revision)
        module = torch_module(model)
        if module is not None:
            module.to("cuda" if torch.cuda.is_available() else "cpu")
        found = model_fingerprint(model)
        if found != self.fingerprint:
            raise ClusterError(
                f"a worker has loaded {self.name} ({self.revision}), and its weights or settings are not those of the "
                "model of this run. Evaluate a model that is loaded by its name, without changes made to it"
            )
        return model


@contextlib.contextmanager
def _on_cpu(model: Any) -> Iterator[None]:
    """The model's weights on the CPU, so that a worker without the same GPU can unpickle them."""
    import torch

    module = torch_module(model)
    where = next((weight.device for weight in module.parameters()), None) if module is not None else None
    if module is None or where is None or where == torch.device("cpu"):
        yield
        return
    module.to("cpu")
    try:
        yield
    finally:
        module.to(where)


def _is_known(name: str) -> bool:
    import mteb

    try:
        mteb.get_model_meta(name, fetch_from_hf=False)
    except Exception:  # noqa: BLE001 - any trouble with it means that it is not known
        return False
    return True


def _by_name(name: str | None, revision: str | None) -> Any:
    import mteb

    assert name is not None
    return mteb.get_model(name, revision)
