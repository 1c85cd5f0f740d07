"""All tasks of this package, in the order of their collections and settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

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
from mteb_hybrid.tasks.xquad_r import XQuADRCrossLingual, XQuADRMonolingual, XQuADRMultilingual

if TYPE_CHECKING:
    from mteb_hybrid.tasks.base import AbsTaskRankedRetrieval

TASKS: tuple[type[AbsTaskRankedRetrieval], ...] = (
    MiniQARMonolingual,
    MiniQARCrossLingual,
    MiniQARMultilingual,
    XQuADRMonolingual,
    XQuADRCrossLingual,
    XQuADRMultilingual,
    MLQARMonolingual,
    MLQARCrossLingual,
    MLQARMultilingual,
    MIRACLMonolingual,
    MIRACLCrossLingual,
    MIRACLMultilingual,
    MIRACLMonolingualHardNegatives,
    MIRACLCrossLingualHardNegatives,
    MIRACLMultilingualHardNegatives,
)
