"""How long `mteb-hybrid compare` and `mteb-hybrid report` take on results of XQuAD-R's size.

    python benchmarks/report.py [--models 2] [--runs 3]

Rank tables and MTEB's result JSON are written for models whose ranks are drawn at random: 11 monolingual, 110
cross-lingual and 11 pooled subsets of 1,190 questions. Every command is a fresh process.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from mteb_hybrid.rank_table import TableInfo, list_column, table_path, write_rank_table

LANGUAGES = ("ar", "de", "el", "en", "es", "hi", "ru", "th", "tr", "vi", "zh")
QUESTIONS, PASSAGES, TOP = 1190, 1183, 100


def write_model(folder: Path, name: str, rng: np.random.Generator) -> None:
    """Results and tables of one model; the ranks of a question's answers hang together."""
    ease = rng.gamma(0.5, 1.0, (QUESTIONS, 1))
    subsets = {
        "XQuADRMonolingual": {one: (one,) for one in LANGUAGES},
        "XQuADRCrossLingual": {f"{a}-{b}": (b,) for a in LANGUAGES for b in LANGUAGES if a != b},
        "XQuADRMultilingual": dict.fromkeys(LANGUAGES, LANGUAGES),
    }
    place = folder / "results" / name / "1"
    place.mkdir(parents=True)
    for task, by_subset in subsets.items():
        rows = []
        for subset, pool in by_subset.items():
            rank = np.sort(1 + rng.geometric(1 / (2 + 200 * ease), (QUESTIONS, len(pool))) % PASSAGES, axis=1)
            rank += np.arange(len(pool))  # no two of one rank
            write_subset(folder / "predictions", name, task, subset, pool, rank)
            score = float((np.arange(1, len(pool) + 1) / rank).mean())
            rows.append({"hf_subset": subset, "languages": [], "main_score": score, "map": score})
        content = {"dataset_revision": "drawn", "task_name": task, "scores": {"test": rows}}
        (place / f"{task}.json").write_text(json.dumps(content))


def write_subset(folder: Path, name: str, task: str, subset: str, pool: tuple[str, ...], rank: np.ndarray) -> None:
    """The rank table of one subset; only pooled ones have lists."""
    info = TableInfo(
        name, "1", task, "test", subset, subset[:2], dict.fromkeys(pool, PASSAGES), True, "drawn", "cosine"
    )  # fmt: skip
    width = np.full(QUESTIONS, len(pool))
    top = np.full(QUESTIONS, TOP if len(pool) > 1 else 0)
    labels = np.array(pool, dtype=object)
    columns = {
        "query_id": [f"question-{number}" for number in range(QUESTIONS)],
        "relevant_id": list_column(np.array([f"passage-{n}" for n in range(rank.size)], dtype=object), width),
        "relevant_language": list_column(np.tile(labels, QUESTIONS), width),
        "relevant_grade": list_column(np.ones(rank.size), width),
        "rank": list_column(rank.ravel(), width),
        "top_id": list_column(np.array([f"{n:016x}" for n in range(top.sum())], dtype=object), top),
        "top_language": list_column(np.resize(labels, top.sum()), top),
        "top_score": list_column(np.linspace(1, 0, top.sum()), top),
    }
    write_rank_table(table_path(folder, f"{name}/1", task, "test", subset), info, columns)


def seconds(*arguments: str) -> float:
    """Wall-clock seconds of one command."""
    started = time.perf_counter()
    subprocess.run([str(Path(sys.executable).with_name("mteb-hybrid")), *arguments], check=True, capture_output=True)
    return time.perf_counter() - started


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=int, default=2)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number in range(options.models):
            write_model(folder, f"model-{number}", np.random.default_rng(number))
        commands = {
            "help": ["--help"],
            "compare": ["compare", name],
            "report": ["report", name, "--format", "json"],
            "report, the page with tests": ["report", name, "--output", f"{name}/page.html"],
        }
        for what, command in commands.items():
            found = sorted(seconds(*command) for _ in range(options.runs))
            print(f"{what}: {statistics.median(found):.1f} s (from {found[0]:.1f} to {found[-1]:.1f})")
    versions = ", ".join(f"{one} {importlib.metadata.version(one)}" for one in ("numpy", "pyarrow"))
    print(f"{options.models} models, median of {options.runs} processes; Python {sys.version.split()[0]}, {versions}")


if __name__ == "__main__":
    main()
