"""Where files lie: the user's data folder, the cache, and folders that cannot be used."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pooch
import pytest
from file_servers import CONTENT, NAME, Server, fails, remote

from mteb_hybrid.collections.remote import cache_folder, data_folder
from mteb_hybrid.errors import CollectionError, DownloadError

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
