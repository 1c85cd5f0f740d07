"""Atomic writing: the old file or the new one, never half of one, and nothing beside it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from mteb_hybrid.atomic import atomic_path, check_folder


def names(folder: Path) -> list[str]:
    """All names in a folder, hidden ones too."""
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def umask():
    """A function that sets the umask of this process until the end of the test."""
    before = os.umask(0o022)
    yield os.umask
    os.umask(before)


def test_success_replaces_the_old_file(tmp_path: Path) -> None:
    """After the body the path holds what was written, also where the old file was longer, and nothing is left over."""
    path = tmp_path / "result.json"
    path.write_text("the old and longer text")
    with atomic_path(path) as temporary:
        temporary.write_text("new")
    assert path.read_text() == "new"
    assert names(tmp_path) == ["result.json"]


def test_readers_see_the_old_file_until_the_end(tmp_path: Path) -> None:
    """While the body writes, the path is untouched; what is written lies beside it, on the same file system."""
    path = tmp_path / "result.json"
    path.write_text("old")
    with atomic_path(path) as temporary:
        temporary.write_text("half of the n")
        assert path.read_text() == "old"
        assert temporary != path
        assert temporary.parent == path.parent
        temporary.write_text("new")
    assert path.read_text() == "new"


def test_a_new_file_does_not_exist_before_the_end(tmp_path: Path) -> None:
    """Where there was no file, there is none until it is whole."""
    path = tmp_path / "result.json"
    with atomic_path(path) as temporary:
        temporary.write_bytes(b"\x00\xff")
        assert not path.exists()
    assert path.read_bytes() == b"\x00\xff"


def write_half(path: Path, error: type[BaseException]) -> None:
    """Begin to write and fail."""
    with atomic_path(path) as temporary:
        temporary.write_text("half of the n")
        raise error("on purpose")


@pytest.mark.parametrize("error", [ValueError, OSError, KeyboardInterrupt, SystemExit])
def test_failure_leaves_the_old_file_and_no_temporary(tmp_path: Path, error: type[BaseException]) -> None:
    """Whatever ends the body, an interruption too, comes out; the old file is untouched and nothing lies beside it."""
    path = tmp_path / "result.json"
    path.write_text("old")
    before = path.stat()
    with pytest.raises(error, match="on purpose"):
        write_half(path, error)
    assert path.read_text() == "old"
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert names(tmp_path) == ["result.json"]


def test_failure_leaves_no_new_file(tmp_path: Path) -> None:
    """Where there was no file, a failure leaves none."""
    with pytest.raises(ValueError, match="on purpose"):
        write_half(tmp_path / "result.json", ValueError)
    assert names(tmp_path) == []


def test_a_temporary_that_the_body_removed(tmp_path: Path) -> None:
    """A body that loses the temporary file does not pass for a success, and the old file stays."""
    path = tmp_path / "result.json"
    path.write_text("old")
    with pytest.raises(FileNotFoundError), atomic_path(path) as temporary:
        temporary.unlink()
    assert path.read_text() == "old"
    assert names(tmp_path) == ["result.json"]


def test_a_path_that_cannot_be_replaced_leaves_no_temporary(tmp_path: Path) -> None:
    """If the renaming fails, here because the path is a folder, the temporary file goes and the folder stays."""
    path = tmp_path / "result.json"
    path.mkdir()
    with pytest.raises(OSError, match=r"result\.json"), atomic_path(path) as temporary:
        temporary.write_text("new")
    assert path.is_dir()
    assert names(tmp_path) == ["result.json"]


def test_missing_folders_are_made(tmp_path: Path) -> None:
    """The folder of the path may be missing, with its parents."""
    path = tmp_path / "model" / "task" / "result.json"
    with atomic_path(path) as temporary:
        temporary.write_text("new")
    assert path.read_text() == "new"


def test_a_bare_name_is_written_into_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative path without a folder works and is relative to the working folder."""
    monkeypatch.chdir(tmp_path)
    with atomic_path(Path("result.json")) as temporary:
        temporary.write_text("new")
    assert names(tmp_path) == ["result.json"]


def test_two_writers_do_not_share_a_temporary(tmp_path: Path) -> None:
    """Two writers of one path do not disturb each other; the last to end wins, whole."""
    path = tmp_path / "result.json"
    with atomic_path(path) as outer:
        outer.write_text("outer")
        with atomic_path(path) as inner:
            inner.write_text("inner")
        assert path.read_text() == "inner"
    assert path.read_text() == "outer"
    assert names(tmp_path) == ["result.json"]


@pytest.mark.skipif(os.name != "posix", reason="permissions are those of POSIX")
@pytest.mark.parametrize(("mask", "expected"), [(0o022, 0o644), (0o027, 0o640), (0o077, 0o600), (0o002, 0o664)])
def test_permissions_follow_the_umask(tmp_path: Path, umask, mask: int, expected: int) -> None:
    """The file gets the permissions that open() would have given it, and the umask is the same afterwards."""
    umask(mask)
    path = tmp_path / "result.json"
    with atomic_path(path) as temporary:
        temporary.write_text("new")
    assert stat.S_IMODE(path.stat().st_mode) == expected
    assert umask(mask) == mask


@pytest.mark.skipif(os.name != "posix", reason="permissions are those of POSIX")
def test_nobody_else_reads_an_unfinished_file(tmp_path: Path, umask) -> None:
    """Until it is whole, the file is private."""
    umask(0o000)
    with atomic_path(tmp_path / "result.json") as temporary:
        assert stat.S_IMODE(temporary.stat().st_mode) == 0o600


def test_a_folder_to_write_in(tmp_path: Path) -> None:
    """It is made, and empty; where a file is in its place, or above it, there can be none."""
    check_folder(tmp_path / "new" / "folder")
    assert names(tmp_path / "new" / "folder") == []
    (tmp_path / "file").touch()
    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(OSError, match="file"):
            check_folder(place)
