"""The hook that runs at every start of Python, through ``mteb_hybrid.pth``.

It puts one finder on ``sys.meta_path`` and imports nothing. When MTEB's own registries are imported, the finder lets
them load and hands them to `mteb_hybrid.plugin`; once all of them have been served it takes itself away. A Python that
never imports MTEB pays for two small files. ``MTEB_HYBRID_AUTOLOAD=0`` switches the hook off.
"""

import os
import sys

TYPE_CHECKING = False  # typing itself is not worth importing at every start of Python
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.abc import Loader
    from importlib.machinery import ModuleSpec
    from types import ModuleType

# MTEB's modules that hold a registry or a door that we have to be known at
TARGETS = (
    "mteb.get_tasks",
    "mteb.models.model_implementations",
    "mteb.models.model_meta",
    "mteb.benchmarks.benchmarks",
    "mteb.evaluate",
)


class RegistryFinder:
    """Meta-path finder that tells the plugin when one of `TARGETS` has been loaded."""

    def __init__(self) -> None:
        self.waiting = set(TARGETS)
        self.searching: set[str] = set()

    def find_spec(
        self, name: str, path: "Sequence[str] | None" = None, target: "ModuleType | None" = None
    ) -> "ModuleSpec | None":
        """Find ``name`` with the other finders; wrap its loader if it is one of ours to watch."""
        if name not in self.waiting or name in self.searching:
            return None
        self.searching.add(name)  # a finder that asks importlib would come back here
        try:
            for finder in list(sys.meta_path):
                find = getattr(finder, "find_spec", None)
                spec: ModuleSpec | None = find(name, path, target) if find is not None and finder is not self else None
                if spec is not None:
                    if spec.loader is not None and hasattr(spec.loader, "exec_module"):
                        try:
                            self.notify_after_exec(spec.loader)
                        except Exception as error:  # noqa: BLE001 - the loader of another package that takes no orders
                            self.leave()
                            switch_off(error)
                    return spec
        finally:
            self.searching.discard(name)
        return None

    def notify_after_exec(self, loader: "Loader") -> None:
        """Let ``loader`` execute its module as ever, then pass the module on to the plugin."""
        original = loader.exec_module

        def exec_module(module: "ModuleType") -> None:
            original(module)
            if module.__name__ not in self.waiting:  # some loaders serve several modules
                return
            self.waiting.discard(module.__name__)
            if not self.waiting:
                self.leave()
            if _failed:
                return
            try:
                from mteb_hybrid.plugin import module_loaded

                module_loaded(module.__name__)
            except Exception as error:  # noqa: BLE001 - whatever fails in us, MTEB goes on
                self.leave()
                switch_off(error)

        loader.exec_module = exec_module  # type: ignore[method-assign]

    def leave(self) -> None:
        """Take the finder off ``sys.meta_path``."""
        if self in sys.meta_path:
            sys.meta_path.remove(self)


_installed = False
_failed = False


def install() -> bool:
    """Put the finder in place, which is all that ``mteb_hybrid.pth`` does; True unless it is switched off."""
    global _installed
    if os.environ.get("MTEB_HYBRID_AUTOLOAD", "1").strip().lower() in {"0", "false", "no", "off"}:
        return False
    if not any(isinstance(finder, RegistryFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, RegistryFinder())
    _installed = True
    return True


def installed() -> bool:
    """Whether the hook was installed in this process (not whether MTEB has been imported since)."""
    return _installed


def switch_off(error: Exception) -> None:
    """After a failure of ours: register nothing more, and say so in one warning that names the cause and the cure."""
    global _failed
    if _failed:
        return
    _failed = True
    import warnings

    warnings.warn(
        f"mteb-hybrid could not register with MTEB and is switched off in this process; MTEB itself is not affected. "
        f"Cause: {type(error).__name__}: {error}. Cure, unless the cause names one: `pip install -U mteb-hybrid mteb`. "
        "`mteb-hybrid info` shows what is installed, MTEB_HYBRID_AUTOLOAD=0 silences this.",
        RuntimeWarning,
        stacklevel=2,
    )
