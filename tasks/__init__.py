"""Our MTEB tasks: one file a collection. Installed as ``mteb_hybrid.tasks``."""

from mteb_hybrid.tasks.base import AbsTaskParallelRetrieval
from mteb_hybrid.tasks.miniqa_r import MiniQARCrossLingual, MiniQARMonolingual, MiniQARMultilingual
from mteb_hybrid.tasks.xquad_r import XQuADRCrossLingual, XQuADRMonolingual, XQuADRMultilingual

TASKS: tuple[type[AbsTaskParallelRetrieval], ...] = (
    MiniQARMonolingual,
    MiniQARCrossLingual,
    MiniQARMultilingual,
    XQuADRMonolingual,
    XQuADRCrossLingual,
    XQuADRMultilingual,
)

__all__ = ["TASKS", *(task.__name__ for task in TASKS)]
