"""XQuAD-R in all its settings for one model: the README's table, the wall time, and where the time went.

    python benchmarks/xquad_r.py -m MODEL [-m MODEL ...] [--output-folder results/xquad-r]

MODEL is whatever `mteb run -m` takes: a name of MTEB's registry, of the hub, or a sentence-transformers directory. Runs
`mteb.evaluate` with the tasks and options of `mteb run`, from an empty results folder, and times `model.encode`.
"""

from __future__ import annotations

import argparse
import json
import platform
import shutil
import time
from importlib.metadata import version
from pathlib import Path

import mteb
import torch

from mteb_hybrid.reporting import read_results, summarise
from mteb_hybrid.reporting.summary import SETTINGS

TASKS = ["XQuADRMonolingual", "XQuADRCrossLingual", "XQuADRMultilingual"]


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


def run(name: str, folder: Path, batch_size: int) -> dict[str, float]:
    """Evaluate one model from scratch; seconds in all, in ``model.encode``, and texts encoded."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = mteb.get_model(name, device=device)
    spent = timed_encode(model)
    tasks = mteb.get_tasks(tasks=TASKS)
    started = time.perf_counter()
    mteb.evaluate(
        model,
        tasks,
        cache=mteb.ResultCache(folder),
        overwrite_strategy="always",
        prediction_folder=folder / "predictions",
        encode_kwargs={"batch_size": batch_size, "show_progress_bar": False},
        co2_tracker=False,
    )
    wall = time.perf_counter() - started
    return {"wall": wall, "encode": spent["seconds"], "texts": spent["texts"], "stock texts": stock_texts()}


def stock_texts() -> int:
    """Texts that MTEB's stock path encodes for these tasks: queries and corpus of every subset anew."""
    texts = 0
    for task in mteb.get_tasks(tasks=TASKS):
        task.load_data()
        texts += sum(len(split["test"]["queries"]) + len(split["test"]["corpus"]) for split in task.dataset.values())
    return texts


def machine() -> str:
    """The machine and the versions, in a line."""
    packages = ("mteb-hybrid", "mteb", "sentence-transformers", "torch", "numpy")
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else f"{torch.get_num_threads()} CPU threads"
    return f"{platform.machine()}, {device}, Python {platform.python_version()}, " + ", ".join(
        f"{package} {version(package)}" for package in packages
    )


def main() -> None:
    """Run, and print the tables in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-m", "--model", action="append", required=True)
    parser.add_argument("--output-folder", type=Path, default=Path("results/xquad-r"))
    parser.add_argument("--batch-size", type=int, default=32)
    arguments = parser.parse_args()
    for name in arguments.model:
        folder = arguments.output_folder / Path(name).name
        shutil.rmtree(folder, ignore_errors=True)
        times = run(name, folder, arguments.batch_size)
        (summary,) = summarise(read_results(folder / "results"))
        print(f"\n### {summary.model}\n\n{machine()}\n")
        outside = 1 - times["encode"] / times["wall"]
        print(f"{times['texts']:,.0f} texts encoded (stock MTEB: {times['stock texts']:,}); ", end="")
        print(f"{times['wall']:.1f} s in all, ", end="")
        print(f"{times['encode']:.1f} s in model.encode, {outside:.1%} outside of it.\n")
        print("| | Mo. mAP | Cr. mAP | Mul. mAP | rank distance |\n|---|---|---|---|---|")
        columns = [*((setting, "map") for setting in SETTINGS), ("Multilingual", "rank_distance")]
        by_language = [summary.by_query_language(setting, score) for setting, score in columns]
        for language in summary.query_languages():
            print(f"| {language} | " + " | ".join(form(values[language]) for values in by_language) + " |")
        means = [summary.mean(setting, score) for setting, score in columns]
        print("| **macro-average** | " + " | ".join(f"**{form(mean)}**" for mean in means) + " |")
        (folder / "times.json").write_text(json.dumps(times | {"machine": machine()}, indent=1))


def form(value: float | None) -> str:
    """Scores with four digits, rank distances with one."""
    if value is None:
        return "-"
    return f"{value:.4f}" if value <= 1 else f"{value:,.1f}"


if __name__ == "__main__":
    main()
