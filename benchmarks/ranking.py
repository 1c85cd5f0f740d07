"""The rank kernel against the bare matrix product, and against what a user would take instead.

    python benchmarks/ranking.py [--threads 1 2] [--rounds 5] [--random] [--sample 128]

All scores of 13,090 questions and 13,014 passages, XQuAD-R's pool, in one run, in turns. Made-up embeddings: by default
relevant passages stand as high as a good encoder puts them; with --random they stand anywhere, which is the kernel's
worst case. The tools at the end get the scores for nothing and rank all passages of --sample questions; their time is
multiplied to all questions. ranx and ir_measures take part where they are installed.
"""

from __future__ import annotations

import argparse
import statistics
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from machine import machine
from made_up import DIMENSION, LANGUAGES, MadeUp, bare_product, interleaved, made_up, peak_mib

from mteb_hybrid.ranking import RankCounter

if TYPE_CHECKING:
    from collections.abc import Callable


def pooled(pool: MadeUp, top_k: int = 0) -> Callable[[], object]:
    """The pooled setting: a relevant passage in each language, counted by language."""
    query = np.repeat(np.arange(len(pool.queries)), LANGUAGES)
    relevant = pool.relevant.reshape(-1)
    embedded = pool.passages[relevant]
    order = np.arange(len(pool.passages))

    def count() -> object:
        counter = RankCounter(pool.queries, query, embedded, relevant, segments=LANGUAGES, top_k=top_k, device="cpu")
        counter.count(pool.passages, order, pool.language)
        return counter.result()

    return count


def blocks(pool: MadeUp) -> Callable[[], object]:
    """The monolingual and cross-lingual settings: each language's questions against each language's passages."""
    order = np.arange(len(pool.passages))

    def count() -> object:
        for asked in range(LANGUAGES):
            rows = np.flatnonzero(pool.query_language == asked)
            for searched in range(LANGUAGES):
                own = np.flatnonzero(pool.language == searched)
                relevant = pool.relevant[rows, searched]
                counter = RankCounter(
                    pool.queries[rows], np.arange(len(rows)), pool.passages[relevant], relevant, device="cpu"
                )
                counter.count(pool.passages[own], order[own])
                counter.result()
        return None

    return count


def sorting(pool: MadeUp, sort: Callable[[torch.Tensor], object]) -> Callable[[], object]:
    """The product, and a whole sort of every row."""
    queries, passages = torch.from_numpy(pool.queries), torch.from_numpy(pool.passages)

    def work() -> None:
        for start in range(0, len(queries), 256):
            sort(queries[start : start + 256] @ passages.T)

    return work


def tools(pool: MadeUp, sample: int) -> dict[str, Callable[[], object]]:
    """Other people's ways from scores to measures, over whole rankings of some questions."""
    rows = np.linspace(0, len(pool.queries) - 1, sample, dtype=int)
    scores = pool.queries[rows] @ pool.passages.T
    names = [f"p{number}" for number in range(len(pool.passages))]
    run = {f"q{row}": dict(zip(names, map(float, found), strict=True)) for row, found in zip(rows, scores, strict=True)}
    judged = {f"q{row}": {names[one]: 1 for one in pool.relevant[row]} for row in rows}

    def by_pytrec_eval() -> object:
        import pytrec_eval

        return pytrec_eval.RelevanceEvaluator(judged, {"map"}).evaluate(run)

    def by_ranx() -> object:
        from ranx import Qrels, Run, evaluate

        return evaluate(Qrels(judged), Run(run), "map")

    def by_ir_measures() -> object:
        import ir_measures

        return ir_measures.calc_aggregate([ir_measures.AP], judged, run)

    def by_beir() -> object:
        from beir.retrieval.evaluation import EvaluateRetrieval
        from beir.retrieval.search.dense import DenseRetrievalExactSearch

        class Known:
            def encode_queries(self, _texts: Any, **_options: Any) -> torch.Tensor:
                return torch.from_numpy(pool.queries[rows])

            def encode_corpus(self, _texts: Any, **_options: Any) -> torch.Tensor:
                return torch.from_numpy(pool.passages)

        search = DenseRetrievalExactSearch(Known(), corpus_chunk_size=len(names))
        corpus, asked = {name: {"text": "", "title": ""} for name in names}, dict.fromkeys(judged, "")
        found = search.search(corpus, asked, len(names), "cos_sim")
        return EvaluateRetrieval.evaluate(judged, found, [len(names)])

    return {"pytrec_eval": by_pytrec_eval, "ranx": by_ranx, "ir_measures": by_ir_measures, "BEIR": by_beir}


def show(name: str, seconds: float, cpu: float, floor: tuple[float, float]) -> None:
    """A line of the table."""
    print(f"| {name} | {seconds:.2f} | {seconds / floor[0]:.2f} | {cpu / floor[1]:.2f} |", flush=True)


def main() -> None:
    """Measure, and print tables in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--random", action="store_true")
    parser.add_argument("--sample", type=int, default=128, help="questions that slow tools rank; 0 leaves these out")
    arguments = parser.parse_args()
    pool = made_up(random=arguments.random)
    queries, passages = torch.from_numpy(pool.queries), torch.from_numpy(pool.passages)
    print(f"{machine()}; {len(queries)} x {len(passages)} x {DIMENSION}, {'random' if arguments.random else 'alike'}")
    count = pooled(pool)
    before = peak_mib()
    count()
    print(f"memory of the kernel above its inputs: {peak_mib() - before:.0f} MiB")
    wall: dict[str, list[float]] = {}
    for threads in arguments.threads:
        torch.set_num_threads(threads)
        kinds = {
            "bare product": lambda: bare_product(queries, passages),
            "kernel, pooled": pooled(pool),
            "kernel, 121 mono- and cross-lingual settings": blocks(pool),
            "kernel, pooled, top 100 too": pooled(pool, 100),
        }
        found = interleaved(kinds, arguments.rounds)
        print(f"\n| {threads} threads | s | x floor | x floor, CPU time |\n|---|---|---|---|")
        middle = {n: (statistics.median(t.wall), statistics.median(t.cpu)) for n, t in found.items()}
        for name, (seconds, cpu) in middle.items():
            show(name, seconds, cpu, middle["bare product"])
            wall.setdefault(name, []).append(seconds)
    floor = middle["bare product"]
    sorts = {
        "product, torch.sort": sorting(pool, lambda scores: scores.sort(dim=1, descending=True)),
        "product, numpy.argsort": sorting(pool, lambda scores: np.argsort(-scores.numpy(), axis=1)),
    }
    for name, times in interleaved(sorts, 1).items():
        show(name, times.wall[0], times.cpu[0], floor)
    if arguments.sample:
        for name, work in tools(pool, arguments.sample).items():
            try:
                work()  # ranx compiles itself
                started, cpu = time.perf_counter(), time.process_time()
                work()
            except ImportError:
                print(f"| {name} | not installed | | |")
                continue
            times_all = len(queries) / arguments.sample
            seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
            show(f"{name}, without any product", seconds * times_all, cpu * times_all, floor)
    if len(arguments.threads) > 1:
        print(
            "\nspeed-up by threads: " + ", ".join(f"{name} {times[0] / times[-1]:.2f}" for name, times in wall.items())
        )


if __name__ == "__main__":
    main()
