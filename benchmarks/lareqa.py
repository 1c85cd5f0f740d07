"""XQuAD-R and MLQA-R in all their settings for one model: the README's tables, the wall time, and where it went.

    python benchmarks/lareqa.py -m MODEL [-m MODEL ...] [--output-folder results/lareqa]

MODEL is whatever `mteb run -m` takes: a name of MTEB's registry, of the hub, or a sentence-transformers directory. Runs
`mteb.evaluate` with the tasks and options of `mteb run`, from an empty results folder, and times `model.encode`.
"""

from __future__ import annotations

import argparse
import json
import shutil
import time
from pathlib import Path
from typing import Any

import mteb
import torch
from machine import machine

from mteb_hybrid.reporting import ModelSummary, read_pooled, read_results, summarise
from mteb_hybrid.reporting.columns import BIAS, PARALLEL
from mteb_hybrid.task_names import SETTINGS

COLLECTIONS = {"XQuADR": "XQuAD-R", "MLQAR": "MLQA-R"}
PER_LANGUAGE = (
    "rank_distance", "rank_distance_median", "complete_at_100", "language_preference_excess",
    "query_language_share_excess_at_10", "exposure_fairness_at_100",
)  # fmt: skip


def timed_encode(model) -> dict[str, float]:
    """Replace ``model.encode`` by one that adds up its seconds and texts."""
    spent = {"seconds": 0.0, "texts": 0.0}
    encode = model.encode

    def timed(inputs, **options):
        started = time.perf_counter()
        embeddings = encode(inputs, **options)
        spent["seconds"] += time.perf_counter() - started
        spent["texts"] += len(embeddings)
        return embeddings

    model.encode = timed
    return spent


def run(name: str, collection: str, folder: Path, batch_size: int) -> dict[str, float]:
    """Evaluate one model from scratch; seconds in all, in ``model.encode``, and texts encoded."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = mteb.get_model(name, device=device)
    spent = timed_encode(model)
    tasks = mteb.get_tasks(tasks=[f"{collection}{setting}" for setting in SETTINGS])
    started = time.perf_counter()
    evaluate(model, tasks, folder, batch_size)
    wall = time.perf_counter() - started
    return {"wall": wall, "encode": spent["seconds"], "texts": spent["texts"], "stock texts": stock_texts(collection)}


def evaluate(model: Any, tasks: Any, folder: Path, batch_size: int) -> None:
    """Evaluate with the options of `mteb run`, and read nothing from an earlier run."""
    mteb.evaluate(
        model,
        tasks,
        cache=mteb.ResultCache(folder),
        overwrite_strategy="always",
        prediction_folder=folder / "predictions",
        encode_kwargs={"batch_size": batch_size, "show_progress_bar": False},
        co2_tracker=False,
    )


def stock_texts(collection: str) -> int:
    """Texts that MTEB's stock path encodes for these tasks: queries and corpus of every subset anew."""
    texts = 0
    for task in mteb.get_tasks(tasks=[f"{collection}{setting}" for setting in SETTINGS]):
        task.load_data()
        texts += sum(len(split["test"]["queries"]) + len(split["test"]["corpus"]) for split in task.dataset.values())
    return texts


def overall(summaries: dict[str, ModelSummary]) -> None:
    """All scores of the pool and of the settings, macro-averaged, one column a collection."""
    print("| | better | " + " | ".join(COLLECTIONS[name] for name in summaries) + " |")
    print("|---|---|" + "---|" * len(summaries))
    for column in PARALLEL[:-1]:
        row([column.heading, "high"], [one.mean(column.setting, column.score) for one in summaries.values()], ".4f")
    for score, better, form in BIAS:
        values = [one.pooled(score) for one in summaries.values()]
        if any(value is not None for value in values):
            row([f"`{score}`", better], values, form)


def by_language(summary: ModelSummary) -> None:
    """Every query language of one collection; Cr. averages over the other passage languages."""
    columns = [(one.heading, one.setting, one.score, one.form) for one in PARALLEL[:3]]
    columns += [(f"`{s}`", "Multilingual", s, form) for s, _, form in BIAS if s in PER_LANGUAGE]
    print("| | " + " | ".join(heading for heading, *_ in columns) + " |\n|---|" + "---|" * len(columns))
    found = [(summary.by_query_language(setting, score), form) for _, setting, score, form in columns]
    for language in summary.query_languages():
        print(f"| {language} | " + " | ".join(cell(values.get(language), form) for values, form in found) + " |")
    means = [cell(summary.mean(setting, score), form) for _, setting, score, form in columns]
    print("| **macro-average** | " + " | ".join(f"**{mean}**" for mean in means) + " |")


def row(names: list[str], values: list[float | None], form: str) -> None:
    """One line of a Markdown table."""
    print("| " + " | ".join([*names, *(cell(value, form) for value in values)]) + " |")


def cell(value: float | None, form: str) -> str:
    """A value, or a dash."""
    return "-" if value is None else format(value, form)


def main() -> None:
    """Run, and print the tables in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-m", "--model", action="append", required=True)
    parser.add_argument("--output-folder", type=Path, default=Path("results/lareqa"))
    parser.add_argument("--batch-size", type=int, default=32)
    arguments = parser.parse_args()
    for name in arguments.model:
        folder = arguments.output_folder / Path(name).name
        shutil.rmtree(folder, ignore_errors=True)
        times = {collection: run(name, collection, folder, arguments.batch_size) for collection in COLLECTIONS}
        (folder / "times.json").write_text(json.dumps(times | {"machine": machine()}, indent=1))
        found = summarise(read_results(folder / "results"), *read_pooled([folder / "predictions"]))
        summaries = {collection: next(one for one in found if one.collection == collection) for collection in times}
        print(f"\n## {found[0].model}\n\n{machine()}\n")
        for collection, spent in times.items():
            print(f"{COLLECTIONS[collection]}: {spent['texts']:,.0f} texts encoded (stock MTEB: ", end="")
            print(
                f"{spent['stock texts']:,}); {spent['wall']:.1f} s in all, {spent['encode']:.1f} s in model.encode, ",
                end="",
            )
            print(f"{1 - spent['encode'] / spent['wall']:.1%} outside of it.\n")
        overall(summaries)
        for collection, summary in summaries.items():
            print(f"\n### {COLLECTIONS[collection]}\n")
            by_language(summary)


if __name__ == "__main__":
    main()
