"""Names of files that others wrote: which of them stay in their folder, and paths that no file can have."""

from __future__ import annotations

from pathlib import Path, PurePosixPath, PureWindowsPath


def is_file_name(text: str) -> bool:
    """Whether a text names a file in a folder, and nothing outside of the folder, on any system."""
    plain = text not in ("", ".", "..") and "\0" not in text
    return plain and PurePosixPath(text).name == text and PureWindowsPath(text).name == text


def user_path(text: str | Path) -> Path:
    """The path that a user wrote, with ``~`` for their home; the ``~name`` of nobody is a path like any other."""
    try:
        return Path(text).expanduser()
    except RuntimeError:
        return Path(text)


def is_folder(path: Path) -> bool:
    """Whether a folder is there; none is under a name that the system refuses, such as one that is too long."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def is_there(path: Path) -> bool:
    """Whether a file or folder is there, as in `is_folder`."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False
