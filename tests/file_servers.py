"""A server on this machine that replies what a test wants, and what is left of a download that fails."""

from __future__ import annotations

import hashlib
import os
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from mteb_hybrid.collections.remote import RemoteFiles
from mteb_hybrid.errors import DownloadError

CONTENT = '{"data": "größer als ein Stück von 1024 Bytes"}'.encode() * 100
NAME = "de.json"
Reply = Callable[[BaseHTTPRequestHandler], None]


def send(body: bytes, status: int = 200, **headers: str) -> Reply:
    """A reply with this body; headers are given with underscores and may replace the right Content-Length."""
    named = {"Content-Length": str(len(body))} | {key.replace("_", "-"): value for key, value in headers.items()}

    def reply(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for key, value in named.items():
            handler.send_header(key, value)
        handler.end_headers()
        handler.wfile.write(body)

    return reply


def raw(data: bytes) -> Reply:
    """A reply of these bytes, whether or not they are HTTP."""

    def reply(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(data)

    return reply


def reset(handler: BaseHTTPRequestHandler) -> None:
    """Begin well, then reset the connection."""
    handler.wfile.write(b"HTTP/1.0 200 OK\r\nContent-Length: 5000\r\n\r\n" + CONTENT[:100])
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    os.close(handler.connection.detach())


@dataclass
class Server:
    """A server on this machine: what it replies, and which paths it was asked for."""

    base_url: str
    reply: Reply = field(default_factory=lambda: send(CONTENT))
    asked: list[str] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)


def remote(base_url: str, content: bytes = CONTENT, revision: str = "abc") -> RemoteFiles:
    return RemoteFiles("tiny", revision, base_url, {NAME: hashlib.sha256(content).hexdigest()})


def files_in(folder: Path) -> list[Path]:
    """All files below a folder, temporary ones too."""
    return sorted(path for path in folder.rglob("*") if not path.is_dir())


def refused_port() -> int:
    """A port of this machine on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def fails(files: RemoteFiles, cache: Path) -> str:
    """The message of a failed download, which names address and cure; nothing stays in the cache."""
    with pytest.raises(DownloadError) as raised:
        files.fetch(NAME)
    message = str(raised.value)
    assert files.base_url + NAME in message
    assert f"DIR/tiny/{NAME}" in message
    assert "MTEB_HYBRID_DATA=DIR" in message
    assert raised.value.__cause__ is not None
    assert files_in(cache) == []
    return message
