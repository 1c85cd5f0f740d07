"""Torture of downloads: files of a slow server, each known by its checksum."""

from __future__ import annotations

import hashlib
import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

from subject import State, Subject, mark

FETCHING = Path(__file__).with_name("fetching.py")
FILES, SIZE = 8, 400_000


class Download(Subject):
    """Eight files, one after the other."""

    name = "download"

    def prepare(self) -> None:
        """Their contents."""
        (self.shared / "files").mkdir()
        rng = random.Random(0)
        for number in range(FILES):
            (self.shared / "files" / f"{number}.json").write_bytes(json.dumps(rng.randbytes(SIZE // 2).hex()).encode())

    def serve(self) -> subprocess.Popen[str]:
        """Start the server, and note where it is."""
        server = subprocess.Popen(
            [sys.executable, str(FETCHING), "--serve", str(self.shared / "files")], stdout=subprocess.PIPE, text=True
        )
        assert server.stdout is not None
        url = f"http://127.0.0.1:{int(server.stdout.readline())}/"
        sums = {path.name: self._sha256(path) for path in sorted((self.shared / "files").iterdir())}
        (self.shared / "list.json").write_text(json.dumps({"url": url, "sha256": sums}), encoding="utf-8")
        return server

    def command(self, folder: Path) -> list[str]:
        """All of them."""
        return ["fetching", str(self.shared / "list.json")]

    def environment(self, folder: Path) -> dict[str, str]:
        """No data folder and no proxy."""
        return super().environment(folder) | {"MTEB_HYBRID_DATA": "", "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}

    def state(self, folder: Path) -> State:
        """A file that is there is whole."""
        found, writing = {}, 0
        for path in sorted(folder.glob("cache/tortured/r1/*")):
            if path.name.startswith("."):
                writing += 1
                continue
            expected = self._sha256(self.shared / "files" / path.name)
            assert self._sha256(path) == expected, f"{path} is not whole"
            found[path.name] = mark(path)
        return State(len(found) / FILES, found, writing=writing)

    def outcome(self, folder: Path) -> dict[str, Any]:
        """All of them, with their sums."""
        return {path.name: self._sha256(path) for path in folder.glob("cache/tortured/r1/*.json")}

    @staticmethod
    def _sha256(path: Path) -> str:
        return hashlib.sha256(path.read_bytes()).hexdigest()
