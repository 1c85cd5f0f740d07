"""Downloads: verified, kept, and whole or not at all."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from file_servers import CONTENT, NAME, Server, fails, files_in, refused_port, remote, send

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
