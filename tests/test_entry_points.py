"""Our entry points: they give what registration gives, and with the patch of docs/upstream.md MTEB needs no hook."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import mteb
import pytest
from beir_folders import write_languages
from mteb.models.model_implementations import MODEL_REGISTRY
from patched_mteb import PAGE, START, patched_sources, write_sources
from task_names import BENCHMARKS, OURS
from tiny_models import sentence_transformer

from mteb_hybrid import plugin
from mteb_hybrid.models.directory import directory_revision

ROOT = Path(__file__).parents[1]
GROUPS = ("mteb.tasks", "mteb.models", "mteb.benchmarks", "mteb.model_loaders", "mteb.runs")


def ours(group: str) -> Any:
    """The object of our one entry point of a group, as the installation declares it."""
    (found,) = (entry for entry in entry_points(group=group) if entry.value.startswith("mteb_hybrid"))
    return found.load()


def python(folder: Path, code: str, *arguments: str, **environment: str) -> Any:
    """What a fresh Python prints as JSON in its last line."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MTEB_HYBRID", "PYTHON"))}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, *arguments],
        cwd=folder, env=kept | {"HF_HUB_OFFLINE": "1", **environment}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


class TestDeclared:
    """What the installation declares."""

    def test_groups(self):
        """One entry point of ours in each group; the page and pyproject.toml name the same ones."""
        declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["entry-points"]
        assert tuple(declared) == GROUPS
        page = PAGE.read_text(encoding="utf-8")
        for group, entries in declared.items():
            (value,) = entries.values()
            assert ours(group) is getattr(plugin, value.removeprefix("mteb_hybrid.plugin:"))
            assert f"| `{group}` | `{value.removeprefix('mteb_hybrid.plugin:')}` |" in page

    @pytest.mark.filterwarnings("ignore:The task .* is currently in beta:UserWarning")
    def test_tasks(self):
        """The classes that MTEB has registered, in the same order."""
        classes = ours("mteb.tasks")()
        assert [cls.metadata.name for cls in classes] == OURS
        assert list(classes) == [type(task) for task in mteb.get_tasks(tasks=OURS)]

    def test_models(self):
        """The metadata that MTEB has registered."""
        assert {meta.name: meta.to_dict() for meta in ours("mteb.models")()} == {
            name: meta.to_dict() for name, meta in MODEL_REGISTRY.items() if name.startswith("mteb-hybrid/")
        }

    def test_benchmarks(self):
        """The benchmarks that MTEB has registered, under the same names and aliases."""
        found = {one.name: one for one in ours("mteb.benchmarks")()}
        assert {name: [task.metadata.name for task in one.tasks] for name, one in found.items()} == BENCHMARKS
        for name, one in found.items():
            known = mteb.get_benchmark(name)
            assert [type(task) for task in known.tasks] == [type(task) for task in one.tasks]
            assert all(mteb.get_benchmark(alias).name == name for alias in one.aliases or ())

    def test_model_loader(self, tmp_path):
        """A sentence-transformers directory, at its revision; anything else is left to others."""
        load = ours("mteb.model_loaders")
        folder = sentence_transformer(tmp_path / "tiny")
        meta = load(str(folder), None)
        assert (meta.name, meta.revision) == ("local/tiny", directory_revision(folder))
        assert meta.to_dict() == mteb.get_model_meta(str(folder), fetch_from_hf=True).to_dict()
        assert load("nobody/nothing", None) is None

    def test_loading_them_loads_nothing_heavy(self, tmp_path):
        """Neither MTEB nor torch nor numpy is imported until one of the functions is called."""
        code = f"""
import json, sys
from importlib.metadata import entry_points
for group in {GROUPS}:
    for entry in entry_points(group=group):
        entry.load()
heavy = {{"mteb", "torch", "numpy", "transformers", "sentence_transformers", "datasets", "pydantic", "typer"}}
print(json.dumps(sorted(heavy & {{name.split(".")[0] for name in sys.modules}})))
"""
        assert python(tmp_path, code) == []


