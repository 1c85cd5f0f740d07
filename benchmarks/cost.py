"""The cost of a streamed evaluation: measured part by part, checked against real runs, and worked out for MIRACL.

    python benchmarks/cost.py --model MODEL [--tokens 150] [--tflops 200] [--gpus 1 8 64]

MODEL is a sentence-transformers model, by name or directory. Every rate is measured on this machine, on passages of
XQuAD-R's texts if MTEB_HYBRID_DATA has them, and together they predict how long two streamed runs through
`mteb.evaluate` take. For GPUs nothing is measured: what one of them does in a second is ASSUMED, and given by options.
On a machine that others use too, `--cpu-seconds` counts what this process spends on the CPU (with OMP_NUM_THREADS=1).
"""

from __future__ import annotations

import argparse
import math
import os
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import patch

import datasets
import mteb
import numpy as np
import torch
from cost_model import Load, Rates
from cost_of_miracl import Card, print_alone, print_loads, print_seconds
from counting_rates import (
    MOST,
    PAIRS,
    QUESTIONS,
    TOP,
    measure_adding,
    measure_counting,
    measure_reading,
    relevant_counts,
)
from driver_rates import measure_alone
from encoding_rates import Bench
from flops import Architecture, counted_flops
from machine import machine
from passages import Sentences
from standin import LANGUAGE, environment, hash_encoder, write_collection
from tables import print_table

from mteb_hybrid.streaming.corpus import Corpus
from mteb_hybrid.streaming.passes import DEFAULT_CHUNK

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

READ, COUNTED = 20_000, 30_000  # passages of the table that is read, and of the run that is mostly counting
ASKED = 100  # questions of the run that is mostly encoding


