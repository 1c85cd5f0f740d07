"""All scores of the shipped baseline on MiniQA-R, as they were when somebody last looked at them and found them right.

    python tests/golden.py

writes tests/golden_miniqa_r_char_ngram.json anew. Do that only for a change that is meant to change scores: read the
difference, and say in the changelog what changed.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TypeAlias

import mteb
from task_names import MINIQA_R

from mteb_hybrid.atomic import atomic_path

FILE = Path(__file__).with_name("golden_miniqa_r_char_ngram.json")
MODEL = "mteb-hybrid/char-ngram"
NO_SCORES = {"hf_subset", "languages", "mteb_version"}  # in a row of MTEB's results
ACROSS = "MiniQARMultilingual, all query languages"
DIGITS = 12

Scores: TypeAlias = dict[str, dict[str, dict[str, float]]]  # task to subset to score to value


def evaluated() -> Scores:
    """What MTEB finds now; scores that need all query languages stand under `ACROSS`."""
    with tempfile.TemporaryDirectory() as folder:
        done = mteb.evaluate(
            mteb.get_model(MODEL),
            mteb.get_tasks(tasks=MINIQA_R),
            cache=None,
            prediction_folder=folder,
            show_progress_bar=False,
            co2_tracker=False,
        )
        (across,) = Path(folder).rglob("*.across.json")
        found = {ACROSS: {"all": json.loads(across.read_text(encoding="utf-8"))["scores"]}}
    for result in done.task_results:
        found[result.task_name] = {
            row["hf_subset"]: {name: value for name, value in row.items() if name not in NO_SCORES}
            for row in result.scores["test"]
        }
    return found


def write(found: Scores) -> None:
    """Write the file: for each task the names of its scores, then a line of values for each subset."""
    blocks = []
    for task, subsets in sorted(found.items()):
        names = sorted(next(iter(subsets.values())))
        rows = {subset: [round(scores[name], DIGITS) for name in names] for subset, scores in sorted(subsets.items())}
        lines = ",\n".join(f"   {json.dumps(subset)}: {json.dumps(values)}" for subset, values in rows.items())
        blocks.append(f' {json.dumps(task)}: {{\n  "scores": {json.dumps(names)},\n  "subsets": {{\n{lines}\n  }}\n }}')
    with atomic_path(FILE) as temporary:
        temporary.write_text("{\n" + ",\n".join(blocks) + "\n}\n", encoding="utf-8")


def read() -> Scores:
    """What the file holds."""
    return {
        task: {subset: dict(zip(table["scores"], row, strict=True)) for subset, row in table["subsets"].items()}
        for task, table in json.loads(FILE.read_text(encoding="utf-8")).items()
    }


if __name__ == "__main__":
    write(evaluated())
