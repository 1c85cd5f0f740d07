"""Hybrid batch training for sentence-transformers (arXiv 2408.10536). Installed as ``mteb_hybrid.trainers``."""

from mteb_hybrid.trainers.data.parallel_dataset import ParallelDataset
from mteb_hybrid.trainers.evaluation.evaluator import ParallelRetrievalEvaluator
from mteb_hybrid.trainers.losses.hybrid import HybridLoss
from mteb_hybrid.trainers.mining.mine import mine_parallel_hard_negatives
from mteb_hybrid.trainers.sampling.sampler import HybridBatchSampler

__all__ = [
    "HybridBatchSampler",
    "HybridLoss",
    "ParallelDataset",
    "ParallelRetrievalEvaluator",
    "mine_parallel_hard_negatives",
]
