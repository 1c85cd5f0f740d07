"""A model by its name on the hub: the commit that its branch stands for is its revision, and is what is loaded."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from tiny_translators import m2m100_directory

pytest.importorskip("sentencepiece")

COMMIT = "89abcdef0123456789abcdef0123456789abcdef"
SCRIPT = """
from mteb_hybrid.translation.seq2seq import Seq2SeqTranslator
made = Seq2SeqTranslator("someone/tiny", num_beams=1, max_new_tokens=4, device="cpu")
print(made.name, made.revision, len(made.translate(["mto", "kenya"], "sw", "en")))
"""


def test_revision_is_the_commit(tmp_path: Path) -> None:
    """Fetched from a server that imitates the hub: everything but the question what main is asks for the commit."""
    files = {path.name: path.read_bytes() for path in m2m100_directory().iterdir()}
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            asked.append(path)
            status, body, name = 404, b"{}", path.rpartition("/")[2]
            headers = {"Content-Type": "application/json"}
            if path.startswith("/api/models/someone/tiny/revision/"):
                status = 200
                siblings = [{"rfilename": file} for file in files]
                body = json.dumps({"id": "someone/tiny", "sha": COMMIT, "siblings": siblings}).encode()
            elif path.startswith("/someone/tiny/resolve/") and name in files:
                status, body = 200, files[name]
                headers["ETag"] = f'"{hashlib.sha1(body).hexdigest()}"'
            elif path.startswith("/someone/tiny/resolve/"):
                headers["X-Error-Code"] = "EntryNotFound"
            headers |= {"X-Repo-Commit": COMMIT, "Content-Length": str(len(body))}
            self.send_response(status)
            for key, value in headers.items():
                self.send_header(key, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_HEAD = do_GET  # noqa: N815 - the name is that of the base class

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGING", "MTEB_HYBRID"))}
    kept |= {"HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}", "HF_HOME": str(tmp_path), "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", SCRIPT], env=kept, capture_output=True, text=True, check=False)
    server.shutdown()
    server.server_close()
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.split() == ["someone/tiny", COMMIT, "2"]
    weights = [path for path in asked if path.endswith("model.safetensors")]
    assert weights
    assert all(COMMIT in path for path in weights), asked
