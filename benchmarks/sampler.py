"""Cost of HybridBatchSampler: first batch and memory at ten million items, batches per second at a million pairs.

    python benchmarks/sampler.py [--items 10000000] [--pairs 1000000] [--rounds 5] [--folder DIR]

Large views: a table of queries and passages is written once and memory-mapped; all nine languages of a view read the
same two columns, so that the view is a real one and little is written. Each measurement runs in a process of its own:
the time from constructing the sampler to its first batch, and the peak of what Python and NumPy allocate above the view
meanwhile and over the next thousand batches (tracemalloc, in a second process, because it slows things down). Which
items share a text is given, not looked for: that is part of building the view, which takes minutes at this size.

Pairs: the same rows are given to NoDuplicatesBatchSampler of sentence-transformers (two columns of texts), hashed and
not, and to HybridBatchSampler as a plain data set with language columns and as a view of them (`from_dict`); a view
of as many items with nine languages each, all of them or two to four, comes on top. Samplers take turns in rounds;
medians of rounds are shown. The first batch is timed from constructing the sampler, which hashes texts where it has to.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
import tracemalloc
from importlib.metadata import version
from pathlib import Path

LANGUAGES = ("ar", "de", "en", "es", "hi", "ru", "th", "tr", "zh")
PATTERNS = [pattern for size in (2, 3, 4) for pattern in itertools.combinations(LANGUAGES, size)]
VIEWS = ("dense", "dense, 1 in 10 items shares a text", "sparse", "sparse, 1 in 10 items shares a text")


def write_texts(folder: Path, items: int) -> None:
    """A table of queries and passages, no two alike, in the form that `datasets` memory-maps."""
    import pyarrow as pa

    folder.mkdir()
    schema = pa.schema({"query": pa.string(), "passage": pa.string()})
    with pa.OSFile(str(folder / "texts.arrow"), "wb") as file, pa.ipc.new_stream(file, schema) as writer:
        for start in range(0, items, 100_000):
            numbers = range(start, min(start + 100_000, items))
            texts = [[f"{role} {number}" for number in numbers] for role in schema.names]
            writer.write_batch(pa.record_batch(texts, schema=schema))


def make_view(folder: Path, name: str):
    """A view of the table: all nine languages for every item, or two to four of them, in 246 patterns."""
    import numpy as np
    from datasets import Dataset

    from mteb_hybrid.trainers import ParallelDataset
    from mteb_hybrid.trainers.data.texts import Block, Texts

    table = Dataset.from_file(str(folder / "texts.arrow"))
    columns = {role: table.select_columns([role]) for role in ("query", "passage")}
    patterns = [LANGUAGES] if name.startswith("dense") else PATTERNS
    cuts = np.linspace(0, len(table), len(patterns) + 1).astype(int).tolist()
    blocks = []
    for pattern, start, end in zip(patterns, cuts, cuts[1:], strict=False):
        queries, passages = (
            {language: Texts(columns[role], role, start) for language in pattern} for role in ("query", "passage")
        )
        blocks.append(Block(end - start, queries, passages))
    groups = np.arange(len(table))
    groups[10::20] = groups[0::20][: len(groups[10::20])]
    return ParallelDataset(blocks, groups=groups if "shares" in name else None, _grouped=True)


def measure(folder: Path, name: str, traced: bool) -> None:
    """Construct a sampler and take batches; print seconds, or bytes, as JSON."""
    from mteb_hybrid.trainers import HybridBatchSampler

    view = make_view(folder, name)
    if traced:
        tracemalloc.start()
    started = time.perf_counter()
    batches = iter(HybridBatchSampler(view, 100))
    next(batches)
    seconds = time.perf_counter() - started
    for _ in itertools.islice(batches, 1_000):
        pass
    print(json.dumps({"seconds": seconds, "bytes": tracemalloc.get_traced_memory()[1] if traced else 0}))


def in_process(folder: Path, name: str, *, traced: bool) -> dict[str, float]:
    """What a process of its own measures."""
    done = subprocess.run(
        [sys.executable, __file__, "--folder", str(folder), "--measure", name, *(["--traced"] if traced else [])],
        stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    return json.loads(done.stdout.splitlines()[-1])


def large_views(folder: Path, items: int, rounds: int) -> None:
    """The table of first batches and of memory."""
    write_texts(folder, items)
    print(f"\n{items:,} items, nine languages, batches of 100, alpha = 0.5\n")
    print("| view | first batch, s | peak above the view, bytes per item |\n|---|---|---|")
    for name in VIEWS:
        seconds = statistics.median(in_process(folder, name, traced=False)["seconds"] for _ in range(rounds))
        peak = in_process(folder, name, traced=True)["bytes"]
        print(f"| {name} | {seconds:.3f} | {peak / items:.2f} |", flush=True)


def make_samplers(folder: Path, pairs: int):
    """Functions that make a sampler of a batch size, by name; the two of sentence-transformers first."""
    import numpy as np
    import torch
    from datasets import Dataset
    from sentence_transformers.base.sampler import NoDuplicatesBatchSampler

    from mteb_hybrid.trainers import HybridBatchSampler, ParallelDataset

    rng = np.random.default_rng(0)
    names = np.array(LANGUAGES)
    questions = [f"what is question number {number} about, and who asked it" for number in range(pairs)]
    answers = [f"passage number {number}: it answers what was asked, at some length" for number in range(pairs)]
    query, passage = (names[rng.integers(len(names), size=pairs)] for _ in range(2))
    plain = Dataset.from_dict({"anchor": questions, "positive": answers})
    with_languages = Dataset.from_dict(
        {**plain.to_dict(), "anchor_language": query.tolist(), "positive_language": passage.tolist()}
    )
    keys = np.char.add(np.char.add(query, "-"), passage)
    by_pair = {str(key): plain.select(np.flatnonzero(keys == key)) for key in np.unique(keys)}
    views = {
        "view of the same pairs": ParallelDataset.from_dict(by_pair),
        "view, all nine languages": make_view(folder, "dense"),
        "view, two to four languages": make_view(folder, "sparse"),
    }

    def host(hashed: bool):
        def make(size: int):
            generator = torch.Generator()
            return NoDuplicatesBatchSampler(plain, size, True, [], generator, 0, precompute_hashes=hashed)

        return make

    def ours(data):
        return lambda size: HybridBatchSampler(data, size)

    return {
        "NoDuplicatesBatchSampler": host(False),
        "NoDuplicatesBatchSampler, hashed": host(True),
        "HybridBatchSampler, plain data set": ours(with_languages),
        **{f"HybridBatchSampler, {name}": ours(view) for name, view in views.items()},
    }


def rate(batches, seconds: float) -> float:
    """Batches per second, over some seconds or what is left of the epoch."""
    started = time.perf_counter()
    count = 0
    for count, _ in enumerate(batches, start=1):
        if count % 16 == 0 and time.perf_counter() - started > seconds:
            break
    return count / (time.perf_counter() - started)


def speeds(folder: Path, pairs: int, rounds: int) -> None:
    """The table of batches per second."""
    from datasets import disable_progress_bars

    disable_progress_bars()
    write_texts(folder, pairs)
    makers = make_samplers(folder, pairs)
    print(f"\n{pairs:,} pairs, alpha = 0.5; batches per second after the first batch, median of {rounds} rounds\n")
    print("| sampler | batch | first batch, s | batches per second | of the hashed one |\n|---|---|---|---|---|")
    for size in (32, 128):
        first: dict[str, float] = {}
        samplers = {}
        for name, make in makers.items():
            started = time.perf_counter()
            samplers[name] = make(size)
            next(iter(samplers[name]))
            first[name] = time.perf_counter() - started
        rates: dict[str, list[float]] = {name: [] for name in samplers}
        for _ in range(rounds):
            for name, sampler in samplers.items():
                batches = iter(sampler)
                next(batches)
                rates[name].append(rate(batches, 1.0))
        hashed = rates["NoDuplicatesBatchSampler, hashed"]
        for name, found in rates.items():
            ratio = statistics.median(one / other for one, other in zip(found, hashed, strict=True))
            median = statistics.median(found)
            print(f"| {name} | {size} | {first[name]:.2f} | {median:,.0f} | {ratio:.2g} |", flush=True)


def main() -> None:
    """Measure, and print tables in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=10_000_000)
    parser.add_argument("--pairs", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="where tables of texts go; a temporary folder unless given")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    parser.add_argument("--traced", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        measure(arguments.folder, arguments.measure, arguments.traced)
        return
    packages = ", ".join(
        f"{name} {version(name)}" for name in ("mteb-hybrid", "sentence-transformers", "datasets", "numpy")
    )
    print(f"{platform.machine()}, {os.cpu_count()} CPUs, Python {platform.python_version()}, {packages}")
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        large_views(Path(name) / "large", arguments.items, arguments.rounds)
        speeds(Path(name) / "small", arguments.pairs, arguments.rounds)


if __name__ == "__main__":
    main()
