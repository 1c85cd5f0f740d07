"""Tables on terminals of all widths."""

from __future__ import annotations

import io
import os
import re
import struct
import subprocess
from typing import TYPE_CHECKING

import pytest
from installed_commands import environment, script
from rich.console import Console
from rich.table import Table

from mteb_hybrid.wide_tables import fitted

if TYPE_CHECKING:
    from pathlib import Path

SCORES = ("Mo. mAP", "Cr. mAP", "Mul. mAP", "Rank distance")
NUMBERS = [["0.8849", "0.0659", "0.0937", "1,480.1"], ["0.0328", "0.0377", "0.0106", "1,317.8"]]


def table_of(names: list[str]) -> Table:
    """Two models and four scores, and a line below the first."""
    table = Table(title="two models", title_justify="left")
    table.add_column("Model")
    for score in SCORES:
        table.add_column(score, justify="right")
    for name, numbers in zip(names, NUMBERS, strict=True):
        table.add_row(name, *numbers, end_section=name == names[0])
    return table


def printed(table: Table, width: int, keys: int = 1) -> list[list[str]]:
    """The lines of each part as they are shown."""
    console = Console(file=io.StringIO(), width=width, color_system=None)
    shown = []
    for part in fitted(table, console, keys):
        with console.capture() as capture:
            console.print(part)
        shown.append(capture.get().splitlines())
    return shown


def cells(line: str) -> list[str]:
    """The texts between the lines of a table."""
    return [cell.strip() for cell in re.split("[│┃]", line)[1:-1]]


def test_what_fits_is_left_alone():
    """The same table, without a copy."""
    table = table_of(["a/one", "b/two"])
    assert list(fitted(table, Console(width=100))) == [table]


def test_a_title_breaks_between_words():
    """A table that is narrower than a word of its title is made wider, as far as the console is."""
    table = Table("a", "b", title="mteb-hybrid/char-ngram on a collection", title_justify="left")
    table.add_row("1", "2")
    ((first, second, *_),) = printed(table, 80)
    assert (first.strip(), second.strip()) == ("mteb-hybrid/char-ngram", "on a collection")
    ((*lines,),) = printed(table, 12)
    assert {len(line.rstrip()) for line in lines} <= set(range(13))


@pytest.mark.parametrize("width", range(27, 70, 3))
def test_every_number_is_whole(width):
    """On every width: each part fits and names its rows, all numbers are there in order, the title stands once."""
    shown = printed(table_of(["a/one", "b/two"]), width)
    assert len(shown) > 1 or width >= 57
    headings, first, second = ([], [], [])
    for lines in shown:
        assert max(map(len, lines)) <= width
        rows = [cells(line) for line in lines if "│" in line or "┃" in line]
        assert [row[0] for row in rows] == ["Model", "a/one", "b/two"]
        for kept, row in zip((headings, first, second), rows, strict=True):
            kept += row[1:]
        assert sum(line.startswith("├") for line in lines) == 1
    assert [headings, first, second] == [[*SCORES], *NUMBERS]
    assert [any("two models" in line for line in lines) for lines in shown] == [True] + [False] * (len(shown) - 1)


def test_a_long_name_is_folded():
    """It takes half of the width and loses no letter; the numbers are whole."""
    name = "somebody/a-model-with-a-name-that-is-longer-than-the-terminal-is-wide"
    shown = printed(table_of([name, "b/two"]), 40)
    assert max(len(line) for lines in shown for line in lines) <= 40
    for lines in shown:
        assert name in "".join(cells(line)[0] for line in lines if "│" in line)
    assert "0.8849" in {cell for line in shown[0] for cell in cells(line)}
    assert "1,480.1" in {cell for line in shown[-1] for cell in cells(line)}


def test_a_long_heading_is_folded_and_the_keys_are_not():
    """As where models are columns: what says what a row is stays on one line, in both columns."""
    table = Table("Score", "Better", "somebody/a-model-with-a-long-name", "b/two")
    table.add_row("language_preference", "low", "0.8849", "0.0659")
    shown = printed(table, 50, keys=2)
    assert len(shown) == 2
    for lines, number in zip(shown, ("0.8849", "0.0659"), strict=True):
        assert max(map(len, lines)) <= 50
        assert ["language_preference", "low", number] in [cells(line) for line in lines]
    heading = "".join(cells(line)[2] for line in shown[0] if "┃" in line)
    assert heading == "somebody/a-model-with-a-long-name"


def test_the_report_on_a_terminal_of_80_columns(tmp_path: Path):
    """The installed command on a real terminal cuts no number and no name."""
    termios, fcntl, pty = (pytest.importorskip(name) for name in ("termios", "fcntl", "pty"))
    from test_cli_report import write_result

    write_result(tmp_path, "MiniQARMonolingual", {"de": {"map": 0.5432, "recall_at_1": 0.2345}})
    write_result(
        tmp_path,
        "MiniQARMultilingual",
        {"de": {"map": 0.3456, "recall_at_10": 0.9876, "rank_distance": 1234.5, "language_preference": 0.4321}},
    )
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    kept = {name: value for name, value in environment().items() if name not in ("COLUMNS", "LINES")}
    with subprocess.Popen([script(), "report", str(tmp_path)], stdout=theirs, env=kept | {"TERM": "dumb"}) as process:
        os.close(theirs)
        text = b""
        try:
            while block := os.read(ours, 65536):
                text += block
        except OSError:  # how Linux says that the other side has closed
            pass
        os.close(ours)
        assert process.wait(60) == 0
    shown = text.decode()
    assert "…" not in shown
    for whole in (
        "someone/model",
        "0.5432",
        "0.2345",
        "0.3456",
        "0.9876",
        "1,234.5",
        "Mul. R@10",
        "language_preference",
    ):
        assert whole in shown
