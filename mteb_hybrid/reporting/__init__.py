"""Results of `mteb run`, read and shown."""

from mteb_hybrid.reporting.summary import ModelSummary, read_results, summarise
from mteb_hybrid.reporting.tables import read_across, read_pooled

__all__ = ["ModelSummary", "read_across", "read_pooled", "read_results", "summarise"]
