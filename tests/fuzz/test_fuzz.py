"""Hostile input, a sample of what ``make fuzz`` tries: nothing comes out of our readers but our own errors."""

from __future__ import annotations

import json
import logging
import random
import subprocess
import sys
from pathlib import Path

import fuzz
import fuzz_log
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
        "--log",
        str(tmp_path / "LOG.md"),
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
    assert (tmp_path / "LOG.md").read_text(encoding="utf-8").count("--target lareqa --target kept --engine home") == 1
    assert len((tmp_path / "tallies.jsonl").read_text(encoding="utf-8").splitlines()) == 2


@pytest.fixture
def log(tmp_path) -> Path:
    """A log with tallies beside it: of a run of two readers, and of one of another seed."""
    most = {"cases": 2000, "minutes": 1.5}
    first = {"engine": "home", "seed": 0, "jobs": 1, "at most": None, "commit": "abc", "begun": "2026-01-01 10:00:00"}
    second = first | {"engine": "atheris", "seed": 3, "jobs": 2, "at most": most, "begun": "2026-01-02 10:00:00"}
    lines = (
        {"target": "card", "cases": 1000, "taken": 10, "seconds": 60.0, "findings": []} | first,
        {"target": "tasks", "cases": 5, "taken": 1, "seconds": 1.0, "findings": []} | first,
        {"target": "card", "cases": 2000, "taken": 1, "seconds": 30.0, "findings": ["slow"]} | second,
    )
    (tmp_path / "tallies.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return tmp_path / "LOG.md"


def test_log(log):
    """Runs are added up reader by reader, a finding of any of them is named, and each run has its command."""
    fuzz_log.Tallies(log).write()
    written = log.read_text(encoding="utf-8")
    assert "3,005 cases, 1 findings, in 2 runs." in written
    assert (
        "| `card` | home, atheris | 3,000 | 11 | 2 | 33 | slow |\n| `tasks` | home | 5 | 1 | 0 | 5 | none |" in written
    )
    assert "| 2026-01-01 10:00 | abc | 0 | 1 | 2 | 1,005 | - |" in written
    command = "make fuzz CASES=2000 MINUTES=1.5 FUZZ_ARGS='--target card --engine atheris --seed 3 --jobs 2'"
    assert f"| 2026-01-02 10:00 | abc | 3 | 2 | 1 | 2,000 | `{command}` |" in written


def test_tallies_grow(log):
    """What is done is added, with a seed that no reader has had; the log is made anew."""
    tallies = fuzz_log.Tallies(log)
    assert (tallies.seeds(), tallies.seeds("tasks"), tallies.next_seed()) == ({0, 3}, {0}, 4)
    before = tallies.path.read_text(encoding="utf-8")
    done = {"target": "card", "engine": "home", "seed": 4, "jobs": 1, "at most": {"cases": 7, "minutes": 0}}
    tallies.add(done | {"cases": 7, "taken": 7, "seconds": 1.0, "findings": []})
    assert tallies.path.read_text(encoding="utf-8").startswith(before)
    assert tallies.lines()[-1].keys() == tallies.lines()[0].keys()
    assert tallies.next_seed() == 5
    assert "3,012 cases" in log.read_text(encoding="utf-8")


def test_a_seed_is_not_counted_twice(log, monkeypatch):
    """A run of a seed that the log has for one of the readers is refused, before anything is read."""
    monkeypatch.setattr(sys, "argv", ["fuzz.py", "--log", str(log), "--target=kept", "--target=card", "--seed=3"])
    with pytest.raises(SystemExit, match=r"has seed 3 of card: leave out --log, or take another seed"):
        fuzz.main()


def test_committed_log_is_of_its_tallies():
    """Nothing in it was written by hand, and what it says of each reader that there is was done."""
    committed = fuzz_log.Tallies(Path(fuzz_log.__file__).with_name("LOG.md"))
    assert committed.log.read_text(encoding="utf-8") == fuzz_log.text(committed.lines())
    assert {line["target"] for line in committed.lines()} == set(TARGETS)
