"""Our benchmarks: the three settings of a collection under one name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mteb.benchmarks.benchmark import Benchmark

from mteb_hybrid.citations import HYBRID
from mteb_hybrid.tasks import citations, miracl, mlqa_r, xquad_r

if TYPE_CHECKING:
    from mteb_hybrid.tasks.base import AbsTaskRankedRetrieval

_REFERENCE = "https://arxiv.org/abs/2408.10536"
_MIRACL_LINE = (
    "Left out is the cross-lingual task: it is in beta, needs translations that the user makes, and is run by name."
)


def benchmarks() -> list[Benchmark]:
    """All benchmarks of this package, with fresh task objects."""
    return [
        Benchmark(
            name="HybridRetrieval(XQuAD-R)",
            aliases=["XQuAD-R"],
            tasks=_xquad_r(),
            description=(
                "Monolingual, cross-lingual and pooled multilingual answer retrieval in 11 languages, with full-"
                "ranking mAP and language bias. XTREME-R's LAReQA score is map_at_20 of XQuADRMultilingual."
            ),
            reference=_REFERENCE,
            citation=HYBRID + xquad_r.CITATION,
        ),
        Benchmark(
            name="HybridRetrieval(MLQA-R)",
            aliases=["MLQA-R"],
            tasks=_mlqa_r(),
            description=(
                "Monolingual, cross-lingual and pooled multilingual answer retrieval in 7 languages, with full-ranking "
                "mAP and language bias."
            ),
            reference=_REFERENCE,
            citation=HYBRID + mlqa_r.CITATION,
        ),
        Benchmark(
            name="HybridRetrieval(MIRACL)",
            tasks=_miracl(),
            description=(
                "Monolingual and pooled multilingual passage retrieval in 18 languages: nDCG@10, Recall@100, and how "
                f"much the other languages' passages interfere. {_MIRACL_LINE}"
            ),
            reference=_REFERENCE,
            citation=HYBRID + citations.MIRACL,
        ),
        Benchmark(
            name="HybridRetrieval(MIRACLHardNegatives)",
            tasks=[miracl.MIRACLMonolingualHardNegatives(), miracl.MIRACLMultilingualHardNegatives()],
            description=f"HybridRetrieval(MIRACL) on hard negatives. {_MIRACL_LINE}",
            reference=_REFERENCE,
            citation=HYBRID + citations.MIRACL,
        ),
        Benchmark(
            name="HybridRetrieval",
            tasks=[*_xquad_r(), *_mlqa_r(), *_miracl()],
            description=(
                "XQuAD-R, MLQA-R and MIRACL: monolingual, cross-lingual and pooled multilingual retrieval, with full "
                f"rankings and language bias. {_MIRACL_LINE}"
            ),
            reference=_REFERENCE,
            citation=HYBRID + citations.LAREQA + citations.XQUAD + citations.MLQA + citations.MIRACL,
        ),
    ]


def _xquad_r() -> list[AbsTaskRankedRetrieval]:
    return [xquad_r.XQuADRMonolingual(), xquad_r.XQuADRCrossLingual(), xquad_r.XQuADRMultilingual()]


def _mlqa_r() -> list[AbsTaskRankedRetrieval]:
    return [mlqa_r.MLQARMonolingual(), mlqa_r.MLQARCrossLingual(), mlqa_r.MLQARMultilingual()]


def _miracl() -> list[AbsTaskRankedRetrieval]:
    return [miracl.MIRACLMonolingual(), miracl.MIRACLMultilingual()]
