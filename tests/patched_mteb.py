"""MTEB as the patch in docs/upstream.md would make it; nothing of the installed MTEB is written to."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "upstream.md"

# what comes before the code of a process that has the patched MTEB; its first argument is a file of `write_sources`
START = """
import importlib.machinery, importlib.util, json, sys
from pathlib import Path

SOURCES = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))


class Patched(importlib.machinery.SourceFileLoader):
    def get_code(self, name):
        return compile(SOURCES[name], self.path, "exec", dont_inherit=True)


class PatchedFinder:
    def find_spec(self, name, path=None, target=None):
        if name not in SOURCES:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        if spec is None:  # a module that the patch adds
            spec = importlib.util.spec_from_file_location(name, Path(path[0], name.rpartition(".")[2] + ".py"))
        spec.loader = Patched(name, spec.origin)
        return spec


# behind our own start-up hook, if that is there: it watches what other finders find
hooked = [type(finder).__name__ for finder in sys.meta_path].count("RegistryFinder")
sys.meta_path.insert(hooked, PatchedFinder())
"""


def module_name(file: str) -> str:
    """``mteb/models/get_model_meta.py`` to ``mteb.models.get_model_meta``."""
    return file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def patched_sources() -> dict[str, str]:
    """Source of every module that the page's new file and its diffs make, by the module's name."""
    page = PAGE.read_text(encoding="utf-8")
    new = re.findall(r'^```python title="([^"]+)"\n(.*?)^```', page, re.MULTILINE | re.DOTALL)
    diffs = re.findall(r"^```diff\n--- a/([^\n]+)\n\+{3} [^\n]+\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    sources = dict(new) | {file: patched(file, hunks) for file, hunks in diffs}
    return {module_name(file): source for file, source in sources.items()}


def patched(file: str, hunks: str) -> str:
    """The installed file with the hunks of a unified diff applied, each of which must fit once."""
    package = importlib.util.find_spec("mteb")
    assert package is not None
    assert package.origin is not None
    source = Path(package.origin).parent.parent.joinpath(file).read_text(encoding="utf-8")
    for hunk in re.split(r"^@@.*@@\n", hunks, flags=re.MULTILINE)[1:]:
        lines = [line or " " for line in hunk.splitlines()]
        old, new = ("".join(f"\n{line[1:]}" for line in lines if line[0] in kept) + "\n" for kept in (" -", " +"))
        assert source.count(old) == 1, f"{file} of the installed mteb does not fit docs/upstream.md any more:\n{hunk}"
        source = source.replace(old, new)
    return source


def write_sources(path: Path) -> Path:
    """The file that a process with `START` reads."""
    path.write_text(json.dumps(patched_sources()), encoding="utf-8")
    return path
