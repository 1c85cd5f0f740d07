"""Training data: lazy views of all language pairs of parallel collections, and what a sampler must know of them."""
