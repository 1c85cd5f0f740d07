"""Tasks, and the runs of models on them, in the layouts of other tools."""

from mteb_hybrid.export.beir import export_beir
from mteb_hybrid.export.hub import export_hub
from mteb_hybrid.export.trec import export_runs

__all__ = ["export_beir", "export_hub", "export_runs"]
