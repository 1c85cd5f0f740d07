"""Whatever a server or a network does wrong is our error, with the cure, and leaves nothing."""

from __future__ import annotations

import hashlib
import socket
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pooch
import pytest
from file_servers import CONTENT, NAME, Reply, Server, fails, files_in, raw, refused_port, remote, reset, send

from mteb_hybrid.errors import DownloadError

# ---------------------------------------------------------------------------------------------------------------------
# downloads that fail


@pytest.mark.parametrize("body", [b"<html>Sign in to the network</html>", CONTENT + b"\n", CONTENT[:-1], b""])
def test_other_bytes_are_not_kept(server: Server, cache: Path, body: bytes) -> None:
    """A file that came whole but is not the pinned one is a failed download, with the sum that was expected."""
    server.reply = send(body)
    message = fails(remote(server.base_url), cache)
    assert "other bytes" in message
    assert hashlib.sha256(CONTENT).hexdigest() in message


def test_connection_refused(cache: Path) -> None:
    """Where nobody listens, the download fails with our error."""
    assert "could not be fetched" in fails(remote(f"http://127.0.0.1:{refused_port()}/data/"), cache)


@pytest.mark.parametrize("status", [403, 404, 429, 500, 503])
def test_a_status_of_failure(server: Server, cache: Path, status: int) -> None:
    """A status that says no is reported, even if the right bytes came with it."""
    server.reply = send(CONTENT, status=status)
    message = fails(remote(server.base_url), cache)
    assert "could not be fetched" in message
    assert str(status) in message


def test_a_server_that_breaks_off(server: Server, cache: Path) -> None:
    """A connection that ends before the announced length is a failed download; no half file is kept."""
    server.reply = send(CONTENT[:2000], Content_Length=str(len(CONTENT)))
    assert "could not be fetched" in fails(remote(server.base_url), cache)


def test_a_server_that_breaks_off_leaves_a_cached_file_unused(server: Server) -> None:
    """If a damaged cached file cannot be replaced, the error comes out; the damaged file is never returned."""
    files = remote(server.base_url)
    path = files.fetch(NAME)
    path.write_bytes(CONTENT[:-1])
    server.reply = send(CONTENT[:2000], Content_Length=str(len(CONTENT)))
    for _ in range(2):
        with pytest.raises(DownloadError):
            files.fetch(NAME)
    assert files_in(path.parent) == [path]


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(raw(b""), id="no reply"),
        pytest.param(raw(b"SSH-2.0-OpenSSH_9.6\r\n"), id="not HTTP"),
        pytest.param(raw(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70000 + b"\r\n\r\n"), id="endless header"),
        pytest.param(
            raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\n{}"), id="breaks off within a chunk"
        ),
        pytest.param(raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}"), id="bad chunk"),
        pytest.param(reset, id="reset"),
        pytest.param(send(b"not gzip", Content_Encoding="gzip"), id="bad compression"),
        pytest.param(send(b"", status=302, Location=f"/data/{NAME}"), id="redirected in a circle"),
        pytest.param(send(b"", status=302, Location="ftp://127.0.0.1/"), id="redirected to another protocol"),
        pytest.param(send(b"", status=302, Location="http://[::1"), id="redirected to no address"),
        pytest.param(send(b"", status=302, Location=f"http://{'a' * 64}.invalid/"), id="redirected to no host name"),
        pytest.param(send(CONTENT[:2000], Content_Length="many"), id="length that is no number"),
    ],
)
def test_any_other_failure_of_the_network(server: Server, cache: Path, reply: Reply) -> None:
    """Whatever a server does wrong comes out as DownloadError with address and cure, and keeps nothing."""
    server.reply = reply
    message = fails(remote(server.base_url), cache)
    assert "could not be stored" not in message
    assert server.asked


@pytest.mark.parametrize("begun", [b"", b"HTTP/1.0 200 OK\r\nContent-Length: 5000\r\n\r\n{"], ids=["silent", "stalls"])
def test_a_server_that_falls_silent(server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch, begun: bytes) -> None:
    """A server that stops talking, before or within the file, is given up after a time limit."""
    limits = []
    downloader = pooch.HTTPDownloader

    def impatient(*, timeout: float, **options: object) -> pooch.HTTPDownloader:
        limits.append(timeout)
        return downloader(timeout=0.2, **options)

    def reply(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(begun)
        server.ended.wait(10)

    server.reply = reply
    monkeypatch.setattr(pooch, "HTTPDownloader", impatient)
    assert "timed out" in fails(remote(server.base_url), cache).lower()
    assert len(limits) == 1
    assert 0 < limits[0] <= 300


def test_an_unknown_host(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host whose name is not found, as without a network, is a failed download."""

    def getaddrinfo(*args: object, **options: object) -> list:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    assert "not known" in fails(remote("http://mteb-hybrid.invalid/data/"), cache)


def test_a_proxy_that_is_not_there(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy of the surroundings that does not answer is a failed download."""
    for name in ("NO_PROXY", "no_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{refused_port()}")
    assert "proxy" in fails(remote("http://192.0.2.1/data/"), cache).lower()
