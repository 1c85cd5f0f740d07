"""What an encoder returns may be of any type of numbers: real tasks rank it as they rank the same numbers in float32.

And nothing else changes a result: not the number of threads, not the size of the kernel's blocks, and not the order in
which a collection's languages come.
"""

from __future__ import annotations

import functools

import mteb
import numpy as np
import pyarrow as pa
import pytest
import torch
from beir_folders import write_folder
from encoders import PlainEncoder, hashed_vector

from mteb_hybrid.errors import EmbeddingError
from mteb_hybrid.rank_table import RankTable
from mteb_hybrid.ranking import RankCounter
from mteb_hybrid.tasks import dense, from_beir

TASKS = ["MiniQARMonolingual", "MiniQARMultilingual"]
TYPES = {
    "float64": lambda rows: rows,
    "float16": lambda rows: rows.astype(np.float16),
    "int8": lambda rows: np.clip(rows * 40, -127, 127).astype(np.int8) | 1,  # no zero rows
    "longdouble": lambda rows: rows.astype(np.longdouble),
    "big-endian": lambda rows: rows.astype(">f4"),
    "list": lambda rows: rows.tolist(),
    "torch float64": torch.from_numpy,
    "torch float16": lambda rows: torch.from_numpy(rows).half(),
    "torch bfloat16": lambda rows: torch.from_numpy(rows).bfloat16(),
    "torch bfloat16 with gradients": lambda rows: torch.from_numpy(rows).bfloat16().requires_grad_(),
    "torch int8": lambda rows: (torch.from_numpy(rows) * 40).clamp(-127, 127).to(torch.int8) | 1,
}


class TypedEncoder(PlainEncoder):
    """Vectors of a dozen numbers with many ties, in float64, handed out in another type.

    Args:
        handed: Makes of the float64 numbers what `encode` returns.
    """

    def __init__(self, handed) -> None:
        super().__init__()
        self.handed = handed

    def encode(self, inputs, **kwargs):
        texts = [text for batch in inputs for text in batch["text"]]
        # one decimal: hashes of 1,600 texts fall on the same few vectors, which float32 does not hold exactly
        rows = np.array([np.round(hashed_vector(text, 3).astype(np.float64), 1) + 0.01 for text in texts])
        return self.handed(rows)


def as_float32(handed):
    """The same numbers after a detour through the type, as float32."""

    def through(rows):
        found = handed(rows)
        if isinstance(found, torch.Tensor):
            return found.detach().to(torch.float32).numpy()
        return np.asarray(found, dtype=np.float32)

    return through


def tables(model, folder, tasks=None, languages=("deu", "eng")) -> dict[str, pa.Table]:
    """Subset to rank table of a real run."""
    tasks = tasks or mteb.get_tasks(tasks=TASKS, languages=list(languages))
    mteb.evaluate(model, tasks, cache=None, prediction_folder=folder, show_progress_bar=False, co2_tracker=False)
    return {f"{path.parent.name} {path.stem}": RankTable.read(path).rows for path in sorted(folder.rglob("*.parquet"))}


@pytest.mark.parametrize("handed", TYPES.values(), ids=TYPES)
def test_ranked_as_in_float32(handed, tmp_path):
    """Ranks, lists and their scores are to the last bit those of an encoder that returns the numbers as float32."""
    found = tables(TypedEncoder(handed), tmp_path / "typed")
    expected = tables(TypedEncoder(as_float32(handed)), tmp_path / "float32")
    assert len(found) == 4
    assert found.keys() == expected.keys()
    for name, table in found.items():
        assert table.equals(expected[name]), name


def test_the_types_are_not_one(tmp_path):
    """Coarse numbers rank otherwise than fine ones, so that the test above compares something."""
    fine, coarse = (
        tables(TypedEncoder(TYPES[name]), tmp_path / name.replace(" ", "-")) for name in ("float64", "torch bfloat16")
    )
    assert any(not table.equals(coarse[name]) for name, table in fine.items())


