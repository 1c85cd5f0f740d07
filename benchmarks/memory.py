"""Memory of a streamed evaluation: peak of the process and passages per second, by size of the corpus.

    python benchmarks/memory.py [--passages 500000 1000000 2000000] [--folder DIR]

Writes a corpus of invented passages in the layout of MIRACL's data set on the hub, and runs MIRACLMonolingual on it
through `mteb.evaluate`, with an encoder that costs next to nothing, each size in a process of its own. The peak is
`VmHWM`, which counts memory-mapped pages too, and is taken twice: while MTEB's loader converts and casts the tables,
and while the corpus is encoded and ranked. The anonymous part, which the system cannot take back under pressure, is
sampled every 50 ms over both. Linux only.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
from peak import anonymous_peak, status
from standin import LANGUAGE, environment, hash_encoder, invented_texts, write_collection

QUESTIONS, DIMENSION = 100, 64


def write_corpus(folder: Path, passages: int) -> None:
    """Passages of 40 invented words; every question has one relevant passage."""
    relevant = np.random.default_rng(0).choice(passages, QUESTIONS, replace=False)
    write_collection(
        folder,
        ((f"title {row}", text) for row, text in enumerate(invented_texts(passages))),
        [f"question {number}" for number in range(QUESTIONS)],
        relevant[:, None].tolist(),
    )


def measure() -> None:
    """Evaluate, and print the peaks as JSON."""
    import mteb

    with anonymous_peak() as anonymous:
        task = mteb.get_task("MIRACLMonolingual", hf_subsets=[LANGUAGE])
        started = time.perf_counter()
        task.load_data()
        loaded, loading = time.perf_counter(), status("VmHWM")
        Path("/proc/self/clear_refs").write_text("5")  # VmHWM starts anew
        result = mteb.evaluate(hash_encoder(DIMENSION), task, cache=None, co2_tracker=False, show_progress_bar=False)
        wall = time.perf_counter() - loaded
    found = {"loading": loading, "streaming": status("VmHWM"), "anonymous": anonymous.kib, "wall": wall}
    found |= {"load": loaded - started, "map": result.task_results[0].scores["dev"][0]["map"]}
    print(json.dumps(found))


def main() -> None:
    """Measure every size, and print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--passages", type=int, nargs="+", default=[500_000, 1_000_000, 2_000_000])
    parser.add_argument("--folder", type=Path, help="where the corpora go; a temporary folder unless given")
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        measure()
        return
    packages = ", ".join(f"{name} {version(name)}" for name in ("mteb-hybrid", "mteb", "datasets", "pyarrow", "torch"))
    print(f"{platform.machine()}, {os.cpu_count()} CPUs, Python {platform.python_version()}, {packages}\n")
    print("| passages | peak while loading, GiB | peak while streaming, GiB | anonymous, GiB | passages per second |")
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        for passages in arguments.passages:
            folder = Path(name) / str(passages)
            write_corpus(folder, passages)
            done = subprocess.run(
                [sys.executable, __file__, "--measure"],
                env={**os.environ, **environment(folder), "HF_HUB_OFFLINE": "1"},
                stdout=subprocess.PIPE, text=True, check=True,
            )  # fmt: skip
            found = json.loads(done.stdout.splitlines()[-1])
            gib = {key: found[key] / (1 << 20) for key in ("loading", "streaming", "anonymous")}
            sizes = " | ".join(f"{gib[key]:.2f}" for key in gib)
            print(f"| {passages:,} | {sizes} | {passages / found['wall']:,.0f} |", flush=True)


if __name__ == "__main__":
    main()
