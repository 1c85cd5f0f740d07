"""The download that is tortured, and a server that takes its time."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

PIECE, PAUSE = 16_384, 0.004  # bytes, seconds


def main() -> None:
    """Fetch all files of a list: ``fetching.py LIST``; our own errors become one line, as in our command."""
    from mteb_hybrid.collections.remote import RemoteFiles
    from mteb_hybrid.errors import MtebHybridError

    content = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    files = RemoteFiles("tortured", "r1", content["url"], content["sha256"])
    try:
        for name in files.sha256:
            print(files.fetch(name))
    except MtebHybridError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


def serve(folder: Path) -> None:
    """Serve a folder on a free port of this machine, which is printed, slowly, until the parent process is gone."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = (folder / Path(self.path).name).read_bytes()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            for start in range(0, len(content), PIECE):
                self.wfile.write(content[start : start + PIECE])
                time.sleep(PAUSE)

        def log_message(self, *arguments: object) -> None:
            pass

    class Quiet(ThreadingHTTPServer):
        def handle_error(self, *arguments: object) -> None:
            """Clients are killed here."""

    with Quiet(("127.0.0.1", 0), Handler) as http:
        print(http.server_port, flush=True)
        threading.Thread(target=http.serve_forever, daemon=True).start()
        parent = os.getppid()
        while os.getppid() == parent:
            time.sleep(0.2)


if __name__ == "__main__":
    if sys.argv[1] == "--serve":
        serve(Path(sys.argv[2]))
    else:
        main()
