"""Results of `mteb run`, read and shown."""

from mteb_hybrid.reporting.results import read_results
from mteb_hybrid.reporting.summary import ModelSummary, summarise
from mteb_hybrid.reporting.tables import read_pooled

__all__ = ["ModelSummary", "read_pooled", "read_results", "summarise"]
