"""No file is written but on a temporary path of `atomic_path`: looked up in the source of the package."""

from __future__ import annotations

from pathlib import Path

import pytest
from opened_files import Writing, writings

import mteb_hybrid
from mteb_hybrid import tasks, trainers

PACKAGES = {"mteb_hybrid": mteb_hybrid, "tasks": tasks, "trainers": trainers}
ATOMIC = "it is what makes others write so"
ASIDE = "a rename, of a result that was not written just now"
PLACED = "writes into a folder beside its place, which `OutputDirectory.place_model` flushes and renames"
ALLOWED = {
    ("mteb_hybrid/atomic.py", "atomic_path"): ATOMIC,
    ("mteb_hybrid/atomic.py", "flush"): ATOMIC,
    ("mteb_hybrid/atomic.py", "remove_abandoned"): ATOMIC,
    ("mteb_hybrid/atomic.py", "_begin"): ATOMIC,
    ("mteb_hybrid/scaling/training_worker.py", "check_shared"): "an empty file, which others look for and nobody reads",
    ("tasks/stale.py", "_load"): ASIDE,
    ("tasks/stale.py", "_set_aside"): ASIDE,
    ("trainers/data/groups.py", "TextGroups.__init__"): "a temporary file without a name",
    ("trainers/recipes/card.py", "write_card"): PLACED,
    ("trainers/recipes/output.py", "OutputDirectory.place_model"): PLACED,
    ("trainers/recipes/run.py", "_run.save"): PLACED,
    ("trainers/recipes/run.py", "_run"): "the trainer's own log, of which a run that goes on reads nothing",
}


def found() -> set[tuple[str, str]]:
    """File and function of whatever writes in another way."""
    places = set()
    for name, package in PACKAGES.items():
        (folder,) = map(Path, package.__path__)
        for path in folder.rglob("*.py"):
            inside = path.relative_to(folder)
            if package is mteb_hybrid and inside.parts[0] in PACKAGES:  # installed, it holds the other two
                continue
            file = f"{name}/{inside.as_posix()}"
            places |= {(file, one.function) for one in writings(path.read_text(encoding="utf-8"))}
    return places


def test_no_file_is_written_in_place() -> None:
    """Whatever else opens a file for writing, or renames one, is named here with the reason."""
    assert found() == set(ALLOWED)


@pytest.mark.parametrize(
    "call",
    [
        "open(path, 'w')", "open(path, mode)", "path.open('ab')", "path.open(mode='r+')", "gzip.open(path, 'wt')",
        "os.open(path, os.O_WRONLY | os.O_CREAT)", "path.write_text('a')", "path.write_bytes(b'a')",
        "np.save(path, array)", "np.savez(path, a=array)", "torch.save(model, path)", "pq.write_table(table, path)",
        "figure.savefig(path)", "json.dump(content, file)", "model.save_pretrained(path)", "shutil.copy(one, path)",
        "np.memmap(path, mode='w+')", "os.replace(one, path)", "one.rename(path)", "one.replace(path)",
        "pooch.HTTPDownloader()(url, path, None)", "table.to_parquet(path)",
    ],
)  # fmt: skip
def test_what_is_found(call: str) -> None:
    """Calls that write, unless they do so on a temporary path or what was opened there."""
    there = f"class C:\n    def f(self, path, mode):\n        {call}\n"
    assert writings(there) == [Writing("C.f", call)]
    name = "file" if "file" in call else "path"
    below = f"def f():\n    with atomic_path(a) as b, b.open('w') as {name}:\n        {call}\n"
    assert writings(below) == []
    behind = f"with atomic_path(a) as {name}:\n    pass\n{call}\n"
    assert writings(behind) == [Writing("", call)]


@pytest.mark.parametrize(
    "call",
    [
        "open(path)", "open(path, 'rb')", "path.open(encoding='utf-8')", "os.open(path, os.O_RDONLY)",
        "text.replace('a', 'b')", "replace(record, a=1)", "np.memmap(path, mode='c')", "TranslationFolder.open(path)",
        "kept.save(1, 2)", "path.unlink()", "queue.move(1)", "array.copy()",
    ],
)  # fmt: skip
def test_what_is_none(call: str) -> None:
    """Calls that read, remove, or only sound alike."""
    assert writings(call) == []
