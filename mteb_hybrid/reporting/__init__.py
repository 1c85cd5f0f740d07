"""Results of `mteb run`, read and shown."""

from mteb_hybrid.reporting.summary import ModelSummary, read_results, summarise
from mteb_hybrid.reporting.tables import read_across

__all__ = ["ModelSummary", "read_across", "read_results", "summarise"]
