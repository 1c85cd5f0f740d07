"""A disk that is full while MTEB writes a file of its own."""

from __future__ import annotations

import errno
import os
from typing import Any

import mteb
import pytest
from typer.testing import CliRunner

from mteb_hybrid import _mteb, plugin
from mteb_hybrid.cli import app
from mteb_hybrid.errors import StorageError


def failing(error: OSError) -> Any:
    def evaluate(model: Any, tasks: Any, cache: Any) -> None:
        raise error

    return evaluate


def run(error: OSError, cache: Any) -> None:
    plugin.run(
        failing(error), mteb.get_model("mteb-hybrid/char-ngram"), mteb.get_task("MiniQARMonolingual"), cache=cache
    )


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS])
def test_the_folder_is_named(tmp_path, number):
    """Python names no file where what was written has no room when it is closed; our error has the cache's folder."""
    with pytest.raises(StorageError, match="what is finished is kept") as caught:
        run(OSError(number, os.strerror(number)), mteb.ResultCache(tmp_path))
    assert str(caught.value).startswith(f"{tmp_path} ")
    assert os.strerror(number) in str(caught.value)


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "no room", "a-file"), OSError(errno.EACCES, "not yours"), StorageError("ours")]
)
def test_other_errors_stay(error):
    """One that names its file, one of another kind, and ours."""
    with pytest.raises(OSError) as caught:  # noqa: PT011 - it is this very one
        run(error, None)
    assert caught.value is error


def command_ends_in(error: OSError, monkeypatch: pytest.MonkeyPatch) -> Any:
    """What `mteb-hybrid run` raises where MTEB does."""

    def fail(_arguments: Any) -> None:
        raise error

    monkeypatch.setattr(_mteb, "run_command", fail)
    return CliRunner().invoke(app, ["run", "-m", "any", "-t", "any"]).exception


def test_a_folder_that_mtebs_command_makes(monkeypatch, tmp_path):
    """`mteb run` makes the folder of results before it evaluates; our command says in our words that it cannot."""
    monkeypatch.chdir(tmp_path)
    found = command_ends_in(OSError(errno.EROFS, os.strerror(errno.EROFS), "out"), monkeypatch)
    assert isinstance(found, StorageError)
    assert str(found).startswith(f"{tmp_path / 'out'} cannot be written: {os.strerror(errno.EROFS)}.")


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "no room"), OSError(errno.ENOENT, "not there", "a-file"), StorageError("ours")]
)
def test_what_our_command_leaves(monkeypatch, error):
    """One without a name, one of another kind, and ours."""
    assert command_ends_in(error, monkeypatch) is error
