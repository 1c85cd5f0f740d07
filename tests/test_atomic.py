"""Atomic writing: the old file or the new one, never half of one, and nothing beside it."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from mteb_hybrid.atomic import atomic_path, check_folder, locked, remove_abandoned
from mteb_hybrid.errors import StorageError


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


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS])
def test_no_room(tmp_path: Path, number: int) -> None:
    """A full disk is our error, with the file's name and what to do; the old file stays, and nothing beside it."""
    path = tmp_path / "result.json"
    path.write_text("old")

    def write() -> None:
        with atomic_path(path) as temporary:
            temporary.write_text("half of the n")
            raise OSError(number, os.strerror(number))

    with pytest.raises(StorageError, match=r"result\.json cannot be written: .*run the same again") as raised:
        write()
    assert raised.value.errno == number
    assert os.strerror(number) in str(raised.value)
    assert path.read_text() == "old"
    assert names(tmp_path) == ["result.json"]


def test_no_room_for_the_last_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some disks say only when they are flushed that they are full."""

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="No space left"), atomic_path(tmp_path / "result.json") as temporary:
        temporary.write_text("new")
    assert names(tmp_path) == []


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    """A file in its place is our error too."""
    (tmp_path / "file").write_text("")
    path = tmp_path / "file" / "result.json"
    with pytest.raises(StorageError, match=r"result\.json cannot be written"), atomic_path(path):
        pass


def test_other_errors_stay_what_they_are(tmp_path: Path) -> None:
    """What the body reads and does not find is not for want of room."""
    with pytest.raises(FileNotFoundError), atomic_path(tmp_path / "result.json"):
        (tmp_path / "nothing").read_text()


def left_behind(folder: Path, name: str, *, age: float) -> Path:
    """A temporary file as a killed process leaves it."""
    path = folder / f".{name}.abcdefgh.tmp"
    path.write_text("half")
    os.utime(path, (path.stat().st_mtime - age, path.stat().st_mtime - age))
    return path


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    """The next writer of the same file removes it, if nobody has just begun it; other files' are left alone."""
    pytest.importorskip("fcntl")
    left_behind(tmp_path, "result.json", age=60)
    young = left_behind(tmp_path, "young", age=0).rename(tmp_path / ".result.json.ijklmnop.tmp")
    other = left_behind(tmp_path, "other.json", age=60)
    with atomic_path(tmp_path / "result.json") as temporary:
        temporary.write_text("new")
    assert names(tmp_path) == sorted([young.name, other.name, "result.json"])
    remove_abandoned(tmp_path)
    assert names(tmp_path) == sorted([young.name, "result.json"])


def test_what_is_being_written_is_not_removed(tmp_path: Path) -> None:
    """A writer that takes its time keeps its temporary file, however old."""
    path = tmp_path / "result.json"
    with atomic_path(path) as slow:
        slow.write_text("slow")
        os.utime(slow, (0, 0))
        with atomic_path(path) as quick:
            quick.write_text("quick")
    assert path.read_text() == "slow"


def test_locked(tmp_path: Path) -> None:
    """Within the body nobody else can lock the folder; after it everybody can."""
    fcntl = pytest.importorskip("fcntl")
    with locked(tmp_path / "made"):
        handle = os.open(tmp_path / "made", os.O_RDONLY)
        with pytest.raises(BlockingIOError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(handle)


def test_a_folder_to_write_in(tmp_path: Path) -> None:
    """It is made, and empty; where a file is in its place, or above it, there can be none."""
    check_folder(tmp_path / "new" / "folder")
    assert names(tmp_path / "new" / "folder") == []
    (tmp_path / "file").touch()
    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(OSError, match="file"):
            check_folder(place)
