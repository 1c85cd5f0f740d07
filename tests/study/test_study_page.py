"""docs/study.md says what the kept results say, and names commands that are there."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys

import pytest
import tables
from documented_commands import take_mtebs, take_ours
from plan import arms
from questions import tables as kept_tables
from questions import tables_of

PAGE = tables.PAGE.read_text(encoding="utf-8")
PLACES = dict(re.findall(r"<!-- study: ([\w -]+?) -->\n(.*?)\n?<!-- end -->", PAGE, re.DOTALL))
COMMANDS = [
    *re.findall(r"^\$ (.*)$", PAGE, re.MULTILINE),
    *re.findall(r"`(?:[^`]* )?((?:mteb run|mteb-hybrid|python study/)[^`]+)`", PAGE),
]


@pytest.mark.slow
def test_tables_are_those_of_the_results():
    """Every table of the page is what `python study/tables.py` makes of the results that are in the repository.

    All scores, and the differences of one table in full: those of all tables take minutes.
    """
    with tables.unpacked(None) as results:
        found = kept_tables(results)
        beside = tables.beside(found) | tables.choices()
        assert sorted(PLACES) == sorted([*found, *beside])
        assert {name: PLACES[name] for name in beside} == beside
        for name, table in found.items():
            assert PLACES[name].startswith("\n".join(tables.score_lines(table))), name
        assert PLACES["lareqa mlqa-r layers4"] == tables.render(found["lareqa mlqa-r layers4"])


def test_arms_name_the_questions_that_need_them(tmp_path):
    """`--question N` trains all arms of the tables of question N."""
    for name, table in tables_of(tmp_path, arms()).items():
        groups = [*table.groups.values(), *(group for one in table.contrasts for group in one.groups)]
        assert all(group.arms for group in groups), name
        needed = {arm for group in groups for arm in group.arms}
        lacking = [arm.id for arm in needed if table.question not in arm.questions]
        assert not lacking, (name, lacking)


def test_tables_are_put_in_their_places():
    """And nothing else of the page changes; a name without a place is left out."""
    page = "a\n<!-- study: one -->\nold\n<!-- end -->\nb\n<!-- study: two x -->\nkept\n<!-- end -->\n"
    made = {"one": "| new |", "three": "| no place |"}
    assert tables.written(page, made) == page.replace("old", "| new |")


@pytest.mark.slow
@pytest.mark.parametrize("command", sorted({c for c in COMMANDS if c.startswith("python study/")}))
def test_study_commands(study, command):
    """The script is there and has the options."""
    _, script, *words = shlex.split(command)
    shown = subprocess.run(
        [sys.executable, study.parent / script, "--help"], capture_output=True, text=True, check=True
    ).stdout
    assert {word for word in words if word.startswith("--")} <= set(re.findall(r"--[a-z-]+", shown))


@pytest.mark.parametrize("command", sorted({c for c in COMMANDS if c.startswith("mteb-hybrid ") and c.count(" ") > 1}))
def test_our_commands(command):
    """Our parser takes it."""
    take_ours(command)


@pytest.mark.parametrize("command", sorted({c for c in COMMANDS if c.startswith("mteb run")}))
def test_mteb_commands(command):
    """MTEB's parser takes it, and knows its tasks and benchmarks."""
    take_mtebs(command, own=("MyCollectionMonolingual",))
