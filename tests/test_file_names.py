"""Names of files that others wrote."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mteb_hybrid.file_names import is_file_name, is_folder, is_there, user_path


@pytest.mark.parametrize("name", ["test", "en-de", "a.b", "...", "ä b", "default", ".hidden", "con"])
def test_names(name):
    """What a file in a folder can be called."""
    assert is_file_name(name)


@pytest.mark.parametrize(
    "name", ["", ".", "..", "/", "a/b", "../a", "/a", "a/", "a\\b", "..\\a", "C:\\a", "C:a", "a\0b", "//a"]
)
def test_no_names(name):
    """What leads elsewhere, on one system or another."""
    assert not is_file_name(name)


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=12))
def test_a_name_stays_in_its_folder(name):
    """Whatever passes is a path right below the folder."""
    if is_file_name(name):
        assert Path("/folder", name).parent == Path("/folder")
        assert Path("/folder", f"{name}.{name}.parquet").parent == Path("/folder")


def test_paths_of_users(tmp_path, monkeypatch):
    """~ is their home, and the home of nobody is none."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert user_path("~/a") == tmp_path / "a"
    assert user_path(Path("a/b")) == Path("a/b")
    assert user_path("~nobody-of-this-name/x") == Path("~nobody-of-this-name/x")


@pytest.mark.parametrize(
    "name",
    ["nowhere", "a" * 5000, "a\0b", "\ud800", "~nobody-of-this-name/x"],
    ids=["nowhere", "too long", "NUL", "half of a character", "nobody's home"],
)
def test_nothing_is_there(tmp_path, name):
    """Under a name that the system does not take there is nothing, and no error."""
    for path in (tmp_path / name, Path(name)):
        assert not is_folder(path)
        assert not is_there(path)
    assert is_folder(tmp_path)
    assert is_there(tmp_path)
    (tmp_path / "file").write_text("")
    assert is_there(tmp_path / "file")
    assert not is_folder(tmp_path / "file")
