"""Torture of `mteb-hybrid translate`, with a model of 30,000 weights."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from subject import State, Subject, mark, whole

LANGUAGES, TOPICS, PART = ("sw", "yo", "fi"), 600, 256


class Translation(Subject):
    """Three subsets in three parts each, there and back."""

    name = "translate"

    def prepare(self) -> None:
        """A model and topics."""
        from tiny_translators import m2m100_directory

        made = m2m100_directory()
        shutil.move(made, self.shared / "model")
        made.parent.rmdir()
        (self.shared / "topics").mkdir()
        for language in LANGUAGES:
            lines = [f"{number}\tbandari {'kubwa ' * (number % 3)}kenya {number}?\n" for number in range(TOPICS)]
            (self.shared / "topics" / f"topics.{language}.tsv").write_text("".join(lines), encoding="utf-8")

    def command(self, folder: Path) -> list[str]:
        """Greedily, four tokens each."""
        return self._translate(*LANGUAGES)

    def halves(self, folder: Path) -> tuple[list[str], list[str]]:
        """Different languages."""
        return self._translate(*LANGUAGES[:1]), self._translate(*LANGUAGES[1:])

    def _translate(self, *languages: str) -> list[str]:
        return ["mteb-hybrid", "translate", "--model", str(self.shared / "model"), "--device", "cpu",
                "--num-beams", "1", "--max-new-tokens", "4", "--batch-size", "128", "--output", "made",
                "--topics", str(self.shared / "topics"), "--corpus-languages", ",".join(languages)]  # fmt: skip

    def state(self, folder: Path) -> State:
        """Subsets that the manifest lists are finished; parts are kept until their subset is."""
        from mteb_hybrid.translation import TranslationFolder
        from mteb_hybrid.translation.topics import read_topics

        made = folder / "made"
        writing, finished = whole(made), {}
        if (made / "translations.json").exists():
            opened = TranslationFolder.open(made)
            for subset in opened.subsets():
                opened.read(subset, read_topics(self.shared / "topics", subset.removeprefix("en-")))
                finished[subset] = mark(made / f"{subset}.jsonl")
        parts = {path.name: mark(path) for path in made.glob(".parts/*/en-*.jsonl") if path.name[:5] not in finished}
        a_subset = 2 * -(-TOPICS // PART)
        return State((len(finished) + len(parts) / a_subset) / len(LANGUAGES), finished, parts, writing=writing)

    def outcome(self, folder: Path) -> dict[str, Any]:
        """Every byte, and nothing else."""
        found = {str(path.relative_to(folder)): path for path in (folder / "made").rglob("*") if path.is_file()}
        # the order of subsets in the manifest is that in which they were done
        return {
            name: json.loads(path.read_bytes()) if path.suffix == ".json" else path.read_bytes()
            for name, path in found.items()
            if path.suffix != ".tmp"
        }
