"""The study's driver and its slices of the test collections."""

from __future__ import annotations

import itertools
import json
import re
import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path

import plain
import plan
import pyarrow.parquet as pq
import pytest
import slices
from filelock import FileLock
from sentence_transformers import SentenceTransformer
from tiny_models import sentence_transformer

from mteb_hybrid.collections import mlqa_r, xquad_r
from mteb_hybrid.collections.beir import BeirSource
from mteb_hybrid.trainers import ParallelDataset
from mteb_hybrid.trainers.recipes import Recipe
from mteb_hybrid.trainers.recipes.data import build_views
from mteb_hybrid.trainers.recipes.trainer import plan_batches


def test_arms(study):
    """Named once each, every training with three seeds; the arms of an initialiser differ in what they are about."""
    found = plan.arms()
    assert len({arm.id for arm in found}) == len(found)
    seeds = defaultdict(set)
    for arm in found:
        seeds[arm.data, arm.start, arm.name].add(arm.seed)
    assert all(there == ({0} if name == "start" else {0, 1, 2}) for (_, _, name), there in seeds.items())
    assert {(arm.data, arm.test) for arm in found} == {("mlqa-r", "XQuADRFifth"), ("xquad-r", "MLQARFifth")}
    assert {question for arm in found for question in arm.questions} == {1, 2, 3, 4, 5, 6, 7, 8, 9, 10}
    for start in plan.CHOSEN:
        recipes = [_recipe(study, arm) for arm in found if arm.start == start and arm.name != "start"]
        assert len({(one.training.steps, one.training.batch_size, one.training.learning_rate) for one in recipes}) == 1


@pytest.mark.parametrize("arm", [arm for arm in plan.arms() if arm.seed == 0], ids=lambda arm: arm.id)
def test_recipes(study, arm):
    """Every arm's recipe can be read, and says what its name says."""
    recipe = _recipe(study, arm)
    alpha = {"X-X-mono": 1, "X-Y": 0, "english": 1, "X-X-mixed": 1}.get(arm.name, 0.5)
    assert recipe.sampler.alpha == (int(arm.name[-1]) / 10 if arm.name.startswith("alpha") else alpha)
    assert recipe.sampler.monolingual == ("mixed" if arm.name == "X-X-mixed" else "one-language")
    languages = {"english": 1, "languages2": 2, "languages3": 3, "languages5": 5, "languages7": 7}.get(arm.name)
    assert languages == (recipe.sampler.languages and len(recipe.sampler.languages))
    (data,) = recipe.data
    assert data.fraction == {"data10": 0.1, "data25": 0.25, "data50": 0.5}.get(arm.name[:6], 1)
    assert data.name == (arm.data if arm.name != "negatives" else "mlqa-r-negatives")
    assert recipe.loss.positives == ("parallel" if arm.name == "parallel" else "own")
    assert recipe.loss.consistency == (0.1 if arm.name == "consistency" else 0)


def _recipe(study, arm) -> Recipe:
    return Recipe.read(study / "recipe.toml", ["model.name=any", *arm.recipe])


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


@pytest.fixture
def short(study, tmp_path):
    """The study with two steps of four pairs instead of its own, and a folder of programs of its own."""
    folder = tmp_path / "study"
    folder.mkdir()
    for path in study.glob("*.py"):
        (folder / path.name).write_text(path.read_text(encoding="utf-8"), encoding="utf-8")
    steps = re.sub(r"(?<=e-[45], )60\)", "2)", (study / "plan.py").read_text(encoding="utf-8"))
    (folder / "plan.py").write_text(steps, encoding="utf-8")
    recipe = (study / "recipe.toml").read_text(encoding="utf-8")
    (folder / "recipe.toml").write_text(recipe.replace("batch_size = 24", "batch_size = 4"), encoding="utf-8")
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("mteb", "mteb-hybrid"):
        (programs / name).symlink_to(Path(sys.executable).with_name(name))
    commands = (folder / "commands.py").read_text(encoding="utf-8")
    found = commands.replace("BIN = Path(sys.executable).parent", f"BIN = Path({str(programs)!r})")
    assert found != commands
    (folder / "commands.py").write_text(found, encoding="utf-8")
    return folder


def pretend(short, name, *lines):
    """Put a shell script in the place of a program; it writes its arguments down."""
    program = short.parent / "bin" / name
    program.unlink()
    record = short.parent / f"{name}.txt"
    program.write_text("\n".join(["#!/bin/sh", f'echo "$@" >> {record}', *lines, ""]), encoding="utf-8")
    program.chmod(0o755)
    return record


