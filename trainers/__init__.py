"""Hybrid batch training for sentence-transformers (arXiv 2408.10536).

Installed as ``mteb_hybrid.trainers``. Nothing is public here yet; the evaluation half of the package comes first.
"""

__all__: list[str] = []
