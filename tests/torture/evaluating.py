"""Torture of evaluations: `mteb run` on a pool in memory, and `mteb-hybrid run` on a streamed corpus."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from subject import Cut, State, Subject, mark, whole

MODEL = "mteb-hybrid/char-ngram"
FOREIGN = ("model_meta.json", "run_settings.jsonl", "hf")  # MTEB's own notes, and the hub's caches


class Evaluation(Subject):
    """What both have in common: MTEB's results, and our rank tables beside them."""

    split = ""
    subsets = 0

    def rows(self, folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
        """Task and row of every stored subset."""
        for path in sorted(folder.glob("out/results/*/*/*.json")):
            if path.name != "model_meta.json":
                for row in json.loads(path.read_text(encoding="utf-8"))["scores"][self.split]:
                    yield path.stem, row

    def stored(self, folder: Path) -> dict[str, Any]:
        """A mark of every stored subset: its rank table is written before, and again only if it is evaluated again."""
        found = {}
        for task, row in self.rows(folder):
            (table,) = folder.glob(f"out/predictions/*/*/{task}/{self.split}.{row['hf_subset']}.parquet")
            found[f"{task} {row['hf_subset']}"] = mark(table)
        return found

    def state(self, folder: Path) -> State:
        """Subsets are finished when MTEB has stored them."""
        writing = whole(folder, foreign=FOREIGN)
        stored = self.stored(folder)
        return State(len(stored) / self.subsets, stored, writing=writing)

    def outcome(self, folder: Path) -> dict[str, Any]:
        """All scores of all subsets; and MTEB's note of the model can be read."""
        (note,) = folder.glob("out/results/*/*/model_meta.json")
        scores = {"model": json.loads(note.read_text(encoding="utf-8"))["name"]}
        for task, row in self.rows(folder):
            scores |= {f"{task} {row['hf_subset']} {name}": value for name, value in row.items()}
        return {name: value for name, value in scores.items() if value == value}  # not those that are undefined

    def cut(self, folder: Path, rng: random.Random) -> Cut | None:
        """A result as MTEB leaves it that writes without this package, and is killed."""
        found = [path for path in folder.glob("out/results/*/*/*.json") if path.name != "model_meta.json"]
        if not found:
            return None
        path = rng.choice(sorted(found))
        content = path.read_bytes()
        left = content[: rng.randrange(len(content) - 1)]
        path.write_bytes(left)
        return Cut(path.stem, left)

    def mended(self, folder: Path, cut: Cut) -> None:
        """It lies beside the new one."""
        aside = [path.read_bytes() for path in folder.glob("out/results/*/*/*.json.broken")]
        assert cut.left in aside, "a result that was cut off was not set aside"


class Run(Evaluation):
    """`mteb run` of two tasks on the embedded collection."""

    name, split = "run", "test"
    subsets = 38 + 4
    shows_tracebacks = True

    def command(self, folder: Path) -> list[str]:
        """38 pairs of languages and four pools."""
        return self._run("MiniQARCrossLingual", "MiniQARMonolingual", "MiniQARMultilingual")

    def halves(self, folder: Path) -> tuple[list[str], list[str]]:
        """Different tasks."""
        return self._run("MiniQARCrossLingual"), self._run("MiniQARMonolingual", "MiniQARMultilingual")

    @staticmethod
    def _run(*tasks: str) -> list[str]:
        return ["mteb", "run", "-t", *tasks, "-l", "deu", "eng", "-m", MODEL, "--output-folder", "out",
                "--prediction-folder", "out/predictions"]  # fmt: skip


class Streamed(Evaluation):
    """`mteb-hybrid run` of MIRACL's tasks on a stand-in: corpora in chunks, which a killed run goes on from."""

    name, split = "streamed", "dev"
    subsets = 2
    passages = 2000

    def prepare(self) -> None:
        """Two languages."""
        from miracl_standin import Sources, write_standin

        write_standin(
            self.shared / "MIRACLRetrieval", ["sw", "te"], queries=20, distractors=self.passages,
            sources=Sources.made_up(),
        )  # fmt: skip

    def command(self, folder: Path) -> list[str]:
        """One corpus after the other."""
        return self._run("swa", "tel")

    def halves(self, folder: Path) -> tuple[list[str], list[str]]:
        """Different subsets of one task, which MTEB keeps in one file."""
        return self._run("swa"), self._run("tel")

    @staticmethod
    def _run(*languages: str) -> list[str]:
        return ["mteb-hybrid", "run", "-t", "MIRACLMonolingual", "-l", *languages, "-m", MODEL,
                "--output-folder", "out", "--prediction-folder", "out/predictions"]  # fmt: skip

    def environment(self, folder: Path) -> dict[str, str]:
        """Many chunks, whose embeddings are kept as well."""
        return super().environment(folder) | {
            "MTEB_HYBRID_DATA": str(self.shared), "MTEB_HYBRID_CHUNK": "100", "MTEB_HYBRID_KEEP_EMBEDDINGS": "1",
        }  # fmt: skip

    def state(self, folder: Path) -> State:
        """What is counted of a corpus is not counted again; neither is a chunk encoded twice."""
        state = super().state(folder)
        counted, done = {}, float(len(state.finished))
        stored = {name.partition(" ")[2] for name in state.finished}
        for path in folder.glob("cache/passes/*/*-*.npz"):
            with np.load(path, allow_pickle=False) as content:
                rows = int(np.diff(content["rows"], axis=1).sum())
            counted[path.name] = rows
            if path.name.partition("-")[0] not in stored:  # counts lie there until all subsets of the task are stored
                done += min(0.95, rows / self.passages)
        kept = {str(path.relative_to(folder)): mark(path) for path in folder.glob("cache/embeddings/**/*.npy")}
        return State(done / self.subsets, state.finished, kept, counted, state.writing)
