"""Counting in shards, by workers on a local Ray cluster whose driver adds them: checked against the cost model.

    python benchmarks/cluster.py [--passages 20000 120000] [--workers 1 2] [--shard 10000] [--cpu-seconds]

Invented passages and as many questions as MIRACL's, with an encoder that costs next to nothing, so that counting and
adding are what takes time. Each size is evaluated by one process, and by each number of workers with a CPU each, every
time in new processes, which have to find the same scores and rank tables. The rates that predict the seconds are
measured before; on a machine that others use too, `--cpu-seconds` counts what processes spend on the CPU, wherever that
can be told. Memory is the anonymous part, sampled every 50 ms, of a worker while it does shards. Linux only.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar
from unittest.mock import patch

import datasets
import mteb
import numpy as np
import pyarrow.parquet as pq
import torch
from cost import table
from cost_model import Rates, last_added
from counting_rates import QUESTIONS, measure_adding, measure_counting, measure_reading, relevant_counts
from encoding_rates import Bench
from machine import machine
from peak import anonymous_peak
from standin import LANGUAGE, environment, hash_encoder, invented_texts, write_collection
from stopwatch import Stopwatch
from tables import print_table

from mteb_hybrid.scaling import engine
from mteb_hybrid.scaling.cluster import LOCAL, Share, connected
from mteb_hybrid.scaling.jobs import CountJob
from mteb_hybrid.streaming.passes import DEFAULT_CHUNK, CorpusPass
from mteb_hybrid.streaming.tally import Tally
from mteb_hybrid.tasks.engine import use

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DIMENSION, BATCH = 384, 32
RELEVANT = 10_000  # relevant passages are among the first ones, so that corpora of all sizes have the same
_MIB = 1 << 10  # KiB
_RAY = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_DEDUP_LOGS": "0"}


class NotedJob(CountJob):
    """Notes of each shard when it began, how long it took, and the memory of its worker."""

    folder: ClassVar[Path]
    clock: ClassVar[Callable[[], float]]

    def run(self, model: Any, part: tuple[int, int, int]) -> Any:
        """As `CountJob.run`."""
        began, before = time.time(), type(self).clock()
        with anonymous_peak() as peak:
            result = super().run(model, part)
        spent = type(self).clock() - before
        noted = {"began": began, "spent": spent, "worker": os.getpid(), "peak": peak.kib}
        (self.folder / f"{part[1]}.json").write_text(json.dumps(noted))
        return result


def measure(workers: int, shard: int, folder: Path, started: float, clock: Callable[[], float]) -> None:
    """Evaluate, by so many workers or in this process alone, and write what it took as JSON."""
    imported = time.time()
    watch, began, ended = Stopwatch(clock), [], [0.0]
    run, note = CorpusPass.run, CorpusPass.note

    def noted_run(self: CorpusPass) -> Any:
        began.append(time.time())
        with watch.part("shards"):
            return run(self)

    def noted(self: CorpusPass, tally: Tally) -> None:
        note(self, tally)
        ended[0] = time.time()

    NotedJob.folder, NotedJob.clock = folder / "shards", clock
    NotedJob.folder.mkdir(parents=True)
    with contextlib.ExitStack() as stack:
        memory = stack.enter_context(anonymous_peak())
        task = mteb.get_task("MIRACLMonolingual", hf_subsets=[LANGUAGE])
        task.load_data()
        loaded = time.time()
        if workers:
            stack.enter_context(connected(LOCAL))
            stack.enter_context(use(engine.RayEngine(workers, Share(1, 0), shard)))
            stack.enter_context(patch.object(engine, "CountJob", NotedJob))
        stack.enter_context(patch.object(CorpusPass, "run", noted_run))
        stack.enter_context(patch.object(CorpusPass, "note", noted))
        stack.enter_context(watch.watching((Tally, "plus", "adding"), (CorpusPass, "note", "adding")))
        (result,) = mteb.evaluate(
            hash_encoder(DIMENSION), task, cache=None, co2_tracker=False, show_progress_bar=False,
            prediction_folder=folder / "tables",
        ).task_results  # fmt: skip
    shards = [json.loads(path.read_text()) for path in NotedJob.folder.iterdir()]
    began += [one["began"] for one in shards]
    found = {
        "imports": imported - started,
        "loading": loaded - imported,
        "before": min(began) - loaded,
        "shards": ended[0] - min(began),
        "spent": sum(one["spent"] for one in shards) + watch.seconds["shards"],
        "after": time.time() - ended[0],
        "adding": watch.seconds["adding"],
        "driver": memory.kib / _MIB,
        "worker": max((one["peak"] for one in shards), default=0) / _MIB,
        "workers": len({one["worker"] for one in shards}),
        "scores": result.scores["dev"],
    }
    (folder / "found.json").write_text(json.dumps(found))


def measured(workers: int, collection: Path, folder: Path, options: list[str]) -> dict[str, Any]:
    """What `measure` finds in a new process, whose caches are its own."""
    own = {
        **os.environ, **_RAY, **environment(collection), "HF_HUB_OFFLINE": "1",
        "MTEB_HYBRID_CACHE": str(folder / "cache"), "HF_DATASETS_CACHE": str(folder / "datasets"),
        "OMP_NUM_THREADS": "1",
    }  # fmt: skip
    command = [sys.executable, __file__, *options, "--measure", str(workers), str(folder), str(time.time())]
    subprocess.run(command, env=own, stdout=subprocess.DEVNULL, check=True)
    found: dict[str, Any] = json.loads((folder / "found.json").read_text())
    if found["workers"] != workers:
        raise SystemExit(f"{workers} workers were asked for, and {found['workers']} did something")
    return found


def rates_here(shard: int, clock: Callable[[], float]) -> tuple[Bench, Rates, Rates]:
    """The stand-in of an encoder, and the rates of one core of this machine: for a whole corpus, and for shards."""
    bench = Bench(hash_encoder(DIMENSION), BATCH, clock)
    texts = list(invented_texts(20_000))
    counting, counts = measure_counting(DIMENSION, clock)
    # in a shard smaller than a chunk the best passages are found anew more often
    in_shards, _ = measure_counting(DIMENSION, clock, min(shard, DEFAULT_CHUNK))
    with tempfile.TemporaryDirectory() as folder:
        reading = measure_reading(table(texts, Path(folder)), clock)
    whole = Rates(bench.encoding([], texts), counting, measure_adding(counts, clock), reading)
    return bench, whole, replace(whole, counting=in_shards)


def alone(rates: Rates, bench: Bench, passages: int) -> tuple[float, float, float]:
    """Predicted of one process, which counts all as one shard, and saves after every chunk; as `on_workers`."""
    spent = sum(rates.worker(bench.load(["any"], (), QUESTIONS).of(passages)).values())
    saved = math.ceil(passages / DEFAULT_CHUNK) * rates.adding.saving
    return spent, saved, spent + saved


def on_workers(rates: Rates, bench: Bench, passages: int, shard: int, workers: int) -> tuple[float, float, float]:
    """Predicted seconds of all shards, of adding them, and from the first one to the last addition."""
    one = bench.load(["any"], (), QUESTIONS)
    sizes = [min(shard, passages - start) for start in range(0, passages, shard)]
    seconds = [sum(rates.worker(one.of(size)).values()) for size in sizes]
    adding = rates.adding.each
    return sum(seconds), len(sizes) * adding, last_added(seconds, workers, adding)


def same(one: Path, other: Path) -> bool:
    """Whether two runs have the same scores and rank tables."""
    scores = [json.loads((folder / "found.json").read_text())["scores"] for folder in (one, other)]
    tables = [sorted((folder / "tables").rglob("*.parquet")) for folder in (one, other)]
    if scores[0] != scores[1] or not tables[0] or len(tables[0]) != len(tables[1]):
        return False
    return all(pq.read_table(a).equals(pq.read_table(b)) for a, b in zip(*tables, strict=True))


def runs(asked: argparse.Namespace, place: Path) -> Iterator[tuple[int, int, Path, dict[str, Any]]]:
    """Passages, workers, folder and figures of each run, that of one process first."""
    options = ["--shard", str(asked.shard), *["--cpu-seconds"] * asked.cpu_seconds]
    for passages in asked.passages:
        random, collection = np.random.default_rng(0), place / f"{passages}"
        relevant = [random.choice(RELEVANT, count, replace=False).tolist() for count in relevant_counts()]
        questions = [f"question {number}" for number in range(QUESTIONS)]
        write_collection(collection, (("", text) for text in invented_texts(passages)), questions, relevant)
        for workers in (0, *asked.workers):
            folder = place / f"{passages}-{workers}"
            yield passages, workers, folder, measured(workers, collection, folder, options)


def print_runs(asked: argparse.Namespace, bench: Bench, whole: Rates, in_shards: Rates) -> None:
    """All runs, as tables in Markdown."""
    lines, others = [], []
    with tempfile.TemporaryDirectory() as name:
        for passages, workers, folder, found in runs(asked, Path(name)):
            if workers:
                foreseen = on_workers(in_shards, bench, passages, asked.shard, workers)
            else:
                foreseen = alone(whole, bench, passages)
            measured = found["spent"], found["adding"], found["shards"]
            who = f"{passages:,}", workers or "one process"
            pairs = [
                f"{now:,.2f} / {before:,.2f} = {now / before:.2f}"
                for before, now in zip(foreseen, measured, strict=True)
            ]
            lines.append((*who, *pairs, "yes" if same(Path(name) / f"{passages}-0", folder) else "NO"))
            phases = [found[one] for one in ("imports", "loading", "before", "shards", "after")]
            memory = f"{found['driver']:,.0f}", f"{found['worker']:,.0f}" if workers else ""
            others.append((*who, *(f"{one:,.1f}" for one in (*phases, sum(phases))), *memory))
    print("\nMeasured / predicted; the last pair by the wall clock:")
    spent = "of all shards, s", "of adding them, s", "first shard to last added, s"
    print_table(("passages", "workers", *spent, "same scores and ranks"), lines)
    print("\nBy the wall clock, and memory:")
    phases = "imports", "reading tables", "until the first shard", "shards", "after them", "altogether"
    memory = "driver, MiB", "largest worker, MiB"
    print_table(("passages", "workers", *(f"{one}, s" for one in phases), *memory), others)


def main() -> None:
    """Measure, and print tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--passages", type=int, nargs="+", default=[20_000, 120_000], help=f"{RELEVANT:,} at least")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--shard", type=int, default=10_000, help="passages of a shard")
    parser.add_argument("--cpu-seconds", action="store_true", help="instead of the wall clock's")
    parser.add_argument("--measure", nargs=3, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    clock = time.process_time if asked.cpu_seconds else time.perf_counter
    datasets.disable_progress_bars()
    torch.set_num_threads(1)
    if asked.measure:
        workers, folder, started = asked.measure
        measure(int(workers), asked.shard, Path(folder), float(started), clock)
        return
    bench, whole, in_shards = rates_here(asked.shard, clock)
    print(f"\n{machine()}; {'CPU seconds' if asked.cpu_seconds else 'seconds by the wall clock'}")
    print(
        f"\n{QUESTIONS:,} questions; shards of {asked.shard:,} passages; a CPU for each worker. Measured before: "
        f"counting {in_shards.counting.first * 1e9:,.1f} s per 10^9 pairs and {in_shards.counting.start:.2f} s a "
        f"shard, adding {whole.adding.each:.3f} s a shard."
    )
    print_runs(asked, bench, whole, in_shards)


if __name__ == "__main__":
    main()
