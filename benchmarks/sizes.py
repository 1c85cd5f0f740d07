"""What counting costs by the size of the pool: seconds for a million passages, and memory.

    python benchmarks/sizes.py [--passages 10000 100000 1000000 10000000] [--threads 1 2] [--queries 500]

Made-up embeddings, which are drawn chunk by chunk and never all in memory; drawing them is not timed. Each row is a
process of its own: its memory is the most that it has above its inputs, one chunk of passages among them.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time

import numpy as np
import torch
from machine import machine
from made_up import DIMENSION, peak_mib

from mteb_hybrid.ranking import RankCounter

CHUNK = 10_000


def measure(size: int, queries: int, threads: int) -> tuple[float, float, float]:
    """Seconds of counting a pool of this size, by the wall clock and of all threads; MiB above the inputs."""
    torch.set_num_threads(threads)
    rng = np.random.default_rng(0)
    asked = rng.normal(size=(queries, DIMENSION)).astype(np.float32)
    relevant = (asked + 1.2 * rng.normal(size=asked.shape)).astype(np.float32)
    chunk, order = np.empty((CHUNK, DIMENSION), dtype=np.float32), np.arange(CHUNK)
    rng.standard_normal(out=chunk, dtype=np.float32)
    torch.mm(torch.from_numpy(chunk[:64]), torch.from_numpy(asked[:64]).T)  # so that the library has set itself up
    before = peak_mib()
    counter = RankCounter(asked, np.arange(queries), relevant, np.arange(queries) - queries, top_k=100, device="cpu")
    wall = cpu = 0.0
    for start in range(0, size, CHUNK):
        rng.standard_normal(out=chunk, dtype=np.float32)
        here = min(CHUNK, size - start)
        begun, of_threads = time.perf_counter(), time.process_time()
        counter.count(chunk[:here], order[:here] + start)
        wall, cpu = wall + time.perf_counter() - begun, cpu + time.process_time() - of_threads
    assert counter.result().ranks().max() <= size + 1
    return wall, cpu, peak_mib() - before


def measured_apart(size: int, queries: int, threads: int) -> tuple[float, float, float]:
    """The same in a process of its own."""
    command = [sys.executable, __file__, "--row", str(size), str(queries), str(threads)]
    wall, cpu, memory = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return wall, cpu, memory


def main() -> None:
    """Measure each size with each number of threads, and print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--passages", type=int, nargs="+", default=[10_000, 100_000, 1_000_000, 10_000_000])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--queries", type=int, default=500)
    parser.add_argument("--row", type=int, nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.row:
        print(json.dumps(measure(*arguments.row)))
        return
    print(f"{machine()}; {arguments.queries} questions, dimension {DIMENSION}, top 100 kept\n")
    print("| passages | threads | s | s a million | CPU s a million | MiB above inputs |\n|---|---|---|---|---|---|")
    for size in arguments.passages:
        for threads in arguments.threads:
            wall, cpu, memory = measured_apart(size, arguments.queries, threads)
            each = 1e6 / size
            print(
                f"| {size:,} | {threads} | {wall:.2f} | {wall * each:.2f} | {cpu * each:.2f} | {memory:.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
