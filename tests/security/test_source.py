"""What no module of the package does; a new place must be looked at, and listed here, first."""

from __future__ import annotations

import ast
from pathlib import Path

from hostile_code import calls, keyword, sources

# modules of mteb_hybrid.scaling: a driver and the workers that it has started exchange pickles through Ray
BETWEEN_PROCESSES = ("engine.py", "tables.py", "workers.py")


class TestSource:
    """What no module does; a new place must be looked at first."""

    def test_nothing_that_runs_what_it_reads(self):
        """No eval, exec or os.system, no subprocess, no YAML of any kind but the hub's own reader."""
        forbidden = {"eval", "exec", "compile", "os.system", "os.popen", "__import__", "runpy.run_path"}
        found = [(file, name) for file, name, _ in calls() if name in forbidden or name.startswith("subprocess.")]
        assert found == []

    def test_imports(self):
        """One module pickles, and those that talk to Ray's workers; none has another format that runs code."""
        names = {
            (Path(file).name, alias.name.partition(".")[0])
            for file, tree in sources().items()
            for node in ast.walk(tree)
            if isinstance(node, ast.Import | ast.ImportFrom)
            for alias in ([ast.alias(node.module or "")] if isinstance(node, ast.ImportFrom) else node.names)
        }
        hostile = {
            "pickle",
            "marshal",
            "shelve",
            "dill",
            "cloudpickle",
            "joblib",
            "yaml",
            "subprocess",
            "tarfile",
            "zipfile",
        }
        pickling = {("corpus.py", "pickle"), *((file, "pickle") for file in BETWEEN_PROCESSES)}
        assert {one for one in names if one[1] in hostile} == pickling

    def test_pickle_reads_what_was_made_in_the_same_line(self):
        """Of no file or argument; of messages only those between a driver and its workers."""
        reading = [
            (Path(file).name, name, call)
            for file, name, call in calls()
            if name in ("pickle.load", "pickle.loads", "pickle.Unpickler")
        ]
        assert {name for _, name, _ in reading} == {"pickle.loads"}
        (found,) = [call for file, _, call in reading if file not in BETWEEN_PROCESSES]
        assert ast.unparse(found) == "pickle.loads(pickle.dumps(table))"

    def test_numpy_and_torch(self):
        """Every array is read without pickles, and no module reads torch's files itself."""
        loads = [
            (file, keyword(call, "allow_pickle")) for file, name, call in calls() if name in ("np.load", "numpy.load")
        ]
        assert loads
        assert {value for _, value in loads} == {"False"}
        assert not [name for _, name, _ in calls() if name in ("torch.load", "torch.jit.load", "torch.hub.load")]

    def test_code_of_the_hub_is_never_trusted(self):
        """Nothing passes trust_remote_code but False."""
        passed = [(file, keyword(call, "trust_remote_code")) for file, _, call in calls()]
        assert {value for _, value in passed if value is not None} == {"False"}
        defaults = [
            ast.unparse(node) for tree in sources().values() for node in ast.walk(tree)
            if isinstance(node, ast.arg) and node.arg == "trust_remote_code"
        ]  # fmt: skip
        assert defaults == []
