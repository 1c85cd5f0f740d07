"""Writing files so that a reader sees the old one or the new one, never half of one, after a loss of power too.

What is renamed was flushed to disk before, and the folder is flushed afterwards: on most file systems a name may
otherwise reach the disk before the bytes that it stands for.
"""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from mteb_hybrid.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Iterator

# what writing ends with and reading never does
NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS}
_ABANDONED = 10.0  # seconds in which a writer has certainly locked its temporary file


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; on success flush it to disk and rename it onto ``path``.

    The folder of ``path`` is made if it is missing. If the body raises, the temporary file is removed and ``path`` is
    left as it was. What a killed process has left of the same file is removed.

    Raises:
        StorageError: The folder cannot be written, or has no room; the message names ``path``.
    """
    handle, temporary = _begin(path)
    try:
        yield temporary
        make_readable(temporary)
        flush(temporary)
        temporary.replace(path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        if isinstance(error, OSError) and error.errno in NO_ROOM:
            raise refused(path, error) from error
        raise
    finally:
        os.close(handle)
    flush_folder(path.parent)


def flush(path: Path) -> None:
    """See that a file's bytes are on disk, or those of all files below a folder with the names that they have."""
    if path.is_dir():
        for inner in path.iterdir():
            flush(inner)
        flush_folder(path)
        return
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def flush_folder(folder: Path) -> None:
    """See that the names in a folder are on disk, where the system can."""
    with contextlib.suppress(OSError):  # not on Windows, and not on every network's file system
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def remove_abandoned(folder: Path, name: str = "") -> None:
    """Remove what killed processes have left of a file, or of all files of a folder that is ours.

    What is being written is locked, or has just been begun.
    """
    with os.scandir(folder) as entries:
        start = f".{name}." if name else "."
        left = [one.path for one in entries if one.name.startswith(start) and one.name.endswith(".tmp")]
    for path in map(Path, left):
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > _ABANDONED:
                handle = os.open(path, os.O_RDWR)
                try:
                    if _lock(handle):
                        path.unlink()
                finally:
                    os.close(handle)


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Wait until no other process is in such a body with the same folder, which is made if it is missing.

    For a file that is read, changed and written. Where folders cannot be locked nobody waits.

    Raises:
        StorageError: The folder cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise refused(folder, error) from error
    with lock(folder, wait=True):
        yield


@contextlib.contextmanager
def lock(folder: Path, *, wait: bool = False) -> Iterator[bool]:
    """Lock a folder within the body, or find out that another process has: yields False then.

    Where folders cannot be locked it yields True. A process that ends, however it does, leaves no lock.
    """
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        yield True
        return
    try:
        yield _lock(handle, wait=wait) is not False
    finally:
        os.close(handle)


def check_folder(folder: Path) -> None:
    """Make a folder, and see that files can be made in it: before the hours whose work is to be written there.

    Raises:
        OSError: It cannot be made, or files cannot.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder):
        pass


def make_readable(path: Path) -> None:
    """Give a file the permissions that a plain ``open`` would; temporary files start out private."""
    umask = os.umask(0)
    os.umask(umask)
    path.chmod(0o666 & ~umask)


def _begin(path: Path) -> tuple[int, Path]:
    """A new file beside a path, and the open handle that is locked as long as somebody writes it."""
    try:
        for again in (True, False):
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                remove_abandoned(path.parent, path.name)
                handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
                break
            except FileNotFoundError:  # another process was just done with the folder
                if not again:
                    raise
    except OSError as error:
        raise refused(path, error) from error
    _lock(handle)
    return handle, Path(name)


def _lock(handle: int, *, wait: bool = False) -> bool | None:
    """Lock an open file until it is closed, or its process ends; False if another one has, None where none can."""
    try:
        import fcntl

        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except (ImportError, OSError):  # another system, or a file system without locks
        return None
    return True


def refused(path: Path, error: OSError) -> StorageError:
    """Our error for a file that could not be written."""
    reason = os.strerror(error.errno) if error.errno else str(error)
    ours = StorageError(
        f"{path} cannot be written: {reason}. Make room or choose another folder, and run the same again: what is "
        "finished is kept, and nothing is left half-written"
    )
    ours.errno = error.errno
    return ours