FACTS = """
import contextlib, io, json, sys
from pathlib import Path

at_start = sorted(name for name in sys.modules if name.split(".")[0] == "mteb")
import mteb
registries = sys.modules["mteb.get_tasks"]
listed = [cls for cls in registries.TASK_LIST if cls.__module__.startswith("mteb_hybrid.")]
meta = mteb.get_model_meta("tiny", fetch_from_hf=True)
tasks = [mteb.get_task(name, languages=["deu", "eng"]) for name in ("MiniQARMultilingual", "HandbookMultilingual")]
with contextlib.redirect_stderr(io.StringIO()):
    for folder in ("out", "out"):  # the second time from MTEB's cache
        done = mteb.evaluate(
            mteb.get_model("mteb-hybrid/char-ngram"), tasks, cache=mteb.ResultCache(folder),
            prediction_folder=Path(folder, "predictions"), co2_tracker=False,
        )
facts = {
    "tasks": [[c.metadata.name, c.__module__, registries._TASKS_REGISTRY[c.metadata.name] is c] for c in listed],
    "similar": registries._SIMILAR_TASKS["XQuADRetrieval"],
    "models": [m.to_dict() for m in mteb.get_model_metas() if m.name.startswith("mteb-hybrid/")],
    "directory": [meta.name, meta.revision],
    "benchmarks": [
        [one.name, one.aliases, [task.metadata.name for task in one.tasks]]
        for one in mteb.get_benchmarks() if "HybridRetrieval" in one.name
    ],
    "aliases": [mteb.get_benchmark(alias).name for alias in ("XQuAD-R", "MLQA-R")],
    "others": len(mteb.get_benchmarks()),
    "written": sorted(str(path) for path in Path("out", "predictions").rglob("*.*")),
    "scores": [{row["hf_subset"]: row["map"] for row in one.scores["test"]} for one in done.task_results],
}
print()
print(json.dumps([at_start, hasattr(mteb.evaluate, "_mteb_hybrid"), facts]))
"""


@pytest.mark.slow
class TestPatchedMteb:
    """The patch of docs/upstream.md, applied to the installed MTEB."""

    def test_the_patch_is_of_all_places(self):
        """A new module, and a change wherever our hook changes something."""
        assert set(patched_sources()) == {
            "mteb._plugins", "mteb.get_tasks", "mteb.evaluate", "mteb.models.get_model_meta",
            "mteb.models.model_implementations", "mteb.benchmarks.get_benchmark",
        }  # fmt: skip

    def test_no_hook_is_needed(self, tmp_path):
        """With the hook off, the patched MTEB has all that the stock one has with it; with both, everything once.

        Tasks, models, local directories, benchmarks and aliases, a user's card beside a broken one, rank tables and
        scores over several languages.
        """
        sources = write_sources(tmp_path / "sources.json")
        found = {}
        for name, code, switch in (
            ("hook", FACTS, "1"),
            ("patch", START + FACTS, "0"),
            ("both", START + FACTS, "1"),
        ):
            folder = tmp_path / name
            write_languages(folder / "cards" / "handbook")
            (folder / "cards" / "a.toml").write_text('name = "MiniQAR"\nfolder = "handbook"\n', encoding="utf-8")
            (folder / "cards" / "b.toml").write_text('name = "Handbook"\nfolder = "handbook"\n', encoding="utf-8")
            sentence_transformer(folder / "tiny")
            at_start, wrapped, facts = python(
                folder, code, str(sources),
                MTEB_HYBRID_AUTOLOAD=switch, MTEB_HYBRID_TASKS="cards", MTEB_HYBRID_CACHE=str(folder / "cache"),
            )  # fmt: skip
            assert at_start == []
            assert wrapped == (switch == "1")
            found[name] = facts
        hook, patch, both = found.values()
        names = [name for name, *_ in hook["tasks"]]
        assert names == [*OURS, "HandbookMonolingual", "HandbookCrossLingual", "HandbookMultilingual"]
        assert any(path.endswith("across.json") for path in hook["written"])
        assert patch == hook
        assert both == hook
