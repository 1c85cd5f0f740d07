"""Is one model really better than another: paired tests over questions, from rank tables."""

from mteb_hybrid.significance.adjust import holm
from mteb_hybrid.significance.bootstrap import Intervals, bootstrap_intervals
from mteb_hybrid.significance.comparison import Comparison, SettingComparison, compare
from mteb_hybrid.significance.differences import PairedDifferences
from mteb_hybrid.significance.flips import FlipTest, sign_flip_test
from mteb_hybrid.significance.pairs import compare_all
from mteb_hybrid.significance.scores import METRICS, ModelScores, read_scores

__all__ = [
    "METRICS",
    "Comparison",
    "FlipTest",
    "Intervals",
    "ModelScores",
    "PairedDifferences",
    "SettingComparison",
    "bootstrap_intervals",
    "compare",
    "compare_all",
    "holm",
    "read_scores",
    "sign_flip_test",
]
