"""Whether a directory is the same for all workers and the command, seen by a worker that is alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch.distributed as dist

pytest.importorskip("ray.train", reason="what runs on nodes needs ray[train]", exc_type=ImportError)

import ray

from mteb_hybrid.errors import ClusterError, RecipeError
from mteb_hybrid.scaling import desk as desk_module
from mteb_hybrid.scaling.desk import Desk
from mteb_hybrid.scaling.training_worker import check_shared, work


class Remote:
    """An actor that is none: its methods are called at once."""

    def __init__(self, actor: object) -> None:
        self.actor = actor

    def __getattr__(self, name: str) -> Remote:
        return Remote(getattr(self.actor, name))

    def remote(self, *arguments: object) -> object:
        return self.actor(*arguments)


class Elsewhere(Desk):
    """A machine where nothing is."""

    def sees(self, path: str) -> bool:
        return False


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A process group of one, and what is asked for is there at once or not at all."""
    monkeypatch.setattr(ray, "get", lambda answer: answer)
    monkeypatch.setattr(desk_module, "_SECONDS", 0)
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    yield
    dist.destroy_process_group()


def test_shared(tmp_path: Path) -> None:
    """It is made, and left as empty as it was, also where a worker was lost while it looked."""
    place = tmp_path / "a" / "model"
    check_shared(place, Remote(Desk()))
    assert list(place.iterdir()) == []
    (place / ".seen-by-all-0").touch()
    (place / "training").mkdir()
    check_shared(place, Remote(Desk()))
    assert [one.name for one in place.iterdir()] == ["training"]


def test_not_shared(tmp_path: Path) -> None:
    """The message says where it is not, and nothing stays behind."""
    with pytest.raises(
        RecipeError, match=r"output\.directory: .*model on .* is not that on the machine of the command: "
    ):
        check_shared(tmp_path / "model", Remote(Elsewhere()))
    assert list((tmp_path / "model").iterdir()) == []


def test_not_writable(tmp_path: Path) -> None:
    """The message says where, and why."""
    (tmp_path / "file").touch()
    with pytest.raises(
        RecipeError, match=r"output\.directory: .*file/model cannot be written on .*: .*Not a directory"
    ):
        check_shared(tmp_path / "file" / "model", Remote(Desk()))


def test_other_libraries() -> None:
    """The command learns of it, before anything is loaded."""
    desk = Desk()
    config = {"recipe": {}, "output": None, "desk": Remote(desk), "restarts": 3, "versions": {"torch": "1.0"}}
    with pytest.raises(ClusterError, match=r"a worker on .* has torch 2.* instead of 1\.0"):
        work(config)
    assert isinstance(desk.word()[1], ClusterError)


def test_the_first_error_counts() -> None:
    """Others that follow from it are not what was wrong."""
    desk = Desk()
    desk.fail(RecipeError("first"))
    desk.fail(RecipeError("second"))
    assert [desk.start(), desk.start()] == [1, 2]
    starts, problem, summary = desk.word()
    assert (starts, str(problem), summary) == (2, "first", None)
