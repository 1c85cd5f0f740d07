"""Tasks in the layouts of other tools."""

from mteb_hybrid.export.beir import export_beir

__all__ = ["export_beir"]
