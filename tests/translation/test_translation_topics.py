"""MIRACL's topics: from tsv files, from a folder in the hub's layout, and what is said when they are not in order."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from named_folders import named_folder

from mteb_hybrid.errors import CollectionError
from mteb_hybrid.translation.topics import REVISION, load_topics, read_topics


def test_read(tmp_path: Path) -> None:
    """Ids and texts in the file's order; Windows line ends and a missing last one do not matter."""
    (tmp_path / "topics.sw.tsv").write_bytes("12\tPinokyo\u2028lini?\r\n6\tBandari iko wapi?".encode())
    assert list(read_topics(tmp_path, "sw").items()) == [("12", "Pinokyo\u2028lini?"), ("6", "Bandari iko wapi?")]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"6\tBandari?\n8 Mji?\n", "line 2: 1 cells, expected id<TAB>text"),
        (b"6\tBandari?\tQ0\n", "line 1: 3 cells"),
        (b"6\tBandari?\n\n8\tMji?\n", "line 2: 1 cells"),
        (b"", "line 1: 1 cells"),
        (b"6\tBandari?\n6\tMji?\n", "line 2: topic '6' occurs twice"),
        (b"6\t \n", "line 1: id and text must be texts that are not empty"),
        (b"\tBandari?\n", "line 1: id and text must be texts that are not empty"),
        (b"6\t\xff\n", "cannot be read"),
    ],
)
def test_malformed(tmp_path: Path, content: bytes, message: str) -> None:
    """A malformed file: its path, the line and what is wrong."""
    (tmp_path / "topics.sw.tsv").write_bytes(content)
    with pytest.raises(CollectionError, match=rf"topics\.sw\.tsv.*{message}"):
        read_topics(tmp_path, "sw")


def test_missing(tmp_path: Path) -> None:
    """A missing file: its path and the form that it must have."""
    with pytest.raises(CollectionError, match=r"topics\.sw\.tsv cannot be read .*id<TAB>text"):
        read_topics(tmp_path, "sw")


def hub_layout(folder: Path, rows: list[dict[str, str]]) -> Path:
    """A data set of Swahili topics as it lies on the hub."""
    (folder / "sw-queries").mkdir(parents=True)
    (folder / "README.md").write_text(
        "---\nconfigs:\n- config_name: sw-queries\n  data_files:\n"
        "  - split: dev\n    path: sw-queries/dev.jsonl\n---\n",
        encoding="utf-8",
    )
    lines = [json.dumps(row) + "\n" for row in rows]
    (folder / "sw-queries" / "dev.jsonl").write_text("".join(lines), encoding="utf-8")
    return folder


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The place of the data set below MTEB_HYBRID_DATA."""
    monkeypatch.setenv("MTEB_HYBRID_DATA", str(tmp_path))
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    return tmp_path / "MIRACLRetrieval"


def test_hub_layout(data: Path) -> None:
    """A folder in the hub's layout is read by the hub's own reader; its revision is not claimed to be the hub's."""
    hub_layout(data, [{"_id": "6", "text": "Bandari iko wapi?"}, {"_id": "8", "text": "Mji mkuu ni gani?"}])
    assert load_topics("sw") == ({"6": "Bandari iko wapi?", "8": "Mji mkuu ni gani?"}, "local")


def test_hub_layout_without_the_language(data: Path) -> None:
    """A language that the folder lacks: the folder, what is missing, and the ways out."""
    hub_layout(data, [{"_id": "6", "text": "Bandari?"}])
    with pytest.raises(CollectionError, match=r"MIRACLRetrieval does not have bn-queries.*unset MTEB_HYBRID_DATA"):
        load_topics("bn")


def test_hub_layout_with_a_duplicate(data: Path) -> None:
    """An id that occurs twice is named with its row."""
    hub_layout(data, [{"_id": "6", "text": "Bandari?"}, {"_id": "6", "text": "Mji?"}])
    with pytest.raises(CollectionError, match="sw-queries, row 1: topic '6' occurs twice"):
        load_topics("sw")


def test_hub_out_of_reach(tmp_path: Path) -> None:
    """Without a network: the data set at its revision, and --topics as a way out."""
    script = (
        "import sys\n"
        "from mteb_hybrid.errors import DownloadError\n"
        "from mteb_hybrid.translation.topics import load_topics\n"
        "try: load_topics('sw')\n"
        "except DownloadError as error: sys.exit(str(error))\n"
    )
    more = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path), "PATH": ""}
    done = subprocess.run([sys.executable, "-c", script], env=more, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"sw-queries of mteb/MIRACLRetrieval at {REVISION} could not be fetched" in done.stderr
    assert "--topics" in done.stderr
    assert "Traceback" not in done.stderr


def test_real_topics() -> None:
    """The 18 languages' dev topics: 13,495 of them, as many as the collection says."""
    folder = named_folder("MTEB_HYBRID_TEST_MIRACL", "a folder with topics.<language>.tsv")
    sizes = {
        path.name.split(".")[1]: len(read_topics(folder, path.name.split(".")[1])) for path in folder.glob("topics.*")
    }
    assert sum(sizes.values()) == 13_495
    assert (sizes["sw"], sizes["en"], sizes["ko"]) == (482, 799, 213)