def drive(short, model, work, *arms, ntrex=None, options=()):
    words = [sys.executable, short / "run.py", "--model", model, "--work", work, "--jobs", "2", *options]
    words += [] if ntrex is None else ["--ntrex", ntrex]
    words += [word for arm in arms for word in ("--arm", arm)]
    return subprocess.run(words, capture_output=True, text=True, check=False)


SCORES = """while [ "$1" != -t ]; do shift; done; mono="$2"; cross="$3"; pool="$4"
while [ "$1" != --output-folder ]; do shift; done; mkdir -p "$2"
for task in "$mono" "$cross" "$pool"; do echo '{}' > "$2/$task.json"; done"""
TRAINS = 'while [ "$1" != --output ]; do shift; done; mkdir -p "$2/training"'


def test_what_is_finished_is_not_done_again(lareqa_data, tmp_path, monkeypatch, short):
    """An arm whose training failed goes on with it; one whose scoring failed is scored anew; failures are said."""
    monkeypatch.setenv("MTEB_HYBRID_DATA", str(lareqa_data))
    work, arm = tmp_path / "work", "mlqa-r_e5_hybrid_seed0"
    trained = pretend(short, "mteb-hybrid", TRAINS, "exit 3")
    scored = pretend(short, "mteb", "exit 3")
    failed = drive(short, "any", work, arm)
    assert failed.returncode == 1
    assert arm in failed.stderr
    assert "logs" in failed.stderr
    assert not scored.exists()
    assert "--resume" not in trained.read_text()
    pretend(short, "mteb-hybrid", TRAINS, 'touch "$2/modules.json"')
    assert drive(short, "any", work, arm).returncode == 1
    assert trained.read_text().splitlines()[-1].endswith("--resume")
    assert len(scored.read_text().splitlines()) == 1
    assert (work / "models" / arm).is_dir()
    half = work / "results" / arm / "half.json"
    half.parent.mkdir(parents=True)
    half.write_text("{")
    pretend(short, "mteb", SCORES)
    pretend(short, "mteb", "exit 0")
    assert "ended without results of XQuADRFifthMonolingual" in drive(short, "any", work, arm).stderr
    pretend(short, "mteb", SCORES)
    for _ in range(2):
        assert drive(short, "any", work, arm).returncode == 0
    assert len(trained.read_text().splitlines()) == 2
    assert len(scored.read_text().splitlines()) == 3
    changed = (short / "plan.py").read_text().replace("(3e-5, 2)", "(3e-5, 3)")
    (short / "plan.py").write_text(changed)
    other = drive(short, "any", work, arm)
    assert other.returncode == 1
    assert "was made with other settings" in other.stderr
    assert not (work / "models" / arm).exists()
    assert not half.exists()


def test_one_driver_at_a_time(lareqa_data, tmp_path, monkeypatch, short):
    monkeypatch.setenv("MTEB_HYBRID_DATA", str(lareqa_data))
    pretend(short, "mteb-hybrid", "exit 0")
    with FileLock(tmp_path / "lock"):
        second = drive(short, "any", tmp_path, "mlqa-r_e5_hybrid_seed0")
    assert second.returncode == 2
    assert "another driver is at work" in second.stderr


def test_full(lareqa_data, tmp_path, monkeypatch, short):
    """On a GPU: larger batches, more steps, whole collections; the model stays where it is asked for."""
    monkeypatch.setenv("MTEB_HYBRID_DATA", str(lareqa_data))
    trained = pretend(short, "mteb-hybrid", TRAINS, 'touch "$2/modules.json"')
    scored = pretend(short, "mteb", SCORES)
    arm = "xquad-r_e5_hybrid_seed2"
    assert drive(short, "any", tmp_path / "work", arm, options=["--full", "--keep-models"]).returncode == 0
    assert "-t MLQARMonolingual MLQARCrossLingual MLQARMultilingual -m" in scored.read_text()
    words = trained.read_text().split()
    changes = [words[number + 1] for number, word in enumerate(words) if word == "--set"]
    training = Recipe.read(short / "recipe.toml", changes).training
    assert (training.batch_size, training.steps, training.precision, training.seed) == (100, 400, "bf16", 2)
    assert (tmp_path / "work/models" / arm).is_dir()


