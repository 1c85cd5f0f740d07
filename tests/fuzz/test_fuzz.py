"""Hostile input, a sample of what ``make fuzz`` tries: nothing comes out of our readers but our own errors."""

from __future__ import annotations

import json
import logging
import random
import subprocess
import sys
from pathlib import Path

import fuzz
import mutations
import pytest
import readers
from crashes import CRASHES
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from targets import TARGETS, Target

from mteb_hybrid.errors import RecipeError

CASES = {"report": 30, "rank_table": 300, "tasks": 300, "training_state": 300, "recipe": 500}  # those that take long
TEXTS = st.text(st.characters(exclude_categories=()), max_size=12)  # surrogates too
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | TEXTS
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4))


@pytest.fixture(autouse=True)
def _quiet(monkeypatch):
    """With a cache of the readers' own, and without the warnings about damaged files."""
    monkeypatch.setenv("MTEB_HYBRID_CACHE", str(readers.folder() / "cache"))
    logging.disable(logging.WARNING)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("name", TARGETS)
def test_seeds_are_read(name):
    """What hostile inputs are made of is no error itself; otherwise nothing deep would be tried."""
    for data in TARGETS[name].seeds:
        assert TARGETS[name].read(data)


@pytest.mark.parametrize("name", TARGETS)
def test_hostile_input(name):
    """Always the same cases; a reader that refused or took them all would be no test."""
    rng, taken, count = random.Random(name), 0, CASES.get(name, 1500)
    for _ in range(count):
        data = TARGETS[name].case(rng)
        try:
            taken += TARGETS[name].read(data)
        except Exception as error:  # noqa: BLE001 - whatever it is, with its input
            pytest.fail(f"{name} raised {type(error).__name__}: {str(error)[:200]} on {data[:2000]!r}")
    assert taken > 0
    assert taken < count or name in ("checkpoint", "anchors", "kept", "negatives", "model_meta", "modules")


@pytest.mark.parametrize(
    ("name", "data"), [case[:2] for case in CRASHES], ids=[f"{one[0]}-{one[2]}" for one in CRASHES]
)
def test_past_crashes(name, data):
    """What once ended in another exception is an error of ours, or is read."""
    TARGETS[name].read(data)


def _placed(seed: bytes, content, key) -> bytes:
    """A valid document with any value under one of its keys."""
    document = json.loads(seed)
    if isinstance(document, dict):
        names = sorted(document)
        document[names[key % len(names)]] = content
    else:
        document.insert(key % (len(document) + 1), content)
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    "name", [name for name, one in TARGETS.items() if one.mutate is mutations.mutate_json and name != "modules"]
)
def test_any_json(name):
    """Any JSON that there is, alone and in the place of any value of a valid document."""

    @given(content=JSON, key=st.integers(0, 20), alone=st.booleans())
    @settings(deadline=None, max_examples=150, suppress_health_check=list(HealthCheck))
    def holds(content, key, alone):
        data = json.dumps(content).encode() if alone else _placed(TARGETS[name].seeds[0], content, key)
        TARGETS[name].read(data)

    holds()


@pytest.mark.parametrize("name", ["beir_corpus", "beir_queries", "beir_judgments", "topics", "translations", "triples"])
def test_any_lines(name):
    """Any text, and valid lines with any text in them."""

    @given(text=st.text(max_size=80), place=st.integers(0, 200), alone=st.booleans())
    @settings(deadline=None, max_examples=150, suppress_health_check=list(HealthCheck))
    def holds(text, place, alone):
        seed = TARGETS[name].seeds[0]
        TARGETS[name].read(text.encode() if alone else seed[:place] + text.encode() + seed[place:])

    holds()


@pytest.mark.parametrize("name", TARGETS)
def test_any_bytes(name):
    """Bytes of no kind at all, and files that were cut off."""

    @given(data=st.binary(max_size=200), cut=st.floats(0, 1), alone=st.booleans())
    @settings(deadline=None, max_examples=10 if name == "report" else 50, suppress_health_check=list(HealthCheck))
    def holds(data, cut, alone):
        seed = TARGETS[name].seeds[0]
        TARGETS[name].read(data if alone else seed[: int(cut * len(seed))] + data)

    holds()


def test_a_crash_is_found(tmp_path):
    """The first input of each kind is kept with its reason; an error of ours is none."""
    outcomes = {b"a": ZeroDivisionError, b"b": ZeroDivisionError, b"c": KeyError, b"d": RecipeError}

    def broken(data):
        if data in outcomes:
            raise outcomes[data]("x")

    noted = fuzz.Noted(tmp_path / "note")
    findings = fuzz.Findings(tmp_path / "found", "broken")
    one = fuzz.attack(Target(broken, (b"",), mutations.mutate_bytes), findings, noted)
    for data in (b"", *outcomes):
        one(data)
    kept = {
        path.read_bytes(): path.with_suffix(".txt").read_text() for path in (tmp_path / "found").glob("broken-????????")
    }
    assert kept.keys() == {b"a", b"c"}
    assert kept[b"a"].startswith("ZeroDivisionError")
    again = fuzz.Noted(tmp_path / "note")
    assert (again.cases, again.taken, again.last) == (5, 1, b"d")


def test_cases_are_made_again():
    """The same seed, the same cases; another one, others."""
    one = TARGETS["beir"]
    first, second, third = ([one.case(rng) for _ in range(5)] for rng in map(random.Random, (1, 1, 2)))
    assert first == second != third


@pytest.mark.slow
def test_command(tmp_path):
    """It says what it did, a line for each reader, and ends well where nothing was found."""
    command = [
        sys.executable,
        fuzz.__file__,
        "--cases=300",
        "--jobs=2",
        "--engine=home",
        "--found",
        str(tmp_path / "found"),
    ]
    names = ["lareqa", "kept"]
    done = subprocess.run(
        [*command, *(f"--target={name}" for name in names)], capture_output=True, text=True, cwd=tmp_path, timeout=300
    )
    assert done.returncode == 0, done.stderr
    *lines, last = done.stdout.splitlines()
    assert [(one["target"], one["cases"], one["findings"]) for one in map(json.loads, lines)] == [
        (name, 300, []) for name in names
    ]
    assert last.startswith("600 cases, 0 findings")
    assert not Path(tmp_path / "found").exists()


def test_log(tmp_path):
    """Runs are added up reader by reader; a finding of any of them is named."""
    lines = (
        {"target": "card", "engine": "home", "cases": 1000, "taken": 10, "seconds": 60.0, "findings": []},
        {"target": "tasks", "engine": "home", "cases": 5, "taken": 1, "seconds": 1.0, "findings": []},
        {"target": "card", "engine": "atheris", "cases": 2000, "taken": 1, "seconds": 30.0, "findings": ["slow"]},
    )
    runs = ["\n".join(map(json.dumps, lines[:2])) + "\n1,005 cases, 0 findings \n", json.dumps(lines[2])]
    files = [tmp_path / f"{number}.jsonl" for number in range(2)]
    for file, run in zip(files, runs, strict=True):
        file.write_text(run, encoding="utf-8")
    log = tmp_path / "LOG.md"
    script = Path(fuzz.__file__).with_name("fuzz_log.py")
    subprocess.run([sys.executable, script, *files, "--commit", "abc", "--log", log], check=True)
    written = log.read_text(encoding="utf-8")
    assert "3,005 cases, 1 findings." in written
    assert "| `card` | home, atheris | 3,000 | 11 | 2 | slow |\n| `tasks` | home | 5 | 1 | 0 | none |" in written
