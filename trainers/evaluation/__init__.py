"""Retrieval measured during training."""
