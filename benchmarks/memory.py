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
import hashlib
import json
import os
import platform
import subprocess
import sys
import tempfile
import threading
import time
from importlib.metadata import version
from pathlib import Path

LANGUAGE, QUESTIONS, DIMENSION = "sw", 100, 64
README = """---
configs:
- config_name: {0}-corpus
  data_files: [{{split: dev, path: corpus/*.parquet}}]
- config_name: {0}-queries
  data_files: [{{split: dev, path: queries.parquet}}]
- config_name: {0}-qrels
  data_files: [{{split: dev, path: qrels.parquet}}]
---
Invented passages, for measuring memory.
"""


def write_corpus(folder: Path, passages: int) -> None:
    """Passages of 40 invented words, about 260 characters; every question has one relevant passage."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    random = np.random.default_rng(0)
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    words = np.array(["".join(random.choice(letters, size)) for size in random.integers(2, 10, 50_000)])
    (folder / "corpus").mkdir(parents=True)
    step = 100_000
    for start in range(0, passages, step):
        rows = range(start, min(start + step, passages))
        texts = [" ".join(row) for row in words[random.integers(0, len(words), (len(rows), 40))]]
        ids, titles = [f"{row}#0" for row in rows], [f"title {row}" for row in rows]
        pq.write_table(
            pa.table({"_id": ids, "title": titles, "text": texts}), folder / "corpus" / f"{start:09d}.parquet"
        )
    relevant = random.choice(passages, QUESTIONS, replace=False)
    asked = [f"question {number}" for number in range(QUESTIONS)]
    ids = [str(number) for number in range(QUESTIONS)]
    pq.write_table(pa.table({"_id": ids, "text": asked}), folder / "queries.parquet")
    judged = {"query-id": ids, "corpus-id": [f"{row}#0" for row in relevant], "score": [1] * QUESTIONS}
    pq.write_table(pa.table(judged), folder / "qrels.parquet")
    (folder / "README.md").write_text(README.format(LANGUAGE))


def measure() -> None:
    """Evaluate, and print the peaks as JSON."""
    import mteb
    import numpy as np
    from mteb.models import ModelMeta
    from mteb.models.abs_encoder import AbsEncoder

    tables = np.random.default_rng(1).normal(size=(8, 256, DIMENSION)).astype(np.float32)

    class HashEncoder(AbsEncoder):
        mteb_model_meta = ModelMeta.create_empty().model_copy(update={"name": "benchmark/hash", "revision": "1"})
        model_prompts = None

        def encode(self, inputs, **_options):
            digests = [
                hashlib.blake2b(text.encode(), digest_size=8).digest() for batch in inputs for text in batch["text"]
            ]
            numbers = np.frombuffer(b"".join(digests), dtype=np.uint8).reshape(-1, 8)
            return sum(tables[place, numbers[:, place]] for place in range(8))

    anonymous, done = [0], threading.Event()

    def watch() -> None:
        while not done.wait(0.05):
            anonymous[0] = max(anonymous[0], status("RssAnon"))

    watcher = threading.Thread(target=watch)
    watcher.start()
    task = mteb.get_task("MIRACLMonolingual", hf_subsets=[LANGUAGE])
    started = time.perf_counter()
    task.load_data()
    loaded, loading = time.perf_counter(), status("VmHWM")
    Path("/proc/self/clear_refs").write_text("5")  # VmHWM starts anew
    result = mteb.evaluate(HashEncoder(), task, cache=None, co2_tracker=False, show_progress_bar=False)
    wall = time.perf_counter() - loaded
    done.set()
    watcher.join()
    found = {"loading": loading, "streaming": status("VmHWM"), "anonymous": anonymous[0], "wall": wall}
    found |= {"load": loaded - started, "map": result.task_results[0].scores["dev"][0]["map"]}
    print(json.dumps(found))


def status(name: str) -> int:
    """A figure of /proc/self/status in KiB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1])
    return 0


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
            write_corpus(folder / "MIRACLRetrieval", passages)
            done = subprocess.run(
                [sys.executable, __file__, "--measure"],
                env={
                    **os.environ, "MTEB_HYBRID_DATA": str(folder), "MTEB_HYBRID_CACHE": str(folder / "cache"),
                    "HF_HUB_OFFLINE": "1", "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
                },
                stdout=subprocess.PIPE, text=True, check=True,
            )  # fmt: skip
            found = json.loads(done.stdout.splitlines()[-1])
            gib = {key: found[key] / (1 << 20) for key in ("loading", "streaming", "anonymous")}
            sizes = " | ".join(f"{gib[key]:.2f}" for key in gib)
            print(f"| {passages:,} | {sizes} | {passages / found['wall']:,.0f} |", flush=True)


if __name__ == "__main__":
    main()
