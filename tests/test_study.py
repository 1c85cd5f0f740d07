"""The study's driver and its slices of the test collections."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_models import sentence_transformer

from mteb_hybrid.collections import mlqa_r, xquad_r
from mteb_hybrid.collections.beir import BeirSource

STUDY = Path(__file__).parents[1] / "study"
if not STUDY.is_dir():
    pytest.skip(f"{STUDY} is not there", allow_module_level=True)
sys.path.insert(0, str(STUDY))
import plan  # noqa: E402
import slices  # noqa: E402


def test_arms():
    """Named once each; equal steps and data for all arms of a question; tested on what was not trained on."""
    found = plan.arms()
    assert len({arm.id for arm in found}) == len(found)
    assert {arm.seed for arm in found if arm.name == "hybrid" and arm.data == "mlqa-r"} == {0, 1, 2}
    assert all(setting.startswith("sampler.alpha=") for arm in found for setting in arm.settings)
    assert {(arm.data, arm.test) for arm in found} == {("mlqa-r", "XQuADRFifth"), ("xquad-r", "MLQARFifth")}


@pytest.mark.parametrize("collection", [xquad_r, mlqa_r])
def test_slices(collection, lareqa_data, tmp_path, monkeypatch):
    """The same questions in every language, whole paragraphs, the same judgments; about a fifth of all."""
    monkeypatch.setenv("MTEB_HYBRID_DATA", str(lareqa_data))
    whole = collection()
    kept = slices.questions(whole.load("en"))
    assert 0.1 < len(kept) / len(whole.load("en").query_ids) < 0.3
    slices.write_slice(whole, tmp_path)
    part = BeirSource.of("Fifth", tmp_path).collection()
    assert part.languages == whole.languages
    for language in ("en", "zh"):
        of_whole, of_part = whole.load(language), part.load(language)
        assert set(of_part.query_ids) == kept & set(of_whole.query_ids)
        answers = {
            query: {of_whole.passages[position].strip() for position in positions}
            for query, positions in zip(of_whole.query_ids, of_whole.relevant, strict=True)
        }
        for query, positions in zip(of_part.query_ids, of_part.relevant, strict=True):
            assert {of_part.passages[position] for position in positions} == answers[query]
        contexts = {of_whole.contexts[positions[0]] for query, positions in
                    zip(of_whole.query_ids, of_whole.relevant, strict=True) if query in kept}  # fmt: skip
        sentences = [
            text.strip()
            for text, context in zip(of_whole.passages, of_whole.contexts, strict=True)
            if context in contexts
        ]
        assert sorted(of_part.passages) == sorted(sentences)


@pytest.mark.slow
def test_driver(lareqa_data, tmp_path, monkeypatch):
    """An arm is trained, scored by `mteb run` and its model deleted; a second run does nothing; a failure is said."""
    monkeypatch.setenv("MTEB_HYBRID_DATA", str(lareqa_data))
    model = sentence_transformer(tmp_path / "tiny")
    recipe = STUDY / "recipe.toml"
    short = tmp_path / "study"
    short.mkdir()
    for path in STUDY.glob("*.py"):
        (short / path.name).write_text(path.read_text(encoding="utf-8"), encoding="utf-8")
    (short / "recipe.toml").write_text(recipe.read_text(encoding="utf-8").replace("steps = 120", "steps = 3"))
    words = [sys.executable, short / "run.py", "--model", model, "--work", tmp_path / "work", "--jobs", "2"]
    words += ["--arm", "xquad-r_e5_start", "--arm", "xquad-r_e5_hybrid_seed1"]
    first = subprocess.run(words, capture_output=True, text=True, check=False)
    assert first.returncode == 0, first.stdout + first.stderr
    assert first.stdout.startswith("2 arms; finished: 0")
    (scored,) = (tmp_path / "work/results/xquad-r_e5_hybrid_seed1").rglob("MLQARFifthMultilingual.json")
    rows = json.loads(scored.read_text())["scores"]["test"]
    assert {row["hf_subset"] for row in rows} == set(mlqa_r().languages)
    assert scored.parent.parent.name == "local__xquad-r_e5_hybrid_seed1"
    assert not list((tmp_path / "work/models").iterdir())
    assert model.is_dir()
    again = subprocess.run(words, capture_output=True, text=True, check=False)
    assert again.stdout.splitlines() == ["2 arms; finished: 2"]
    words[words.index("--arm") + 1] = "mlqa-r_e5_hybrid_seed0"
    words[words.index(model)] = tmp_path / "nowhere"
    failed = subprocess.run(words, capture_output=True, text=True, check=False)
    assert failed.returncode == 1
    assert "mlqa-r_e5_hybrid_seed0" in failed.stderr
    assert "logs" in failed.stderr
