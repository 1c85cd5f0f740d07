"""The revision of a local model directory: the hash of what makes its embeddings."""

from __future__ import annotations

import shutil
from pathlib import Path

import mteb
import pytest
from edited_models import PROMPTS
from tiny_models import sentence_transformer

from mteb_hybrid.errors import ModelDirectoryError, MtebHybridError
from mteb_hybrid.models.directory import directory_meta, directory_revision


class TestRevision:
    """The hash of a directory."""

    def test_form(self, tiny: Path) -> None:
        """16 hex digits, the same each time."""
        found = directory_revision(tiny)
        assert len(found) == 16
        assert set(found) <= set("0123456789abcdef")
        assert directory_revision(tiny) == found

    def test_equal_for_a_copy(self, tiny: Path, tmp_path: Path) -> None:
        """A copy elsewhere, under another name, has the same revision, whatever its times are."""
        copy = tmp_path / "there" / "another"
        shutil.copytree(tiny, copy, copy_function=shutil.copyfile)
        assert directory_meta(str(copy)).name == "local/another"
        assert directory_meta(str(copy)).revision == directory_meta(str(tiny)).revision

    def test_differs_with_the_weights(self, tiny: Path, tmp_path: Path) -> None:
        """Two directories of one name with other weights have the same name and different revisions."""
        other = sentence_transformer(tmp_path / "elsewhere" / "tiny", seed=1, prompts=PROMPTS)
        one, two = directory_meta(str(tiny)), directory_meta(str(other))
        assert one.name == two.name == "local/tiny"
        assert one.revision != two.revision

    @pytest.mark.parametrize("file", ["model.safetensors", "tokenizer.json", "modules.json", "1_Pooling/config.json"])
    def test_differs_with_any_file_of_the_model(self, tiny: Path, file: str) -> None:
        """One changed byte in any file of the model changes the revision, and so does a file that is gone."""
        before = directory_revision(tiny)
        content = (tiny / file).read_bytes()
        (tiny / file).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        changed = directory_revision(tiny)
        (tiny / file).unlink()
        assert len({before, changed, directory_revision(tiny)}) == 3

    def test_differs_with_the_place_of_a_file(self, tiny: Path) -> None:
        """A renamed file of the same content changes the revision."""
        before = directory_revision(tiny)
        (tiny / "1_Pooling").rename(tiny / "2_Pooling")
        assert directory_revision(tiny) != before

    def test_differs_with_where_a_file_ends(self, tmp_path: Path) -> None:
        """Bytes that move from one file to the next change the revision."""
        for name, parts in (("one", (b"ab", b"c")), ("two", (b"a", b"bc"))):
            (tmp_path / name).mkdir()
            for file, part in zip("xy", parts, strict=True):
                (tmp_path / name / file).write_bytes(part)
        assert directory_revision(tmp_path / "one") != directory_revision(tmp_path / "two")

    @pytest.mark.parametrize(
        "file",
        [
            "README.md",
            "optimizer.pt",
            "scheduler.pt",
            "scaler.pt",
            "rng_state.pth",
            "rng_state_0.pth",
            "trainer_state.json",
            "training_args.bin",
            "checkpoint-500/model.safetensors",
            "runs/Nov21/events.out.tfevents",
            "eval/results.csv",
            ".gitattributes",
            ".cache/huggingface/lock",
        ],
    )
    def test_what_is_not_the_model_does_not_matter(self, tiny: Path, file: str) -> None:
        """What a trainer leaves and what a reader edits changes nothing, whether it is added or altered."""
        before = directory_revision(tiny)
        path = tiny / file
        path.parent.mkdir(parents=True, exist_ok=True)
        for content in ("one", "two"):
            path.write_text(content, encoding="utf-8")
            assert directory_revision(tiny) == before

    def test_a_checkpoint_is_a_model_as_well(self, tiny: Path) -> None:
        """A directory that itself is called checkpoint-500 below another is hashed by its own files."""
        inner = tiny / "checkpoint-500"
        shutil.copytree(tiny, inner)
        assert directory_revision(inner) == directory_revision(tiny)
        (inner / "model.safetensors").write_bytes(b"other")
        assert directory_revision(inner) != directory_revision(tiny)
        assert directory_meta(str(inner)).name == "local/checkpoint-500"

    def test_asked_for_revision(self, tiny: Path) -> None:
        """The right revision is accepted; a wrong one ends in a ModelDirectoryError that names both."""
        found = directory_revision(tiny)
        assert mteb.get_model_meta(str(tiny), revision=found, fetch_from_hf=True).revision == found
        with pytest.raises(ModelDirectoryError, match=rf"has revision {found}, not 0123456789abcdef") as caught:
            mteb.get_model(str(tiny), revision="0123456789abcdef")
        assert isinstance(caught.value, ValueError)
        assert isinstance(caught.value, MtebHybridError)
