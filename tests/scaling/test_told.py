"""What a log file says of how far a run is."""

from __future__ import annotations

from mteb_hybrid.scaling import told
from mteb_hybrid.scaling.told import Told


def test_a_log_file_has_lines(monkeypatch, capsys):
    """One a minute with rate and time left, which count what was done before as done, not as fast; and the last one."""
    now = [0.0]
    monkeypatch.setattr(told.time, "monotonic", lambda: now[0])
    with Told("model on task", "psg", 10_000, done=4000) as telling:
        for _ in range(12):
            now[0] += 10
            telling.more(500)
    first, last = capsys.readouterr().err.splitlines()
    assert first == "model on task:  70% 7000/10000 [01:00<01:00, 50.00psg/s]"
    assert last.startswith("model on task: 100% 10000/10000 [02:00<00:00")


def test_a_terminal_has_a_bar(monkeypatch, capsys):
    """And no lines besides."""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    with Told("model on task", "psg", 10) as telling:
        telling.more(10)
    said = capsys.readouterr().err
    assert "10/10" in said
    assert said.count("\n") == 1  # the end of the bar
