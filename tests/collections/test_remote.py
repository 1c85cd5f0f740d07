"""Where files come from: the user's directory, the cache, the pinned address; and what is said when they do not."""

from __future__ import annotations

import gzip
import hashlib
import os
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pooch
import pytest

from mteb_hybrid.collections.remote import RemoteFiles, cache_folder, data_folder
from mteb_hybrid.errors import CollectionError, DownloadError

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


@pytest.fixture
def server() -> Iterator[Server]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.asked.append(self.path)
            state.reply(self)

        def log_message(self, *args: object) -> None:
            pass

    class Quiet(ThreadingHTTPServer):
        def handle_error(self, *args: object) -> None:
            """Broken connections are the point of some tests."""

    with Quiet(("127.0.0.1", 0), Handler) as http:
        state = Server(f"http://127.0.0.1:{http.server_port}/data/")
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield state
        state.ended.set()
        http.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the test's own; no data folder and no proxy of the surroundings."""
    monkeypatch.delenv("MTEB_HYBRID_DATA", raising=False)
    monkeypatch.setenv("MTEB_HYBRID_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return tmp_path / "cache"


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


# ---------------------------------------------------------------------------------------------------------------------
# MTEB_HYBRID_DATA


def test_a_data_folder_is_used_without_network_or_cache(
    server: Server, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With MTEB_HYBRID_DATA its file is taken where it lies: no request, no copy."""
    path = tmp_path / "mine" / "tiny" / NAME
    path.parent.mkdir(parents=True)
    path.write_bytes(CONTENT)
    monkeypatch.setenv("MTEB_HYBRID_DATA", str(tmp_path / "mine"))
    assert remote(server.base_url).fetch(NAME) == path
    assert server.asked == []
    assert not cache.exists()


@pytest.mark.parametrize("content", [CONTENT[:-1], CONTENT + b" ", b"", b"<html></html>"])
def test_a_data_folder_with_another_file_is_refused(
    server: Server, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    """A file there with other bytes is refused with path, both sums and the right address, and is left alone."""
    path = tmp_path / "mine" / "tiny" / NAME
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    monkeypatch.setenv("MTEB_HYBRID_DATA", str(tmp_path / "mine"))
    with pytest.raises(CollectionError) as raised:
        remote(server.base_url).fetch(NAME)
    assert not isinstance(raised.value, DownloadError)
    message = str(raised.value)
    assert str(path) in message
    assert hashlib.sha256(content).hexdigest() in message
    assert hashlib.sha256(CONTENT).hexdigest() in message
    assert server.base_url + NAME in message
    assert "MTEB_HYBRID_DATA" in message
    assert path.read_bytes() == content
    assert server.asked == []
    assert not cache.exists()


@pytest.mark.parametrize("make", [lambda path: None, lambda path: path.mkdir(parents=True)], ids=["missing", "folder"])
def test_a_data_folder_without_the_file_is_refused(
    server: Server, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], None]
) -> None:
    """A missing file is no reason to download behind the user's back; the message says what the folder must hold."""
    path = tmp_path / "mine" / "tiny" / NAME
    make(path)
    monkeypatch.setenv("MTEB_HYBRID_DATA", str(tmp_path / "mine"))
    with pytest.raises(CollectionError) as raised:
        remote(server.base_url).fetch(NAME)
    assert not isinstance(raised.value, DownloadError)
    assert str(path) in str(raised.value)
    assert "MTEB_HYBRID_DATA must name a directory" in str(raised.value)
    assert server.asked == []
    assert not cache.exists()


def test_an_empty_variable_counts_as_unset(server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """MTEB_HYBRID_DATA= in the environment means a download, not a folder without a name."""
    monkeypatch.setenv("MTEB_HYBRID_DATA", "")
    assert data_folder() is None
    assert remote(server.base_url).fetch(NAME).is_relative_to(cache)


@pytest.mark.parametrize(
    ("variable", "folder"), [("MTEB_HYBRID_DATA", data_folder), ("MTEB_HYBRID_CACHE", cache_folder)]
)
def test_folders_may_begin_with_a_tilde(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, folder: Callable[[], Path]
) -> None:
    """Both variables understand ~, which no shell expands in a configuration file."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.setenv(variable, "~/somewhere")
    assert folder() == tmp_path / "somewhere"


@pytest.mark.parametrize("configured", [None, ""])
def test_without_a_variable_the_cache_is_the_users(monkeypatch: pytest.MonkeyPatch, configured: str | None) -> None:
    """Without MTEB_HYBRID_CACHE files go to this package's folder in the user's cache, never to the working folder."""
    monkeypatch.delenv("MTEB_HYBRID_CACHE")
    if configured is not None:
        monkeypatch.setenv("MTEB_HYBRID_CACHE", configured)
    assert cache_folder().is_absolute()
    assert cache_folder() == Path(pooch.os_cache("mteb-hybrid"))


# ---------------------------------------------------------------------------------------------------------------------
# downloads that succeed


def test_a_download_is_verified_and_kept(server: Server, cache: Path) -> None:
    """The first fetch asks the server once and keeps that file alone; the second takes it from the cache."""
    files = remote(server.base_url)
    path = files.fetch(NAME)
    assert path.read_bytes() == CONTENT
    assert path == cache / "tiny" / "abc" / NAME
    assert files_in(cache) == [path]
    assert server.asked == [f"/data/{NAME}"]
    assert files.fetch(NAME) == path
    assert len(server.asked) == 1


def test_a_cached_file_needs_no_server(server: Server) -> None:
    """Once fetched, a file is there without a network."""
    path = remote(server.base_url).fetch(NAME)
    offline = remote(f"http://127.0.0.1:{refused_port()}/data/")
    assert offline.fetch(NAME) == path


@pytest.mark.parametrize("damage", [CONTENT[:-1], b"", CONTENT[:-1] + b"!"], ids=["cut off", "empty", "altered"])
def test_a_damaged_cached_file_is_fetched_again(server: Server, cache: Path, damage: bytes) -> None:
    """A cached file with other bytes is never returned: it is fetched again and replaced."""
    files = remote(server.base_url)
    path = files.fetch(NAME)
    path.write_bytes(damage)
    assert files.fetch(NAME) == path
    assert path.read_bytes() == CONTENT
    assert len(server.asked) == 2
    assert files_in(cache) == [path]


def test_revisions_do_not_share_files(server: Server) -> None:
    """Two revisions of a collection lie side by side in the cache, so that switching does not download again."""
    old = remote(server.base_url, revision="old").fetch(NAME)
    server.reply = send(b"newer")
    new = remote(server.base_url, b"newer", revision="new").fetch(NAME)
    assert (old.read_bytes(), new.read_bytes()) == (CONTENT, b"newer")
    assert remote(server.base_url, revision="old").fetch(NAME) == old
    assert len(server.asked) == 2


def test_a_compressed_transfer_is_unpacked(server: Server) -> None:
    """A server that compresses on the way delivers the same file."""
    server.reply = send(gzip.compress(CONTENT), Content_Encoding="gzip")
    assert remote(server.base_url).fetch(NAME).read_bytes() == CONTENT


def test_a_failed_download_can_be_tried_again(server: Server, cache: Path) -> None:
    """A failure leaves nothing that stands in the way of the next try."""
    server.reply = send(b"busy", status=503)
    files = remote(server.base_url)
    fails(files, cache)
    server.reply = send(CONTENT)
    assert files.fetch(NAME).read_bytes() == CONTENT


def test_the_cure_in_the_message_works(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Doing what the message of a failed download says, with the path that it names, makes fetch succeed."""
    files = remote(f"http://127.0.0.1:{refused_port()}/data/")
    message = fails(files, cache)
    (place,) = {word for word in message.split() if word.startswith("DIR/")}
    path = tmp_path / "by-hand" / place.removeprefix("DIR/")
    path.parent.mkdir(parents=True)
    path.write_bytes(CONTENT)
    monkeypatch.setenv("MTEB_HYBRID_DATA", str(tmp_path / "by-hand"))
    assert files.fetch(NAME) == path


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


# ---------------------------------------------------------------------------------------------------------------------
# caches that cannot be written


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
@pytest.mark.parametrize("below", ["", "made/later"], ids=["the folder", "below it"])
def test_a_cache_without_permission(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, below: str
) -> None:
    """A cache folder that may not be written is named, with the cure."""
    locked = tmp_path / "locked"
    monkeypatch.setenv("MTEB_HYBRID_CACHE", str(locked / below))
    folder = locked / below / "tiny" / "abc"
    closed = locked if below else folder
    closed.mkdir(parents=True)
    closed.chmod(0o500)
    try:
        message = fails(remote(server.base_url), locked)
    finally:
        closed.chmod(0o700)
    assert str(folder) in message
    assert "could not be stored" in message


def test_a_cache_that_is_no_folder(server: Server, cache: Path) -> None:
    """A cache folder that cannot be made, here because a file has its name, is named, with the cure."""
    cache.write_text("a file")
    with pytest.raises(DownloadError) as raised:
        remote(server.base_url).fetch(NAME)
    message = str(raised.value)
    assert server.base_url + NAME in message
    assert f"could not be stored in {cache}" in message
    assert "MTEB_HYBRID_DATA=DIR" in message
    assert cache.read_text() == "a file"


def test_a_folder_in_the_place_of_the_cached_file(server: Server, cache: Path) -> None:
    """A folder that has the name of the file is reported with the folder it lies in, not returned."""
    folder = cache / "tiny" / "abc"
    (folder / NAME).mkdir(parents=True)
    with pytest.raises(DownloadError, match="could not be stored") as raised:
        remote(server.base_url).fetch(NAME)
    assert str(folder) in str(raised.value)
