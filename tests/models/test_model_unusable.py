"""Directories that are no model or no usable one, and names that are no directories."""

from __future__ import annotations

import logging
import sys
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any

import mteb
import pytest
from edited_models import edit_config

from mteb_hybrid import _mteb
from mteb_hybrid.errors import ModelDirectoryError
from mteb_hybrid.models.directory import directory_meta


class TestUnusable:
    """Directories that are no model or no usable one, and names that are no directory."""

    def test_no_model_directory(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        """A directory that is no such model: a warning that names it and the cure, then MTEB's own behaviour."""
        plain = "some/where/plain"  # no name on the hub either
        (tmp_path / plain).mkdir(parents=True)
        monkeypatch.chdir(tmp_path)
        with caplog.at_level(logging.WARNING, logger="mteb_hybrid"), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # MTEB's own, about the hub
            meta = mteb.get_model_meta(plain, fetch_from_hf=True)
            assert meta.name == plain
            with pytest.raises(NotImplementedError):
                mteb.get_model(plain)
        ours = [record.getMessage() for record in caplog.records if record.name.startswith("mteb_hybrid")]
        assert len(ours) == 2  # one for each of the two look-ups
        assert ours[0].startswith(f"{plain} is a directory but not")
        assert "modules.json" in ours[0]
        assert f"SentenceTransformer({plain!r})" in ours[0]

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

    @pytest.mark.parametrize("name", ["nobody/nothing", "no-such-directory", "./modules.json", "a\0b"])
    def test_not_a_directory(self, tiny: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
        """A name that is no directory is none of our business: neither an answer nor an error."""
        monkeypatch.chdir(tiny)
        assert directory_meta(name) is None

    @pytest.mark.parametrize("name", ["./no-such-directory", "../no/such", "/no/such", "~/no-such-directory", "./a\0b"])
    def test_a_path_where_nothing_is(self, tiny: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
        """No model on the hub can have such a name: an error with the whole path, and MTEB never asks the hub."""
        monkeypatch.chdir(tiny)
        monkeypatch.setenv("HOME", str(tiny))
        with pytest.raises(ModelDirectoryError, match="there is no model directory") as caught:
            mteb.get_model(name)
        assert str(tiny if name.startswith(("./", "~")) else "no") in str(caught.value)

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
