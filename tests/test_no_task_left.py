"""Languages that no task has."""

from __future__ import annotations

from typing import Any

import mteb
import pytest

from mteb_hybrid import plugin
from mteb_hybrid.errors import OptionError


@pytest.mark.filterwarnings("ignore:Skipping task:UserWarning")
def test_a_code_of_two_letters():
    """MTEB's filter leaves nothing, and its evaluate an UnboundLocalError; ours says how languages are named."""
    tasks = mteb.get_tasks(tasks=["MiniQARMonolingual"], languages=["de"])
    assert len(tasks) == 0
    with pytest.raises(OptionError, match=r"no task to evaluate.*three letters, such as -l deu eng"):
        mteb.evaluate(mteb.get_model("mteb-hybrid/char-ngram"), tasks, cache=None)


def test_other_errors_stay():
    """The same error with a task to evaluate has another reason."""

    def evaluate(model: Any, tasks: Any, cache: Any) -> None:
        raise UnboundLocalError("of somebody else")

    model, task = mteb.get_model("mteb-hybrid/char-ngram"), mteb.get_task("MiniQARMonolingual")
    for tasks in (task, [task]):
        with pytest.raises(UnboundLocalError, match="of somebody else"):
            plugin.run(evaluate, model, tasks, cache=None)
