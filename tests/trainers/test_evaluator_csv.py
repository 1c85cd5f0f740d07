"""The CSV file of the evaluator: a row for each evaluation, none twice, and none that is not whole."""

from __future__ import annotations

import csv
import errno
from pathlib import Path

import pytest

from mteb_hybrid.errors import StorageError
from mteb_hybrid.trainers.evaluation.csv_rows import add_row


def places(file: Path) -> list[tuple[float, float]]:
    """Epoch and steps of all rows."""
    with file.open(encoding="utf-8", newline="") as stream:
        return [(float(row["epoch"]), float(row["steps"])) for row in csv.DictReader(stream)]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The file of a training of two epochs that was evaluated before it and every four steps, and outside of it."""
    path = tmp_path / "eval" / "of_a_training.csv"
    for steps in (0, 4, 8, 12):
        add_row(path, steps / 6, steps, {"map": steps / 100})
    add_row(path, -1, -1, {"map": 0.5})
    return path


@pytest.mark.parametrize(
    ("steps", "left"),
    [
        pytest.param(8, [0, 4, -1, 8], id="goes on from 4"),
        pytest.param(12, [0, 4, 8, -1, 12], id="evaluates its end again"),
        pytest.param(16, [0, 4, 8, 12, -1, 16], id="goes on"),
        pytest.param(2, [0, -1, 2], id="begins anew"),
        pytest.param(0, [4, 8, 12, -1, 0], id="has not begun"),
    ],
)
def test_no_step_twice(file: Path, steps: int, left: list[int]) -> None:
    """What is evaluated again takes the place of what was there of these steps and of later ones."""
    add_row(file, steps / 6, steps, {"map": 0.9})
    assert [there for _, there in places(file)] == left
    assert file.read_text(encoding="utf-8").splitlines()[-1] == f"{steps / 6},{steps},0.9"


def test_outside_of_a_training_nothing_is_removed(file: Path) -> None:
    """Evaluations of whatever model, one after the other."""
    add_row(file, -1, -1, {"map": 0.5})
    assert [steps for _, steps in places(file)] == [0, 4, 8, 12, -1, -1]


def test_steps_of_an_epoch(tmp_path: Path) -> None:
    """Where steps are counted anew in every epoch, and the end of one is at step -1, as `old_fit` has it."""
    file = tmp_path / "a.csv"
    calls = [(0, 10), (0, 20), (0, -1), (1, 10), (1, 20), (1, -1)]
    for epoch, steps in calls:
        add_row(file, epoch, steps, {"map": 0.1})
    assert places(file) == calls
    add_row(file, 1, 10, {"map": 0.1})
    assert places(file) == calls[:4]


@pytest.mark.parametrize("left", ["1.0,1", "1.0", "1.0,", "x,y,0.3", "1.0,10,0.3,0.4", "nan,nan,0.3", "\0"])
def test_a_row_that_is_not_whole_is_removed(tmp_path: Path, left: str) -> None:
    """As a process leaves it that appends and is killed."""
    file = tmp_path / "a.csv"
    file.write_text(f"epoch,steps,map\n0.5,5,0.25\n{left}", encoding="utf-8")
    add_row(file, 2.0, 20, {"map": 0.75})
    assert file.read_bytes() == b"epoch,steps,map\r\n0.5,5,0.25\r\n2.0,20,0.75\r\n"


def test_other_columns(tmp_path: Path) -> None:
    """A number stays below its name, whatever the evaluator measured before."""
    file = tmp_path / "a.csv"
    add_row(file, 0.5, 5, {"map": 0.25, "old": 1.0})
    add_row(file, 1.0, 10, {"new": 2.0, "map": 0.5})
    add_row(file, 1.5, 15, {"map": 0.75, "old": 3.0})
    assert file.read_text(encoding="utf-8").splitlines() == [
        "epoch,steps,map,old,new", "0.5,5,0.25,1.0,", "1.0,10,0.5,,2.0", "1.5,15,0.75,3.0,",
    ]  # fmt: skip


def test_a_full_disk(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rows that were there stay, and the error names the file."""

    def full(self: csv.DictWriter[str], rows: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    before = file.read_bytes()
    monkeypatch.setattr(csv.DictWriter, "writerows", full)
    with pytest.raises(StorageError, match=r"of_a_training\.csv cannot be written: No space left on device"):
        add_row(file, 4.0, 24, {"map": 0.9})
    assert [(path.name, path.read_bytes()) for path in file.parent.iterdir()] == [(file.name, before)]
