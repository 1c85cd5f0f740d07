"""The finder of the start-up hook on its own, and its switch."""

from __future__ import annotations

import sys
import warnings
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from mteb_hybrid import _autoload, plugin


class TestSwitch:
    """MTEB_HYBRID_AUTOLOAD."""

    @pytest.fixture(autouse=True)
    def _meta_path(self, monkeypatch: pytest.MonkeyPatch) -> None:
        kept = [finder for finder in sys.meta_path if not isinstance(finder, _autoload.RegistryFinder)]
        monkeypatch.setattr(sys, "meta_path", kept)

    @pytest.mark.parametrize("value", ["0", "false", "No", " OFF "])
    def test_off(self, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
        """Every usual spelling of no switches the hook off."""
        monkeypatch.setenv("MTEB_HYBRID_AUTOLOAD", value)
        assert _autoload.install() is False
        assert not [finder for finder in sys.meta_path if isinstance(finder, _autoload.RegistryFinder)]

    @pytest.mark.parametrize("value", [None, "", "1", "true"])
    def test_on(self, monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
        """Unset, empty or yes: the hook is on, and a second installation adds no second finder."""
        if value is None:
            monkeypatch.delenv("MTEB_HYBRID_AUTOLOAD", raising=False)
        else:
            monkeypatch.setenv("MTEB_HYBRID_AUTOLOAD", value)
        assert _autoload.install() is True
        assert _autoload.install() is True
        assert [type(finder) for finder in sys.meta_path].count(_autoload.RegistryFinder) == 1
        assert isinstance(sys.meta_path[0], _autoload.RegistryFinder)


class Registry:
    """Two importable modules that the finder waits for, and a record of what the plugin heard."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.heard: list[tuple[str, bool]] = []
        self.finder = _autoload.RegistryFinder()
        self.finder.waiting = {"hooked_one", "hooked_two"}
        for name in self.finder.waiting:
            (folder / f"{name}.py").write_text("READY = True\n", encoding="utf-8")
            monkeypatch.delitem(sys.modules, name, raising=False)
        monkeypatch.syspath_prepend(folder)
        monkeypatch.setattr(sys, "meta_path", [self.finder, *sys.meta_path])
        monkeypatch.setattr(sys, "dont_write_bytecode", True)  # a file that is rewritten within its mtime's second
        monkeypatch.setattr(plugin, "module_loaded", self.hear)
        monkeypatch.setattr(_autoload, "_failed", False)

    def hear(self, name: str) -> None:
        self.heard.append((name, getattr(sys.modules[name], "READY", False)))


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    made = Registry(tmp_path, monkeypatch)
    yield made
    for name in ("hooked_one", "hooked_two"):
        sys.modules.pop(name, None)


class TestFinder:
    """The finder on its own."""

    def test_targets_are_what_the_plugin_serves(self) -> None:
        """Every module that is watched has something to register, and the other way round."""
        assert set(_autoload.TARGETS) == set(plugin._ON_LOAD)

    def test_tells_the_plugin_after_the_module_has_run(self, registry: Registry) -> None:
        """The plugin hears of a module once, when it is complete; the finder leaves after the last one."""
        import hooked_one

        assert registry.heard == [("hooked_one", True)]
        assert registry.finder in sys.meta_path
        assert hooked_one.__spec__.origin == str(registry.folder / "hooked_one.py")
        import hooked_two

        assert hooked_two.READY
        assert registry.heard == [("hooked_one", True), ("hooked_two", True)]
        assert registry.finder not in sys.meta_path

    def test_has_no_opinion_on_other_modules(self, registry: Registry) -> None:
        """Any other name is left to the other finders."""
        assert registry.finder.find_spec("json") is None
        assert registry.finder.waiting == {"hooked_one", "hooked_two"}

    def test_bears_strange_neighbours(self, registry: Registry) -> None:
        """Finders without find_spec and finders that know nothing do not stop it; without a spec there is none."""
        sys.meta_path[1:1] = [SimpleNamespace(), SimpleNamespace(find_spec=lambda name, path, target: None)]
        spec = registry.finder.find_spec("hooked_one")
        assert isinstance(spec, ModuleSpec)
        (registry.folder / "hooked_two.py").unlink()
        assert registry.finder.find_spec("hooked_two") is None

    def test_leaves_an_error_of_the_module_alone(self, registry: Registry) -> None:
        """A module that fails on its own fails as without us, and the plugin is not told."""
        (registry.folder / "hooked_one.py").write_text("raise KeyError('theirs')\n", encoding="utf-8")
        with pytest.raises(KeyError, match="theirs"):
            __import__("hooked_one")
        assert registry.heard == []

    def test_serves_the_second_attempt_after_a_failed_import(self, registry: Registry) -> None:
        """An import that was interrupted (Ctrl-C in a notebook) and done again registers us all the same."""
        good = (registry.folder / "hooked_one.py").read_text(encoding="utf-8")
        (registry.folder / "hooked_one.py").write_text("raise KeyboardInterrupt\n", encoding="utf-8")
        with pytest.raises(KeyboardInterrupt):
            __import__("hooked_one")
        (registry.folder / "hooked_one.py").write_text(good, encoding="utf-8")
        assert isinstance(__import__("hooked_one"), ModuleType)
        assert registry.heard == [("hooked_one", True)]

    def test_failures_of_ours_become_one_warning(self, registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
        """Whatever the plugin raises, both imports succeed and there is one RuntimeWarning with cause and cure."""

        def fail(name: str) -> None:
            raise LookupError(f"no idea about {name}")

        monkeypatch.setattr(plugin, "module_loaded", fail)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            assert __import__("hooked_one").READY
            assert __import__("hooked_two").READY
        (warning,) = caught
        assert warning.category is RuntimeWarning
        assert "LookupError: no idea about hooked_one" in str(warning.message)
        assert "pip install -U mteb-hybrid mteb" in str(warning.message)
        assert "MTEB_HYBRID_AUTOLOAD=0" in str(warning.message)
