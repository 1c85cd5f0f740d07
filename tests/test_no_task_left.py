"""Languages that no task has, and names that no task or benchmark has."""

from __future__ import annotations

from typing import Any

import mteb
import pytest

from mteb_hybrid import _mteb, plugin
from mteb_hybrid.errors import OptionError


@pytest.mark.filterwarnings("ignore:Skipping task:UserWarning")
@pytest.mark.parametrize("languages", [["de"], ["eng", "de"], ["fra"]])
def test_a_code_that_nothing_has(languages):
    """MTEB's filter leaves nothing, and its evaluate an UnboundLocalError; ours says how languages are named."""
    tasks = mteb.get_tasks(tasks=["MiniQARMonolingual"], languages=languages)
    assert len(tasks) == 0
    with pytest.raises(OptionError, match=r"no task to evaluate.*three letters, -l deu eng and not -l de en"):
        mteb.evaluate(mteb.get_model("mteb-hybrid/char-ngram"), tasks, cache=None)


def test_other_errors_stay():
    """The same error with a task to evaluate has another reason."""

    def evaluate(model: Any, tasks: Any, cache: Any) -> None:
        raise UnboundLocalError("of somebody else")

    model, task = mteb.get_model("mteb-hybrid/char-ngram"), mteb.get_task("MiniQARMonolingual")
    for tasks in (task, [task]):
        with pytest.raises(UnboundLocalError, match="of somebody else"):
            plugin.run(evaluate, model, tasks, cache=None)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["-t", "MiniQARMonolingal"],
            r"^'MiniQARMonolingal' not found\. Did you mean: .MiniQARMonolingual.. Take a",
        ),
        (["-b", "HybridRetrieval(XQuADR)"], r"^'HybridRetrieval\(XQuADR\)' not found"),
    ],
)
def test_a_name_that_nothing_has(arguments, message, tmp_path):
    """`mteb-hybrid run` says MTEB's sentence in a line of its own, not below a traceback."""
    with pytest.raises(OptionError, match=message):
        _mteb.run_command(["run", "-m", "mteb-hybrid/char-ngram", *arguments, "--output-folder", str(tmp_path)])


def test_another_key_error_stays(monkeypatch):
    """One that is raised anywhere else says nothing of names."""

    def fail(*_args: Any, **_options: Any) -> None:
        raise KeyError("of somebody else")

    monkeypatch.setattr(mteb, "get_model", fail)
    with pytest.raises(KeyError, match="of somebody else"):
        _mteb.run_command(["run", "-m", "any", "-t", "MiniQARMonolingual"])