@pytest.mark.slow
def test_driver(lareqa_data, tmp_path, monkeypatch, short):
    """An arm is trained, scored by `mteb run`, and its model deleted; the initialiser stays."""
    monkeypatch.setenv("MTEB_HYBRID_DATA", str(lareqa_data))
    model = sentence_transformer(tmp_path / "tiny")
    arms = ("xquad-r_e5_start", "xquad-r_e5_hybrid_seed1")
    first = drive(short, model, tmp_path / "work", *arms)
    assert first.returncode == 0, first.stdout + first.stderr
    assert first.stdout.startswith("2 arms; finished: 0")
    (scored,) = (tmp_path / "work/results/xquad-r_e5_hybrid_seed1").rglob("MLQARFifthMultilingual.json")
    rows = json.loads(scored.read_text())["scores"]["test"]
    assert {row["hf_subset"] for row in rows} == set(mlqa_r().languages)
    assert scored.parent.parent.name == "local__xquad-r_e5_hybrid_seed1"
    assert not list((tmp_path / "work/models").iterdir())
    assert model.is_dir()


@pytest.mark.slow
def test_what_arms_need_is_made(lareqa_data, ntrex_data, tmp_path, monkeypatch, short):
    """Fewer layers, mined negatives, pre-training on bitext, and sentence-transformers' own samplers."""
    monkeypatch.setenv("MTEB_HYBRID_DATA", str(lareqa_data))
    model = sentence_transformer(tmp_path / "tiny", layers=6)
    pretend(short, "mteb", SCORES)
    arms = [
        f"mlqa-r_{name}_seed0"
        for name in ("layers4_negatives", "layers4-ntrex_hybrid", "layers4_data10-batch-sampler-masked")
    ]
    done = drive(short, model, tmp_path / "work", *arms, ntrex=ntrex_data, options=["--keep-models"])
    assert done.returncode == 0, done.stdout + done.stderr
    prepared = tmp_path / "work/prepared"
    for arm in arms:
        trained = SentenceTransformer(str(tmp_path / "work/models" / arm))
        assert len(trained[0].auto_model.encoder.layer) == 4
        before = prepared / ("layers4-ntrex" if "ntrex" in arm else "layers4")
        assert moved(trained, before)
        assert dict(trained.prompts) == {"query": "query: ", "document": "passage: "}
    assert moved(SentenceTransformer(str(prepared / "layers4-ntrex")), prepared / "layers4")
    assert len(SentenceTransformer(str(prepared / "layers4"))[0].auto_model.encoder.layer) == 4
    rows = pq.read_table(prepared / "negatives.parquet").to_pylist()
    view = ParallelDataset.from_collection(mlqa_r())
    assert len({row["item"] for row in rows}) == view.num_items
    assert Counter(row["language"] for row in rows) == {
        language: len(mlqa_r().load(language).query_ids) for language in mlqa_r().languages
    }
    assert all(row["negative"] != row["passage"] for row in rows)
    bitext = pq.read_table(prepared / "ntrex.parquet")
    assert bitext.num_rows == 1997
    assert bitext["query_de"][0] == bitext["passage_de"][0]


def moved(model, before) -> bool:
    """Whether a model's weights are others than those of a directory, by no more than so few steps can do."""
    weights, old = model.state_dict(), SentenceTransformer(str(before)).state_dict()
    largest = max(float((weights[name] - old[name]).abs().max()) for name in old if old[name].is_floating_point())
    return 0 < largest < 0.01


def test_baselines_train_on_the_pairs_of_hybrid(lareqa_data, study, monkeypatch):
    """The very rows that the recipe's sampler draws, in the order of its batches, with any number of epochs."""
    monkeypatch.setenv("MTEB_HYBRID_DATA", str(lareqa_data))
    arm = next(arm for arm in plan.arms() if arm.name == "data10-batch-sampler" and arm.seed == 1)
    recipe = Recipe.read(study / "recipe.toml", ["model.name=any", *arm.recipe])
    view = build_views(recipe).train
    pairs = plain.drawn_pairs(view, recipe)
    assert pairs.num_rows == 60 * 24
    batches = plan_batches(recipe, view).sampler(view, batch_size=24, seed=1)
    drawn = []
    for epoch in itertools.count():
        if len(drawn) >= 60:
            break
        batches.set_epoch(epoch)
        drawn += batches
    for number in (0, 1, 30, 59):
        rows = view[drawn[number]]
        part = pairs[24 * number : 24 * number + 24]
        assert part["query"] == rows["query"]
        assert part["passage"] == rows["passage"]
