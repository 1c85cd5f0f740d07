"""Hard negatives for parallel training data, mined with sentence-transformers and FAISS."""
