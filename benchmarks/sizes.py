"""What counting costs by the size of the pool: seconds for a million passages, and memory.

    python benchmarks/sizes.py [--passages 10000 100000 1000000 10000000] [--threads 1 2] [--queries 500]

Made-up embeddings, which are drawn chunk by chunk and never all in memory; drawing them is not timed.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import torch
from machine import machine
from made_up import DIMENSION, peak_mib

from mteb_hybrid.ranking import RankCounter

CHUNK = 10_000


def measure(size: int, queries: int) -> tuple[float, float]:
    """Seconds of counting a pool of this size, by the wall clock and of all threads."""
    rng = np.random.default_rng(0)
    asked = rng.normal(size=(queries, DIMENSION)).astype(np.float32)
    relevant = (asked + 1.2 * rng.normal(size=asked.shape)).astype(np.float32)
    counter = RankCounter(asked, np.arange(queries), relevant, np.arange(queries) - queries, top_k=100, device="cpu")
    wall = cpu = 0.0
    for start in range(0, size, CHUNK):
        chunk = rng.standard_normal((min(CHUNK, size - start), DIMENSION), dtype=np.float32)
        begun, of_threads = time.perf_counter(), time.process_time()
        counter.count(chunk, np.arange(start, start + len(chunk)))
        wall, cpu = wall + time.perf_counter() - begun, cpu + time.process_time() - of_threads
    assert counter.result().ranks().max() <= size + 1
    return wall, cpu


def main() -> None:
    """Measure each size with each number of threads, and print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--passages", type=int, nargs="+", default=[10_000, 100_000, 1_000_000, 10_000_000])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--queries", type=int, default=500)
    arguments = parser.parse_args()
    print(f"{machine()}; {arguments.queries} questions, dimension {DIMENSION}, top 100 kept\n")
    measure(CHUNK, arguments.queries)
    print("| passages | threads | s | s a million | CPU s a million | peak MiB |\n|---|---|---|---|---|---|")
    for size in arguments.passages:
        for threads in arguments.threads:
            torch.set_num_threads(threads)
            wall, cpu = measure(size, arguments.queries)
            each = 1e6 / size
            print(
                f"| {size:,} | {threads} | {wall:.2f} | {wall * each:.2f} | {cpu * each:.2f} | {peak_mib():.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
