"""Reading the results of `mteb run`."""

from mteb_hybrid.reporting.summary import ModelSummary, read_results, summarise

__all__ = ["ModelSummary", "read_results", "summarise"]