def print_flops(bench: Bench, texts: list[str]) -> None:
    """Operations of a short, a middling and a long passage, by the formula and counted."""
    by_length, architecture = sorted(texts, key=len), Architecture.of(bench.module)

    def rows() -> Iterator[Sequence[object]]:
        for text in (by_length[0], by_length[len(texts) // 2], by_length[-1]):
            counted, tokens = counted_flops(bench.module, text)
            formula, weights = architecture.flops([tokens]), 2 * architecture.parameters * tokens
            yield tokens, f"{counted:.4g}", f"{weights:.4g}", f"{formula:.4g}", f"{formula / counted:.3f}"

    headings = ("tokens", "FLOPs counted", "2 x parameters x tokens", "with attention", "formula / counted")
    print_table(headings, rows())


def print_rates(rates: Rates, load: Load) -> None:
    """The rates; those of encoding for texts like these."""
    encoding, counting, adding = rates.encoding, rates.counting, rates.adding
    tokenising = encoding.splitting + encoding.packing
    seconds = load.texts * encoding.handing + load.tokens * tokenising + load.flops / encoding.forward
    rows = {
        "tokenising": f"{1 / tokenising:,.0f} tokens/s",
        "of that, in the tokenizer's library": f"{1 / encoding.splitting:,.0f} tokens/s",
        "of that, making tensors in Python": f"{1 / encoding.packing:,.0f} tokens/s",
        "forward pass": f"{encoding.forward / 1e9:,.1f} GFLOP/s",
        "handing over texts and embeddings": f"{1 / encoding.handing:,.0f} passages/s",
        "all of encoding": f"{load.texts / seconds:,.1f} passages/s, {load.flops / seconds / 1e9:,.1f} GFLOP/s",
        "reading a memory-mapped table": f"{1 / rates.reading.mapped:,.0f} passages/s",
        "reading and pickling for workers that do not see its files": f"{1 / rates.reading.packed:,.0f} passages/s",
        f"counting, first {DEFAULT_CHUNK:,} passages of a shard": f"{counting.first * 1e9:,.1f} s per 10^9 pairs",
        f"counting, the next {DEFAULT_CHUNK:,}": f"{counting.later * 1e9:,.1f} s per 10^9 pairs",
        "counting, once a shard": f"{counting.start:.2f} s",
        "driver: unpickling a shard's counts": f"{adding.taking:.3f} s",
        "driver: adding them": f"{adding.adding:.3f} s",
        "driver: saving the sums": f"{adding.saving:.3f} s",
        "driver: putting 18 corpora together, once": f"{adding.merging:.1f} s",
    }
    print_table(("part", "rate"), rows.items())


def check(bench: Bench, rates: Rates, texts: list[str], questions: list[str]) -> None:
    """Two real runs, one of them mostly encoding, the other mostly counting; prints predicted and measured seconds."""
    random, cheap = np.random.default_rng(0), replace(bench, model=hash_encoder(bench.dimension()))
    numbered = [f"{number} {texts[number % len(texts)]}" for number in range(COUNTED)]
    one_each = random.permutation(len(texts))[: len(questions), None].tolist()
    as_miracl = [random.choice(COUNTED, count, replace=False).tolist() for count in relevant_counts()]
    many = [f"question {number}" for number in range(QUESTIONS)]

    def row(
        name: str, bench: Bench, rates: Rates, passages: list[str], asked: list[str], relevant: list[list[int]]
    ) -> Sequence[object]:
        load = bench.load(passages, asked, len(asked))
        # one process adds nothing, and saves after every chunk
        saving = math.ceil(len(passages) / DEFAULT_CHUNK) * rates.adding.saving * len(asked) / QUESTIONS
        predicted = sum(rates.worker(load).values()) + saving
        with tempfile.TemporaryDirectory() as folder:
            write_collection(Path(folder), (("", text) for text in passages), asked, relevant)
            measured = streamed_seconds(bench, Path(folder))
        shown = f"{predicted:,.1f}", f"{measured:,.1f}", f"{measured / predicted:.2f}"
        return name, f"{len(passages):,}", f"{len(asked):,}", *shown

    def rows() -> Iterator[Sequence[object]]:
        yield row("this model", bench, rates, texts, questions, one_each)
        known = replace(rates, encoding=cheap.encoding([], numbered))
        yield row("one that costs next to nothing", cheap, known, numbered, many, as_miracl)

    headings = ("encoder", "passages", "questions", "predicted, s", "measured, s", "measured / predicted")
    print_table(headings, rows())


def streamed_seconds(bench: Bench, folder: Path) -> float:
    """Seconds of `mteb.evaluate` on the collection in a folder, whose tables are made before."""
    with patch.dict(os.environ, environment(folder)):
        task = mteb.get_task("MIRACLMonolingual", hf_subsets=[LANGUAGE])
        task.load_data()
        settings = {"cache": None, "co2_tracker": False, "show_progress_bar": False}
        started = bench.clock()
        mteb.evaluate(bench.model, task, encode_kwargs=bench.options, **settings)
        return bench.clock() - started


def table(texts: list[str], folder: Path) -> Corpus:
    """A corpus of these texts in a memory-mapped table."""
    place = write_collection(folder, (("", text) for text in texts), [], [])
    files, cache = str(place / "corpus" / "*.parquet"), str(folder / "cache")
    rows = datasets.load_dataset("parquet", data_files=files, split="train", cache_dir=cache)
    return Corpus("benchmark", LANGUAGE, 0, rows.rename_column("_id", "id"), "1")


def options() -> argparse.Namespace:
    """What the user asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-m", "--model", required=True)
    parser.add_argument("--tokens", type=int, default=150, help="of a passage, about: assumed of MIRACL")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--sample", type=int, default=256, help="passages that the rate of encoding is measured on")
    parser.add_argument("--passages", type=int, default=2000, help="of the run that checks the rate of encoding")
    parser.add_argument("--cpu-seconds", action="store_true", help="instead of the wall clock's")
    assumed = parser.add_argument_group("what is worked out for MIRACL, and what is assumed of a GPU")
    assumed.add_argument("--gpus", type=int, nargs="+", default=[1, 8, 64])
    assumed.add_argument("--shards", type=int, nargs="+", default=[100_000, 1_000_000], help="passages of a shard")
    assumed.add_argument("--workers-per-gpu", type=int, nargs="+", default=[1, 8])
    assumed.add_argument("--cores", type=int, default=16, help="of the machine for each of its GPUs")
    assumed.add_argument(
        "--tflops", type=float, default=200, help="of the forward pass; 200 is 20 %% of an H100's dense bfloat16 peak"
    )
    assumed.add_argument(
        "--tflops-float32", type=float, default=30, help="of products in float32; 30 is 45 %% of an H100's peak"
    )
    assumed.add_argument(
        "--bandwidth", type=float, default=1.5, help="TB/s that counting moves; 1.5 is 45 %% of an H100's peak"
    )
    return parser.parse_args()


def main() -> None:
    """Measure, check, work out, and print tables in Markdown."""
    asked = options()
    os.environ["TOKENIZERS_PARALLELISM"] = "false"  # as in `mteb run`: one core
    datasets.disable_progress_bars()
    model = mteb.get_model(asked.model, device="cuda" if torch.cuda.is_available() else "cpu")
    bench = Bench(model, asked.batch_size, time.process_time if asked.cpu_seconds else time.perf_counter)
    if bench.module is None:
        raise SystemExit(f"{asked.model} has no torch module, whose tokens and operations could be counted")
    sentences = Sentences.at_hand()
    texts = sentences.passages(READ, bench.module.tokenizer, asked.tokens)
    sample = texts[-asked.sample :]
    load = bench.load(sample, (), QUESTIONS)

    print(f"\n{machine()}; {'CPU seconds' if asked.cpu_seconds else 'seconds by the wall clock'}")
    print(
        f"\n{asked.model}: {Architecture.of(bench.module)}. Passages: {sentences.origin}, "
        f"{load.tokens / load.texts:,.0f} tokens on average. Counting: {QUESTIONS:,} questions with about "
        f"{PAIRS / QUESTIONS:.1f} relevant passages, {MOST} at most; the best {TOP} are kept."
    )
    print_flops(bench, sample)
    counting, counts = measure_counting(bench.dimension(), bench.clock)
    adding, encoding = measure_adding(counts, bench.clock), bench.encoding(sample, texts)
    with tempfile.TemporaryDirectory() as folder:
        reading = measure_reading(table(texts, Path(folder)), bench.clock)
    rates = Rates(encoding, counting, adding, reading)
    print_rates(rates, load)
    check(bench, rates, texts[: asked.passages], sentences.questions[:ASKED])

    print_loads(rates, load, asked.shards)
    print_alone(measure_alone(texts, bench.clock), QUESTIONS, TOP)
    card = Card(asked.tflops * 1e12, asked.tflops_float32 * 1e12, asked.bandwidth * 1e12, asked.cores)
    for workers in asked.workers_per_gpu:
        print_seconds(rates, load, bench.dimension(), replace(card, workers=workers), asked.gpus, asked.shards)


if __name__ == "__main__":
    main()
