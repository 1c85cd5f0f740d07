"""Monolingual, cross-lingual and pooled multilingual retrieval as MTEB tasks.

Importing this package is cheap on purpose: every Python start-up of an environment that has it installed passes
through here (see `mteb_hybrid._autoload`). Whatever needs more than ``sys`` is loaded on first use.
"""

__version__ = "0.1.0"

__all__ = ["__version__", "clear_embeddings", "register"]

_LAZY = {"register": "mteb_hybrid.plugin", "clear_embeddings": "mteb_hybrid.embeddings"}


def __getattr__(name: str) -> object:
    """Load a public function with its module when it is first asked for (PEP 562)."""
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_LAZY[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
