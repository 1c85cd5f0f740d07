"""Our MTEB tasks: one file a collection. Installed as ``mteb_hybrid.tasks``."""

# MTEB first: importing it registers these tasks, which must not happen in the middle of importing them
import mteb  # noqa: F401

from mteb_hybrid.tasks.base import AbsTaskRankedRetrieval
from mteb_hybrid.tasks.beir import AbsTaskBeirRetrieval, from_beir
from mteb_hybrid.tasks.miniqa_r import MiniQARCrossLingual, MiniQARMonolingual, MiniQARMultilingual
from mteb_hybrid.tasks.miracl import (
    MIRACLCrossLingual,
    MIRACLCrossLingualHardNegatives,
    MIRACLMonolingual,
    MIRACLMonolingualHardNegatives,
    MIRACLMultilingual,
    MIRACLMultilingualHardNegatives,
)
from mteb_hybrid.tasks.mlqa_r import MLQARCrossLingual, MLQARMonolingual, MLQARMultilingual
from mteb_hybrid.tasks.parallel import AbsTaskParallelRetrieval
from mteb_hybrid.tasks.registry import TASKS
from mteb_hybrid.tasks.xquad_r import XQuADRCrossLingual, XQuADRMonolingual, XQuADRMultilingual

__all__ = [
    "TASKS",
    "AbsTaskBeirRetrieval",
    "AbsTaskParallelRetrieval",
    "AbsTaskRankedRetrieval",
    "MIRACLCrossLingual",
    "MIRACLCrossLingualHardNegatives",
    "MIRACLMonolingual",
    "MIRACLMonolingualHardNegatives",
    "MIRACLMultilingual",
    "MIRACLMultilingualHardNegatives",
    "MLQARCrossLingual",
    "MLQARMonolingual",
    "MLQARMultilingual",
    "MiniQARCrossLingual",
    "MiniQARMonolingual",
    "MiniQARMultilingual",
    "XQuADRCrossLingual",
    "XQuADRMonolingual",
    "XQuADRMultilingual",
    "from_beir",
]
