"""Tasks of the hub that the study names and that could not be run: their commands work, on stand-ins of their data."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import mteb
import pytest

from mteb_hybrid.collections import miniqa_r

MTEB = Path(sys.executable).with_name("mteb")


def standin(folder: Path, tables: dict[str, dict[str, list]]) -> None:
    """A data set of the hub with a split ``test`` for each configuration, in the folder that its name is."""
    configs = []
    for name, columns in tables.items():
        rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        (folder / name).mkdir(parents=True)
        (folder / name / "test.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
        configs.append({"config_name": name, "data_files": [{"split": "test", "path": f"{name}/test.jsonl"}]})
    (folder / "README.md").write_text(f"---\n{json.dumps({'configs': configs})}\n---\n", encoding="utf-8")


@pytest.fixture
def data(tmp_path):
    """A task of BEIR, and all subsets of Tatoeba, with texts of MiniQA-R."""
    english, german = miniqa_r().load("en"), miniqa_r().load("de")
    ids = [f"p{number}" for number in range(len(english.passages))]
    judged = [
        (query, ids[position], 1)
        for query, positions in zip(english.query_ids, english.relevant, strict=True)
        for position in positions
    ]
    queries, passages, scores = map(list, zip(*judged, strict=True))
    standin(
        tmp_path / mteb.get_task("NFCorpus").metadata.dataset["path"],
        {
            "corpus": {"_id": ids, "title": [""] * len(ids), "text": list(english.passages)},
            "queries": {"_id": list(english.query_ids), "text": list(english.queries)},
            "default": {"query-id": queries, "corpus-id": passages, "score": scores},
        },
    )
    tatoeba = mteb.get_task("Tatoeba")
    pairs = [
        (subset, *pair) for subset in tatoeba.hf_subsets for pair in zip(german.queries, english.queries, strict=True)
    ]
    columns = zip(("lang", "sentence1", "sentence2"), map(list, zip(*pairs, strict=True)), strict=True)
    standin(tmp_path / tatoeba.metadata.dataset["path"], {"default": dict(columns)})
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize(("task", "metric"), [("NFCorpus", "ndcg_at_10"), ("Tatoeba", "f1")])
def test_on_standins(data, task, metric):
    """`mteb run` scores a model on the task as on the hub's data."""
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_DATASETS_CACHE": str(data / "cache")}
    command = [MTEB, "run", "-t", task, "-m", "mteb-hybrid/char-ngram", "--output-folder", data / "out"]
    done = subprocess.run(command, cwd=data, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    (result,) = (data / "out").rglob(f"{task}.json")
    scores = json.loads(result.read_text())["scores"]["test"]
    assert len(scores) == len(mteb.get_task(task).hf_subsets)
    assert all(0.05 < row[metric] <= 1 for row in scores)


@pytest.mark.slow
def test_nfcorpus_is_of_beir():
    """What the stand-in stands for is one of the tasks of the study's command."""
    assert "NFCorpus" in {task.metadata.name for task in mteb.get_benchmark("BEIR").tasks}