@pytest.mark.parametrize(
    ("handed", "said"),
    [
        pytest.param(lambda rows: (rows * 1e6).astype(np.float16), "infinite embedding", id="beyond float16"),
        pytest.param(lambda rows: rows * 1e200, "infinite embedding", id="beyond float32"),
        pytest.param(
            lambda rows: torch.from_numpy(rows * 1e300).bfloat16(), "infinite embedding", id="beyond bfloat16"
        ),
        pytest.param(lambda rows: rows * 1e-200, "zero embedding", id="below float32"),
        pytest.param(lambda rows: rows.astype(complex), "complex128 is no type of real numbers", id="complex"),
        pytest.param(
            lambda rows: torch.from_numpy(rows).to(torch.complex64), "complex64 is no type", id="torch complex"
        ),
        pytest.param(
            lambda rows: rows.astype(str),
            "one vector of numbers per text, and did not .*is no type",
            id="numbers in words",
        ),
    ],
)
@pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning")
def test_what_float32_cannot_hold_is_an_error(handed, said):
    """The message names the model, the task and the subset; nothing is scored."""
    with pytest.raises(EmbeddingError, match=said) as caught:
        mteb.evaluate(
            TypedEncoder(handed), mteb.get_task(TASKS[0], languages=["deu"]), cache=None, show_progress_bar=False,
            co2_tracker=False,
        )  # fmt: skip
    assert "test/plain on MiniQARMonolingual de" in str(caught.value)


def test_threads_and_blocks_change_nothing(tmp_path, monkeypatch):
    """One thread or three, blocks of 50 scores or of all: the tables are equal to the last bit."""
    threads, found = torch.get_num_threads(), []
    try:
        for number, elements in ((1, 1 << 18), (3, 1 << 18), (3, 50)):
            torch.set_num_threads(number)
            monkeypatch.setattr(dense, "RankCounter", functools.partial(RankCounter, block_elements=elements))
            found.append(tables(TypedEncoder(TYPES["float64"]), tmp_path / f"{number}-{elements}"))
    finally:
        torch.set_num_threads(threads)
    assert found[0].keys() == found[1].keys() == found[2].keys()
    for name, table in found[0].items():
        assert table.equals(found[1][name]), name
        assert table.equals(found[2][name]), name


def test_the_order_of_languages_changes_nothing(tmp_path):
    """A collection whose languages are named in another order has the same ranks, lists and scores.

    The tables' pools are in another order, their rows are not.
    """
    words = ["tea", "snow", "cats", "rain", "bread", "night"]
    for language in ("en", "de", "fr"):
        documents = [{"_id": f"{language}{n}", "text": f"{language} {words[n % 6]} {n}"} for n in range(30)]
        queries = [{"_id": f"q{n}", "text": f"{language}? {words[n]}"} for n in range(6)]
        judged = [(f"q{n}", f"{language}{n + 6 * m}", 1 + m) for n in range(6) for m in range(2)]
        write_folder(tmp_path / "data" / language, documents, queries, judged)
    runs = {}
    for order in (("en", "de", "fr"), ("fr", "en", "de")):
        classes = from_beir("Ordered", {language: tmp_path / "data" / language for language in order}, register=False)
        tasks = [cls() for cls in classes]
        folder = tmp_path / "-".join(order)
        done = mteb.evaluate(
            TypedEncoder(TYPES["float64"]), tasks, cache=None, prediction_folder=folder, show_progress_bar=False,
            co2_tracker=False,
        )  # fmt: skip
        scores = {
            (result.task_name, row["hf_subset"]): {
                name: value for name, value in row.items() if name != "evaluation_time"
            }
            for result in done.task_results
            for row in result.scores["test"]
        }
        runs[order] = scores, {f"{p.parent.name} {p.stem}": RankTable.read(p).rows for p in folder.rglob("*.parquet")}
    (scores, rows), (other_scores, other_rows) = runs.values()
    assert len(scores) == 3 + 6 + 3
    assert scores == other_scores
    assert rows.keys() == other_rows.keys()
    for name, table in rows.items():
        assert table.equals(other_rows[name]), name
