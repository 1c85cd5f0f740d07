"""Our benchmarks: the three settings of a collection under one name."""

from __future__ import annotations

from mteb.benchmarks.benchmark import Benchmark

from mteb_hybrid.tasks.xquad_r import CITATION, XQuADRCrossLingual, XQuADRMonolingual, XQuADRMultilingual

HYBRID_CITATION = r"""
@article{elmahdy-etal-2024-synergistic,
  author = {Elmahdy, Adel and Lin, Sheng-Chieh and Ahmad, Amin},
  journal = {arXiv preprint arXiv:2408.10536},
  title = {Synergistic Approach for Simultaneous Optimization of Monolingual, Cross-lingual, and Multilingual
           Information Retrieval},
  year = {2024},
}
"""


def benchmarks() -> list[Benchmark]:
    """All benchmarks of this package, with fresh task objects."""
    return [
        Benchmark(
            name="HybridRetrieval(XQuAD-R)",
            aliases=["XQuAD-R"],
            tasks=[XQuADRMonolingual(), XQuADRCrossLingual(), XQuADRMultilingual()],
            description=(
                "Monolingual, cross-lingual and pooled multilingual answer retrieval in 11 languages, with full-"
                "ranking mAP and rank distance."
            ),
            reference="https://arxiv.org/abs/2408.10536",
            citation=HYBRID_CITATION + CITATION,
        )
    ]
