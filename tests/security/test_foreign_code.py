"""Code in a directory, or on the hub, is not run unless the user says so."""

from __future__ import annotations

import json
from pathlib import Path

import mteb
import pytest
from hostile_code import CODE
from tiny_models import sentence_transformer
from tiny_recipes import tiny_recipe

from mteb_hybrid.errors import CollectionError, ModelDirectoryError, RecipeError, TranslationError
from mteb_hybrid.models.directory import check_modules, directory_meta
from mteb_hybrid.trainers.recipes.model import load_model
from mteb_hybrid.translation import topics
from mteb_hybrid.translation.seq2seq import Seq2SeqTranslator


def custom_model(folder: Path, reference: str = "evil.Transformer") -> Path:
    """A directory whose first module is a class of its own, in a file that leaves a trace when it is imported."""
    sentence_transformer(folder)
    modules = json.loads((folder / "modules.json").read_text())
    modules[0]["type"] = reference
    (folder / "modules.json").write_text(json.dumps(modules))
    for name in ("evil.py", "pylate.py", "modeling_evil.py"):
        (folder / name).write_text(f"{CODE}\nfrom sentence_transformers.models import Transformer\n")
    return folder


def mapped_model(folder: Path) -> Path:
    """A directory of a kind that transformers does not know, with code for it."""
    sentence_transformer(folder)
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "evil", "auto_map": {"AutoConfig": "evil.Config", "AutoModel": "evil.Model"}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "evil.py").write_text(CODE)
    return folder


class TestCode:
    """Code in a directory, or on the hub, is not run unless the user says so."""

    @pytest.mark.parametrize(
        "reference",
        [
            "evil.Transformer",
            "someone/repository--evil.Transformer",
            "pylate.Transformer",
            "os.system",
            "sentence_transformers",
            "",
            5,
        ],
    )
    def test_directory_for_mteb(self, tmp_path, trace, reference):
        """`mteb run -m DIRECTORY` refuses a class of the directory's own, and says how to trust it."""
        folder = custom_model(tmp_path / "model", reference)
        meta = directory_meta(str(folder))
        assert meta is not None
        with pytest.raises(ModelDirectoryError, match=r"names the class .* trust_remote_code=True"):
            meta.load_model(device="cpu")
        with pytest.raises(ModelDirectoryError):
            mteb.get_model(str(folder), device="cpu")
        assert not trace.exists()

    def test_the_users_word(self, tmp_path, trace, monkeypatch):
        """With trust_remote_code=True it is loaded, and its code run: the tests above would see it."""
        monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "modules"))
        monkeypatch.syspath_prepend(tmp_path / "modules")
        folder = custom_model(tmp_path / "model")
        meta = directory_meta(str(folder))
        assert meta is not None
        meta.load_model(device="cpu", trust_remote_code=True)
        assert trace.exists()

    @pytest.mark.parametrize(
        "reference",
        ["sentence_transformers.models.Transformer", "sentence_transformers.base.modules.transformer.Transformer",
         "pylate.models.Dense.Dense"],
    )  # fmt: skip
    def test_packages_are_no_code_of_a_model(self, tmp_path, reference):
        """Classes of sentence-transformers and of PyLate, which the user installed."""
        (tmp_path / "modules.json").write_text(json.dumps([{"type": reference}]))
        check_modules(tmp_path)

    def test_configuration_for_mteb(self, tmp_path, trace, monkeypatch):
        """Code that transformers would run: it does not, and asks nobody."""
        monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("asked for a word"))
        with pytest.raises(Exception, match=r"trust_remote_code|custom code|model type"):
            mteb.get_model(str(mapped_model(tmp_path / "model")), device="cpu")
        assert not trace.exists()

    @pytest.mark.parametrize("make", [custom_model, mapped_model])
    def test_directory_for_training(self, tmp_path, trace, monkeypatch, make):
        """A recipe's model, also where its length is looked up first."""
        monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("asked for a word"))
        recipe = tiny_recipe(make(tmp_path / "model"), "model.max_seq_length=32")
        with pytest.raises(RecipeError, match=r"model\.name: .* cannot be loaded"):
            load_model(recipe, ["de", "en"])
        assert not trace.exists()

    @pytest.mark.parametrize("file", ["config.json", "tokenizer_config.json"])
    def test_translator(self, tmp_path, trace, monkeypatch, file):
        """A translation model with code for its configuration or its tokenizer."""
        monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("asked for a word"))
        folder = mapped_model(tmp_path / "model")
        if file == "tokenizer_config.json":
            content = json.loads((folder / file).read_text())
            content |= {"tokenizer_class": "Evil", "auto_map": {"AutoTokenizer": ["evil.Tokenizer", None]}}
            (folder / file).write_text(json.dumps(content))
        with pytest.raises(TranslationError):
            Seq2SeqTranslator(str(folder))
        assert not trace.exists()

    def test_script_of_a_data_set(self, tmp_path, trace, monkeypatch):
        """A folder of topics with a loading script, as older versions of `datasets` ran them."""
        monkeypatch.setenv("MTEB_HYBRID_DATA", str(tmp_path))
        (tmp_path / "MIRACLRetrieval").mkdir()
        for name in ("MIRACLRetrieval.py", "dataset_infos.py"):
            (tmp_path / "MIRACLRetrieval" / name).write_text(CODE)
        with pytest.raises(CollectionError):
            topics.load_topics("sw")
        assert not trace.exists()
