"""MTEB as if in a Python that has just started.

Each scenario needs an MTEB that has not been imported yet, which costs seconds. So one helper process imports MTEB and
all that it needs, and forks a child for each scenario; the child forgets MTEB (but for the classes of its tasks) and
this package, does what mteb_hybrid.pth does at a start of Python, and runs the scenario.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest
from task_names import OURS

SERVER = '''
import json, os, sys, traceback, warnings

channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
os.dup2(2, 1)  # whatever MTEB prints is no answer
import mteb, mteb.benchmarks.benchmarks, mteb.models.model_implementations

HELPERS = """
import sys, types
OURS = %r

def state():
    import mteb
    registries = sys.modules["mteb.get_tasks"]
    from mteb.models.model_implementations import MODEL_REGISTRY
    return {
        "tasks": [name for name in registries._TASKS_REGISTRY if name in OURS],
        "list": [cls.metadata.name for cls in registries.TASK_LIST if cls.metadata.name in OURS],
        "similar": registries._SIMILAR_TASKS.get("XQuADRetrieval", []),
        "model": "mteb-hybrid/char-ngram" in MODEL_REGISTRY,
        "benchmark": [b.name for b in mteb.get_benchmarks()].count("HybridRetrieval(XQuAD-R)"),
        "from_hub": hasattr(mteb.models.ModelMeta.from_hub.__func__, "_mteb_hybrid"),
        "evaluate": hasattr(sys.modules["mteb.evaluate"].evaluate, "_mteb_hybrid"),
        "same evaluate": mteb.evaluate is sys.modules["mteb.evaluate"].evaluate,
        "finders": [type(f).__name__ for f in sys.meta_path].count("RegistryFinder"),
    }

def works():
    import mteb
    assert mteb.get_task("NFCorpus").metadata.type == "Retrieval"
    assert "NFCorpus" in [t.metadata.name for t in mteb.get_tasks(task_types=["Retrieval"], languages=["eng"])]
    assert len(mteb.get_benchmark("MTEB(eng, v2)").tasks) == 41
    assert mteb.get_model_meta("intfloat/multilingual-e5-small").embed_dim == 384
    return True

def missing_in_mteb(module, owner, attribute):
    # MTEB as if a later version had renamed the attribute: it is not there while the plugin looks for it
    from mteb_hybrid import plugin
    original = plugin.module_loaded
    def module_loaded(name):
        if name != module:
            return original(name)
        holder = sys.modules[module]
        for step in owner:
            holder = getattr(holder, step)
        kept = holder.__dict__[attribute]
        delattr(holder, attribute)
        try:
            original(name)
        finally:
            setattr(holder, attribute, kept)
    plugin.module_loaded = module_loaded
""" % (json.loads(sys.argv[1]),)

# two thirds of the time that an import of MTEB takes, and nothing that the plugin looks at
KEPT = ("mteb.tasks", "mteb.abstasks", "mteb.types", "mteb._")

def child(request):
    for name in [n for n in sys.modules if n.split(".")[0] in {"mteb", "mteb_hybrid"} and not n.startswith(KEPT)]:
        del sys.modules[name]
    os.environ["MTEB_HYBRID_AUTOLOAD"] = request["autoload"]
    scope = {"result": None}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            import mteb_hybrid._autoload
            mteb_hybrid._autoload.install()
            exec(HELPERS, scope)
            exec(request["code"], scope)
            answer = {"result": scope["result"], "error": None}
        except BaseException:
            answer = {"result": None, "error": traceback.format_exc()}
    answer["warnings"] = [[w.category.__name__, str(w.message)] for w in caught if "mteb-hybrid" in str(w.message)]
    return answer

print("ready", file=channel, flush=True)
for line in sys.stdin:
    pid = os.fork()
    if pid == 0:
        print(json.dumps(child(json.loads(line))), file=channel, flush=True)
        os._exit(0)
    os.waitpid(pid, 0)
'''


class FreshMteb:
    """Runs scenarios, each as if in a Python that has just started."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def ask(self, code: str, *, autoload: bool) -> dict[str, Any]:
        """The answer of a scenario: ``result`` as it set it, its ``error`` and our ``warnings``."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps({"code": code, "autoload": "1" if autoload else "0"}) + "\n")
        self.process.stdin.flush()
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answer

    def run(self, code: str, *, autoload: bool = True) -> tuple[Any, list[list[str]]]:
        """Result and warnings of a scenario that must not raise."""
        answer = self.ask(code, autoload=autoload)
        assert answer["error"] is None, answer["error"]
        return answer["result"], answer["warnings"]


def environment(**more: str) -> dict[str, str]:
    """The tests' environment without our settings, and offline."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MTEB_HYBRID", "PYTHON"))}
    return kept | {"HF_HUB_OFFLINE": "1", "PYTHONIOENCODING": "utf-8", **more}


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory):
    if not hasattr(os, "fork"):
        pytest.skip("needs os.fork")
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", SERVER, json.dumps(OURS)],
        cwd=tmp_path_factory.mktemp("elsewhere"),
        env=environment(MTEB_HYBRID_AUTOLOAD="0"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield FreshMteb(process)
        assert process.stdin is not None
        process.stdin.close()
