"""Local sentence-transformers directories as models of MTEB."""

from __future__ import annotations

import json
import logging
import shutil
import sys
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any

import mteb
import numpy as np
import pytest
from mteb.cache import ResultCache
from mteb.types import PromptType
from tiny_models import base_model, sentence_transformer

from mteb_hybrid import _mteb
from mteb_hybrid.errors import ModelDirectoryError, MtebHybridError
from mteb_hybrid.models.directory import directory_meta, directory_revision

TEXTS = ["where is the river", "a river is in the east", "bread and butter"]
PROMPTS = {"query": "question ", "document": "passage "}


def edit_config(folder: Path, **changes: Any) -> None:
    """Change entries of a directory's config_sentence_transformers.json."""
    path = folder / "config_sentence_transformers.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(content | changes), encoding="utf-8")


@pytest.fixture(scope="module")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sentence_transformer(tmp_path_factory.mktemp("models") / "tiny", prompts=PROMPTS)


@pytest.fixture
def tiny(made_once: Path, tmp_path: Path) -> Path:
    """A model directory that a test may change."""
    folder = tmp_path / "tiny"
    shutil.copytree(made_once, folder)
    return folder


class TestLoading:
    """mteb.get_model on a directory."""

    def test_loads_and_embeds(self, tiny: Path) -> None:
        """mteb.get_model(directory) embeds like the model itself, with the directory's prompts."""
        from sentence_transformers import SentenceTransformer

        model = mteb.get_model(str(tiny), device="cpu")
        metadata = mteb.get_task("MiniQARMonolingual").metadata
        itself = SentenceTransformer(str(tiny), device="cpu")
        for role, prompt in ((PromptType.query, PROMPTS["query"]), (PromptType.document, PROMPTS["document"])):
            loader = _mteb.text_loader(TEXTS, metadata, role, 2)
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


class TestUnusable:
    """Directories that are no model or no usable one, and names that are no directory."""

    def test_no_model_directory(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        """A directory that is no such model: a warning that names it and the cure, then MTEB's own behaviour."""
        with caplog.at_level(logging.WARNING, logger="mteb_hybrid"), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # MTEB's own, about the hub
            meta = mteb.get_model_meta(str(tmp_path), fetch_from_hf=True)
            assert meta.name == str(tmp_path)
            with pytest.raises(NotImplementedError):
                mteb.get_model(str(tmp_path))
        ours = [record.getMessage() for record in caplog.records if record.name.startswith("mteb_hybrid")]
        assert len(ours) == 2  # one for each of the two look-ups
        assert str(tmp_path) in ours[0]
        assert "modules.json" in ours[0]
        assert "SentenceTransformer(" in ours[0]

    def test_damaged_configuration(self, tiny: Path) -> None:
        """A configuration that is no JSON: a ModelDirectoryError that names the file."""
        (tiny / "config_sentence_transformers.json").write_text('{"prompts": ', encoding="utf-8")
        with pytest.raises(ModelDirectoryError, match=r"config_sentence_transformers\.json cannot be read"):
            directory_meta(str(tiny))

    @pytest.mark.parametrize(
        ("name", "content", "message"),
        [
            (
                "config_sentence_transformers.json",
                '{"prompts": "query: "}',
                "prompts must be texts by name, got 'query: '",
            ),
            ("config_sentence_transformers.json", "[" * 100_000, "cannot be read: it is nested too deeply"),
            ("config_sentence_transformers.json", '{"model_type": ["a"]}', r"holds a \['a'\]"),
        ],
    )
    def test_odd_configuration(self, tiny: Path, name: str, content: str, message: str) -> None:
        """A configuration of another form: a ModelDirectoryError with what is wrong."""
        (tiny / name).write_text(content, encoding="utf-8")
        with pytest.raises(ModelDirectoryError, match=message):
            directory_meta(str(tiny))

    @pytest.mark.parametrize("content", ["{", "5", "[5]", '[{"idx": 0}]', '["a"]'])
    def test_odd_modules(self, tiny: Path, content: str) -> None:
        """Modules of another form are said when the model is loaded; its metadata does not hang on them."""
        (tiny / "modules.json").write_text(content, encoding="utf-8")
        with pytest.raises(ModelDirectoryError, match=r"modules\.json cannot be read"):
            mteb.get_model(str(tiny))

    def test_unknown_kind(self, tiny: Path) -> None:
        """A kind of model that nobody knows: a ModelDirectoryError that names it."""
        edit_config(tiny, model_type="QuantumEncoder")
        with pytest.raises(ModelDirectoryError, match="holds a QuantumEncoder"):
            directory_meta(str(tiny))

    @pytest.mark.parametrize("name", ["nobody/nothing", "./no-such-directory", "modules.json", "a\0b"])
    def test_not_a_directory(self, tiny: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
        """A name that is no directory is none of our business: neither an answer nor an error."""
        monkeypatch.chdir(tiny)
        assert directory_meta(name) is None

    def test_names_go_to_the_hub(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A name that is no directory reaches MTEB's own from_hub with all its arguments, and its answer returns."""
        calls: list[tuple[Any, ...]] = []

        class ModelMeta:
            @classmethod
            def from_hub(cls, model: str, revision: str | None = None, extra: bool | None = None) -> str:
                """MTEB's."""
                calls.append((cls, model, revision, extra))
                return f"hub: {model}"

        class Custom(ModelMeta):
            pass

        module = ModuleType("mteb.models.model_meta")
        module.ModelMeta = ModelMeta
        monkeypatch.setitem(sys.modules, "mteb.models.model_meta", module)
        local = {"here": "ours"}
        _mteb.wrap_from_hub(lambda model, revision: local.get(model))
        once = ModelMeta.from_hub.__func__
        _mteb.wrap_from_hub(lambda model, revision: "wrapped twice")
        assert ModelMeta.from_hub.__func__ is once
        assert once.__doc__ == "MTEB's."
        assert ModelMeta.from_hub("a/b", "r1", True) == "hub: a/b"
        assert Custom.from_hub(model="a/b", revision="r1", extra=True) == "hub: a/b"
        assert ModelMeta.from_hub("a/b") == "hub: a/b"
        assert calls == [(ModelMeta, "a/b", "r1", True), (Custom, "a/b", "r1", True), (ModelMeta, "a/b", None, None)]
        assert ModelMeta.from_hub("here") == "ours"
        assert len(calls) == 3

    def test_get_model_meta_asks_the_hub(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        """The real thing: mteb.get_model_meta of a name ends in MTEB's own code behind our wrapper, of a model not."""
        from mteb.models import ModelMeta

        if not hasattr(ModelMeta, "_from_hub"):
            pytest.skip("this version of MTEB does all in from_hub itself")
        asked = []

        def from_hub(cls: type[ModelMeta], model_name: str, revision: str | None = None) -> ModelMeta:
            asked.append((model_name, revision))
            return cls.create_empty({"name": model_name, "revision": revision})

        monkeypatch.setattr(ModelMeta, "_from_hub", classmethod(from_hub))
        meta = mteb.get_model_meta("nobody/nothing", revision="main", fetch_from_hf=True)
        assert (meta.name, meta.revision) == ("nobody/nothing", "main")
        assert asked == [("nobody/nothing", "main")]
