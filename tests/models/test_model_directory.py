"""Local sentence-transformers directories as models of MTEB."""

from __future__ import annotations

import json
from pathlib import Path

import mteb
import numpy as np
import pytest
from edited_models import PROMPTS, edit_config
from mteb.cache import ResultCache
from mteb.types import PromptType
from tiny_models import base_model, sentence_transformer

from mteb_hybrid.models.directory import directory_meta, directory_revision
from mteb_hybrid.tasks.loader import text_loader

TEXTS = ["where is the river", "a river is in the east", "bread and butter"]


class TestLoading:
    """mteb.get_model on a directory."""

    def test_loads_and_embeds(self, tiny: Path) -> None:
        """mteb.get_model(directory) embeds like the model itself, with the directory's prompts."""
        from sentence_transformers import SentenceTransformer

        model = mteb.get_model(str(tiny), device="cpu")
        metadata = mteb.get_task("MiniQARMonolingual").metadata
        itself = SentenceTransformer(str(tiny), device="cpu")
        for role, prompt in ((PromptType.query, PROMPTS["query"]), (PromptType.document, PROMPTS["document"])):
            loader = text_loader(TEXTS, role, 2)
            found = model.encode(loader, task_metadata=metadata, hf_split="test", hf_subset="en", prompt_type=role)
            wanted = itself.encode([prompt + text for text in TEXTS])
            np.testing.assert_allclose(np.asarray(found), wanted, atol=1e-5)
            assert not np.allclose(wanted, itself.encode(TEXTS), atol=1e-3)

    @pytest.mark.parametrize(
        ("card", "languages"),
        [
            ("---\nlanguage:\n- de\n- zh\n- tlh\n---\n# A model\n", ["deu-Latn", "zho-Hans"]),
            ("---\nlanguage: en\n---\n", ["eng-Latn"]),
            ("---\nlanguage: [tlh]\n---\n", None),
            ("# A card without anything\n", None),
            ("---\nlanguage: [de\n---\n", None),
        ],
    )
    def test_languages_of_the_card(self, tiny: Path, card: str, languages: list[str] | None) -> None:
        """Those that MTEB's results will name; a card that is broken names none, and the model still loads."""
        revision = directory_revision(tiny)
        (tiny / "README.md").write_text(card, encoding="utf-8")
        meta = mteb.get_model_meta(str(tiny), fetch_from_hf=True)
        assert meta.languages == languages
        assert meta.revision == revision  # a card is not the model

    def test_metadata(self, tiny: Path) -> None:
        """Named after the directory, with the hash as revision, kind and similarity from the configuration."""
        meta = mteb.get_model_meta(str(tiny), fetch_from_hf=True)
        assert (meta.name, meta.revision) == ("local/tiny", directory_revision(tiny))
        assert meta.model_type == ["dense"]
        assert str(meta.similarity_fn_name.value) == "cosine"
        assert meta.use_instructions is True
        json.dumps(meta.to_dict())  # what MTEB writes beside the results
        loaded = mteb.get_model(str(tiny), device="cpu").mteb_model_meta
        assert (loaded.name, loaded.revision) == (meta.name, meta.revision)

    @pytest.mark.parametrize("spelling", ["relative", "dot", "slash", "home"])
    def test_ways_to_write_a_path(self, tiny: Path, monkeypatch: pytest.MonkeyPatch, spelling: str) -> None:
        """However the path is written, name and revision are those of the directory."""
        monkeypatch.setenv("HOME", str(tiny.parent))
        monkeypatch.setenv("USERPROFILE", str(tiny.parent))
        monkeypatch.chdir(tiny if spelling == "dot" else tiny.parent)
        written = {"relative": "./tiny", "dot": ".", "slash": f"{tiny}/", "home": "~/tiny"}[spelling]
        meta = mteb.get_model_meta(written, fetch_from_hf=True)
        assert (meta.name, meta.revision) == ("local/tiny", directory_revision(tiny))

    def test_loads_after_a_change_of_directory(self, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Metadata from a relative path loads the same files when the process has moved on."""
        monkeypatch.chdir(tiny.parent)
        meta = mteb.get_model_meta("tiny", fetch_from_hf=True)
        monkeypatch.chdir(tiny.parent.parent)
        assert meta.load_model(device="cpu").mteb_model_meta.name == "local/tiny"

    def test_similarity_of_the_configuration(self, tiny: Path) -> None:
        """A model that is compared by dot product says so."""
        edit_config(tiny, similarity_fn_name="dot")
        assert str(directory_meta(str(tiny)).similarity_fn_name.value) == "dot"

    def test_no_prompts_no_instructions(self, tmp_path: Path) -> None:
        """A model saved without prompts (written as empty ones) does not claim to use instructions."""
        meta = directory_meta(str(sentence_transformer(tmp_path / "plain")))
        assert meta.use_instructions is False

    @pytest.mark.parametrize(
        ("kind", "saved_by", "config", "model_type"),
        [
            ("BertForSequenceClassification", "CrossEncoder", {"num_labels": 1}, "cross-encoder"),
            ("BertForMaskedLM", "SparseEncoder", {}, "sparse"),
        ],
    )
    def test_other_kinds(self, tmp_path: Path, kind: str, saved_by: str, config: dict[str, int], model_type: str):
        """Cross-encoders and sparse encoders are loaded as what they are."""
        import sentence_transformers

        if not hasattr(mteb.models, f"{saved_by}Wrapper"):
            pytest.skip(f"this version of MTEB has no wrapper for a {saved_by}")
        base = base_model(tmp_path / "base", kind, **config)
        folder = tmp_path / "saved"
        getattr(sentence_transformers, saved_by)(str(base), device="cpu").save_pretrained(str(folder))
        if not (folder / "config_sentence_transformers.json").is_file():
            pytest.skip(f"this version of sentence-transformers writes no configuration of a {saved_by}")
        model = mteb.get_model(str(folder), device="cpu")
        assert model.mteb_model_meta.model_type == [model_type]
        assert model.mteb_model_meta.similarity_fn_name is None
        assert type(model).__name__ == f"{saved_by}Wrapper"

    def test_late_interaction_of_pylate(self, tiny: Path) -> None:
        """PyLate writes "ColBERT", which MTEB loads as late interaction wherever it loads "MultiVectorEncoder"."""
        if not hasattr(mteb.models, "MultiVectorWrapper"):
            pytest.skip("this version of MTEB has no late-interaction wrapper")
        edit_config(tiny, model_type="MultiVectorEncoder")
        assert directory_meta(str(tiny)).model_type == ["late-interaction"]
        edit_config(tiny, model_type="ColBERT")
        assert directory_meta(str(tiny)).model_type == ["late-interaction"]

    def test_results_of_two_models_of_one_name(self, tiny: Path, tmp_path: Path) -> None:
        """mteb.evaluate files results under name and revision, so other weights under the same name run anew."""
        other = sentence_transformer(tmp_path / "elsewhere" / "tiny", seed=1, prompts=PROMPTS)
        cache = ResultCache(tmp_path / "cache")
        folders = []
        for folder in (tiny, other, tiny):
            task = mteb.get_task("MiniQARMonolingual", languages=["eng"])
            model = mteb.get_model(str(folder), device="cpu")
            mteb.evaluate(model, task, cache=cache, show_progress_bar=False)
            folders.append(directory_revision(folder))
        written = sorted(cache.cache_path.rglob("MiniQARMonolingual.json"))
        assert [path.parent.name for path in written] == sorted(set(folders))
        assert {path.parent.parent.name for path in written} == {"local__tiny"}
        scores = [json.loads(path.read_text(encoding="utf-8"))["scores"]["test"][0]["map"] for path in written]
        assert scores[0] != scores[1]
        meta = json.loads((written[0].parent / "model_meta.json").read_text(encoding="utf-8"))
        assert (meta["name"], meta["revision"]) == ("local/tiny", written[0].parent.name)
