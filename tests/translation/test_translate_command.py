"""The command `mteb-hybrid translate`."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from tiny_translators import _one_thread, m2m100_directory  # noqa: F401 - a fixture
from typer.testing import CliRunner

from mteb_hybrid import cli
from mteb_hybrid.translation import Sample, TranslationFolder, sample_topics
from mteb_hybrid.translation.topics import read_topics

pytest.importorskip("sentencepiece")
pytestmark = pytest.mark.usefixtures("_one_thread")


@pytest.fixture
def topics(tmp_path: Path) -> Path:
    """Topics in two languages: 105 in Swahili, 3 in Yoruba."""
    folder = tmp_path / "topics"
    folder.mkdir()
    swahili = [f"{number}\tbandari kubwa iko wapi {'nchini ' * (number % 3)}kenya?\n" for number in range(105)]
    (folder / "topics.sw.tsv").write_text("".join(swahili), encoding="utf-8")
    (folder / "topics.yo.tsv").write_text("1\tmto kenya?\n2\tmto refu?\n3\tmto wapi?\n", encoding="utf-8")
    return folder


def arguments(topics: Path, output: Path, *more: str) -> list[str]:
    model = ["--model", str(m2m100_directory()), "--device", "cpu", "--num-beams", "1", "--max-new-tokens", "4"]
    return ["translate", *model, "--topics", str(topics), "--output", str(output), *more]


def test_translate(topics: Path, tmp_path: Path) -> None:
    """Two subsets with quality figures, in the table and in the manifest; a second run adds a language."""
    output = tmp_path / "made"
    done = CliRunner().invoke(cli.app, arguments(topics, output, "--corpus-languages", "yo"))
    assert done.exit_code == 0, done.output
    again = CliRunner().invoke(cli.app, arguments(topics, output, "--corpus-languages", "sw,yo", "--no-round-trip"))
    assert again.exit_code == 0, again.output
    folder = TranslationFolder.open(output)
    assert folder.subsets() == ("en-sw", "en-yo")
    assert len(folder.read("en-sw", read_topics(topics, "sw"))) == 105
    assert folder.quality["en-yo"]["round_trip_chrf"] is not None
    assert folder.quality["en-sw"]["round_trip_chrf"] is None
    assert folder.provenance.dataset_revision == "local"
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in again.output.splitlines() if "│ en-" in line]
    assert [row[0] for row in rows] == ["en-sw", "en-yo"]
    assert rows[0][5] == "-"
    assert rows[1][5] == f"{folder.quality['en-yo']['round_trip_chrf']:.1f}"


def test_lite_in_a_process(topics: Path, tmp_path: Path) -> None:
    """The installed script with --lite: 100 topics, always the same, and another query language."""
    output = tmp_path / "made"
    script = shutil.which("mteb-hybrid", path=sysconfig.get_path("scripts"))
    assert script is not None
    more = ["--lite", "--corpus-languages", "sw", "--query-language", "fi", "--no-round-trip", "--batch-size", "50"]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MTEB_HYBRID", "PYTHON"))}
    kept |= {"PYTHONIOENCODING": "utf-8", "HF_HUB_OFFLINE": "1", "COLUMNS": "200", "OMP_NUM_THREADS": "1"}
    command = [script, *arguments(topics, output, *more)]
    done = subprocess.run(command, env=kept, capture_output=True, text=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stderr
    assert "fi-sw" in done.stdout
    folder = TranslationFolder.open(output)
    swahili = read_topics(topics, "sw")
    assert folder.provenance.sampled == Sample(queries=100, seed=0)
    assert tuple(folder.read("fi-sw", swahili)) == sample_topics(swahili, 100, 0)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--corpus-languages", "bn"], "topics.bn.tsv cannot be read"),
        (["--corpus-languages", "tr"], "'tr' is no language of MIRACL"),
        (["--corpus-languages", "sw", "--prefix", ""], "leave --prefix out"),
        (["--corpus-languages", "sw", "--query-language", "te"], "does not know Telugu"),
    ],
)
def test_refused(
    topics: Path,
    tmp_path: Path,
    more: list[str],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What cannot be done is one line on the standard error stream, exit code 2, and nothing is written."""
    monkeypatch.setattr(sys, "argv", ["mteb-hybrid", *arguments(topics, tmp_path / "made", *more)])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("error: ")
    assert message in last
    assert not (tmp_path / "made").exists()
