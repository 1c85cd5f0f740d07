"""Checksums are there, they are always looked at, and nothing that a user sets turns them off."""

from __future__ import annotations

import ast
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hostile_code import sources
from made_tables import write

from mteb_hybrid.collections import lareqa
from mteb_hybrid.collections.miracl import MIRACL, MIRACL_HARD_NEGATIVES
from mteb_hybrid.collections.remote import RemoteFiles
from mteb_hybrid.errors import CollectionError
from mteb_hybrid.rank_table import find_tables
from mteb_hybrid.trainers.data.builders.mmarco import MMARCO_REVISION
from mteb_hybrid.translation import topics


def wrong_data(folder: Path) -> Path:
    """A data folder whose file is not the pinned one."""
    (folder / "xquad-r").mkdir(parents=True)
    (folder / "xquad-r" / "de.json").write_text('{"data": []}')
    return folder


class TestChecksums:
    """They are there, and nothing that a user sets turns them off."""

    @pytest.mark.parametrize("files", [lareqa.XQUAD_R_FILES, lareqa.MLQA_R_FILES])
    def test_every_file_has_one(self, files):
        """And lies at a commit, not at a branch."""
        assert len(files.sha256) == len(set(files.sha256.values())) > 6
        assert files.revision in files.base_url
        assert len(files.revision) == 40

    @pytest.mark.parametrize("digest", ["", " ", "0" * 63, "0" * 65, "sha256:" + "0" * 64, "A" * 64, "md5:" + "0" * 59])
    def test_none_that_is_none(self, digest):
        """A digest that would match anything, or nothing, is an error when the files are named."""
        with pytest.raises(ValueError, match="has no SHA-256"):
            RemoteFiles("x", "1", "http://127.0.0.1/", {"a": digest})

    @pytest.mark.parametrize(
        "revision", [MIRACL.revision, MIRACL_HARD_NEGATIVES.revision, MMARCO_REVISION, topics.REVISION]
    )
    def test_data_sets_of_the_hub_are_pinned(self, revision):
        """To a commit, which is a checksum of all that it holds."""
        assert len(revision) == 40
        assert set(revision) <= set("0123456789abcdef")

    def variables(self) -> set[str]:
        """The environment variables that the package reads."""
        strings = {
            node.value
            for tree in sources().values()
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        }
        return {one for one in strings if one.startswith("MTEB_HYBRID_") and one.replace("_", "").isalnum()}

    @pytest.mark.parametrize("value", ["0", "1", "false", ""])
    def test_no_variable_turns_them_off(self, tmp_path, monkeypatch, value):
        """All that we read, and those of the libraries that download."""
        ours = self.variables()
        assert {"MTEB_HYBRID_DATA", "MTEB_HYBRID_CACHE", "MTEB_HYBRID_TASKS"} <= ours
        for name in (
            *ours,
            "POOCH_CACHE",
            "POOCH_VERIFY",
            "HF_DATASETS_VERIFY",
            "HF_HUB_DISABLE_CHECKSUM",
            "PYTHONOPTIMIZE",
        ):
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("MTEB_HYBRID_DATA", str(wrong_data(tmp_path)))
        with pytest.raises(CollectionError, match="is not the pinned file"):
            lareqa.XQUAD_R_FILES.fetch("de.json")

    def test_not_by_optimising(self, tmp_path):
        """Python -O leaves assertions out: no check is one."""
        wrong_data(tmp_path / "data")
        write(tmp_path / "p", "m", "XQuADRMonolingual", "de", np.array([[1], [2]]))
        (path,) = find_tables([tmp_path / "p"])
        content = path.read_bytes()
        place = content.index(b"q0")
        path.write_bytes(content[:place] + b"q9" + content[place + 2 :])
        entry = {"sha256": hashlib.sha256(b"x").hexdigest(), "queries": 1}
        script = f"""
from pathlib import Path
from mteb_hybrid.collections import lareqa
from mteb_hybrid.rank_table import RankTable
from mteb_hybrid.translation.folder import TranslationFolder
from mteb_hybrid.translation.manifest import FileEntry, Provenance
folder = Path({str(tmp_path)!r})
(folder / "en-sw.jsonl").write_text('{{"_id": "1", "text": "a", "source": "b"}}')
opened = TranslationFolder(folder, Provenance("m", "1", {{}}, "local"), {{"en-sw": FileEntry(**{entry!r})}})
for read in (
    lambda: lareqa.XQUAD_R_FILES.fetch("de.json"),
    lambda: RankTable.read(Path({str(path)!r})),
    lambda: opened.read("en-sw", {{"1": "b"}}),
):
    try:
        read()
    except Exception as error:
        print(type(error).__name__)
"""
        done = subprocess.run(
            [sys.executable, "-O", "-W", "ignore", "-c", script], capture_output=True, text=True, timeout=300,
            env=os.environ | {"MTEB_HYBRID_DATA": str(tmp_path / "data"), "PYTHONOPTIMIZE": "2"},
        )  # fmt: skip
        assert done.stdout.split() == ["CollectionError", "RankTableError", "TranslationError"], done.stderr
