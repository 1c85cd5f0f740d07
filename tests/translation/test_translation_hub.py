"""Where translations are: a folder, or a pinned repository, which the hub's own client fetches from a small server."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from mteb_hybrid.errors import TranslationError
from mteb_hybrid.translation import Provenance, TranslationFolder, resolve, write_translations

COMMIT = "0123456789abcdef0123456789abcdef01234567"
TOPICS = {"6": "Bandari kubwa iko wapi?", "8": "Mto mrefu uko wapi?"}
ENGLISH = {"6": "Where is the large port?", "8": "Where is the long river?"}


@dataclass
class Hub:
    """A server on this machine with one data set repository at one commit, and what it was asked for."""

    endpoint: str
    files: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)


@pytest.fixture
def hub() -> Iterator[Hub]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self, body: bytes, kind: str, status: int = 200, **headers: str) -> None:
            self.send_response(status)
            for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **headers}.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            state.asked.append(path)
            api, files = "/api/datasets/someone/translations", f"/datasets/someone/translations/resolve/{COMMIT}/"
            if path == f"{api}/revision/{COMMIT}":
                names = [{"rfilename": name} for name in state.files]
                content = {"id": "someone/translations", "sha": COMMIT, "siblings": names}
                self.answer(json.dumps(content).encode(), "application/json")
            elif path.startswith(f"{api}/tree/{COMMIT}"):
                rows = [
                    {"type": "file", "path": name, "size": len(data), "oid": hashlib.sha1(data).hexdigest()}
                    for name, data in state.files.items()
                ]
                self.answer(json.dumps(rows).encode(), "application/json")
            elif path.startswith(files) and path.removeprefix(files) in state.files:
                data = state.files[path.removeprefix(files)]
                self.answer(data, "text/plain", ETag=f'"{hashlib.sha1(data).hexdigest()}"', X_Repo_Commit=COMMIT)
            elif "someone/translations" in path:
                self.answer(b"{}", "application/json", 404, X_Error_Code="RevisionNotFound")
            else:
                self.answer(b"{}", "application/json", 404, X_Error_Code="RepoNotFound")

        do_HEAD = do_GET  # noqa: N815 - the name is that of the base class

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state = Hub(endpoint=f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield state
    server.shutdown()
    server.server_close()


def resolved(location: str, endpoint: str, cache: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Resolve in another process: the hub's client reads its address when it is imported."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGING", "MTEB_HYBRID"))}
    script = (
        "import sys\n"
        "from mteb_hybrid.errors import TranslationError\n"
        "from mteb_hybrid.translation import resolve\n"
        "try: print(resolve(sys.argv[1]))\n"
        "except TranslationError as error: sys.exit(str(error))\n"
    )
    return subprocess.run(
        [sys.executable, "-c", script, location],
        env={**kept, "HF_ENDPOINT": endpoint, "HF_HOME": str(cache), "HF_HUB_DISABLE_TELEMETRY": "1", **more},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=100,
        check=False,
    )


def test_folder(tmp_path: Path) -> None:
    """A folder is itself."""
    assert resolve(str(tmp_path)) == tmp_path


def test_no_folder(tmp_path: Path) -> None:
    """A location that is no folder is refused with both forms."""
    with pytest.raises(TranslationError, match=r"is no folder.*hf://OWNER/NAME@COMMIT"):
        resolve(str(tmp_path / "missing"))


@pytest.mark.parametrize(
    "location",
    [
        "hf://someone/translations",
        "hf://someone/translations@main",
        f"hf://someone/translations@{COMMIT[:12]}",
        f"hf://translations@{COMMIT}",
        f"hf://datasets/someone/translations@{COMMIT}",
        f"hf://someone/translations@{COMMIT}\n",
    ],
)
def test_not_pinned(location: str) -> None:
    """A repository without a whole commit, or not in the form, is refused before anything is fetched."""
    with pytest.raises(TranslationError, match=r"is not pinned: write it as hf://OWNER/NAME@COMMIT"):
        resolve(location)


def test_pinned_repository(hub: Hub, tmp_path: Path) -> None:
    """The hub's client fetches the manifest and the translations, nothing else; the second time nothing at all."""
    made = tmp_path / "made"
    provenance = Provenance("someone/model", "r1", {}, "d1")
    write_translations(made, "en-sw", ENGLISH, TOPICS, provenance)
    hub.files = {path.name: path.read_bytes() for path in made.iterdir()} | {"README.md": b"read me", "x.bin": b"x"}
    location = f"hf://someone/translations@{COMMIT}"
    done = resolved(location, hub.endpoint, tmp_path / "cache")
    assert done.returncode == 0, done.stderr
    folder = Path(done.stdout.strip())
    assert sorted(path.name for path in folder.iterdir()) == ["en-sw.jsonl", "translations.json"]
    assert TranslationFolder.open(folder).read("en-sw", TOPICS) == ENGLISH
    again = resolved(location, hub.endpoint, tmp_path / "cache", HF_HUB_OFFLINE="1")
    assert again.stdout == done.stdout


def test_hub_does_not_have_it(hub: Hub, tmp_path: Path) -> None:
    """An unknown repository: the address and what to do, in one line and without a traceback."""
    done = resolved(f"hf://someone/else@{COMMIT}", hub.endpoint, tmp_path / "cache")
    assert done.returncode == 1
    assert f"{hub.endpoint}/datasets/someone/else/tree/{COMMIT} could not be fetched" in done.stderr
    assert "RepositoryNotFoundError" in done.stderr
    assert "MTEB_HYBRID_MIRACL_TRANSLATIONS" in done.stderr
    assert "Traceback" not in done.stderr


def test_offline(tmp_path: Path) -> None:
    """Where the hub may not be asked and the cache is empty: the address and what to do."""
    done = resolved(f"hf://someone/translations@{COMMIT}", "http://127.0.0.1:9", tmp_path, HF_HUB_OFFLINE="1")
    assert done.returncode == 1
    assert f"http://127.0.0.1:9/datasets/someone/translations/tree/{COMMIT} could not be fetched" in done.stderr
    assert "download the files by hand and set MTEB_HYBRID_MIRACL_TRANSLATIONS" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_no_network(tmp_path: Path) -> None:
    """Where nobody answers, the same; slow because the hub's client tries again and again."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{free.getsockname()[1]}"
    done = resolved(f"hf://someone/translations@{COMMIT}", endpoint, tmp_path / "cache")
    assert done.returncode == 1
    assert f"{endpoint}/datasets/someone/translations/tree/{COMMIT} could not be fetched" in done.stderr
    assert "Check the name, the commit, the network" in done.stderr
    assert "Traceback" not in done.stderr
