"""Hybrid batch training for sentence-transformers (arXiv 2408.10536). Installed as ``mteb_hybrid.trainers``."""

from mteb_hybrid.trainers.parallel_dataset import ParallelDataset
from mteb_hybrid.trainers.sampler import HybridBatchSampler

__all__ = ["HybridBatchSampler", "ParallelDataset"]
