"""What docs/bias.md and docs/results.md say beside the tables: tails, cut lists, orders of averaging.

    python benchmarks/lareqa_details.py results/lareqa/MODEL

Reads the rank tables that benchmarks/lareqa.py has written; nothing is encoded or ranked.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from mteb_hybrid.across import asked_lists
from mteb_hybrid.metrics import pairwise_consistency, query_language_consistency, rank_distance
from mteb_hybrid.rank_table import RankTable

DEPTH = 1000


def cut_distances(ranks) -> tuple[list[float], list[float]]:
    """Rank distances if passages below rank 1,000 are dropped, and if they are put at rank 1,001."""
    dropped, placed = [], []
    for query in range(ranks.queries):
        found = ranks.rank[ranks.query == query]
        kept = found[found <= DEPTH]
        if len(kept) >= 2:
            dropped.append(float(kept.max() - kept.min()))
        placed.append(float(np.minimum(found, DEPTH + 1).max() - np.minimum(found, DEPTH + 1).min()))
    return dropped, placed


def main() -> None:
    """Print the figures, macro-averaged over query languages."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    for task in ("XQuADRMultilingual", "MLQARMultilingual"):
        paths = sorted(folder.rglob(f"{task}/*.parquet"))
        tables = {table.info.query_language: table for table in map(RankTable.read, paths)}
        ranks = {language: table.query_ranks() for language, table in tables.items()}
        distances = [rank_distance(one).value for one in ranks.values()]
        below = [np.bincount(one.query, weights=one.rank > DEPTH, minlength=one.queries) > 0 for one in ranks.values()]
        cut = [cut_distances(one) for one in ranks.values()]
        print(f"{task}")
        print(
            f"  rank distance: mean {mean(distances, np.mean):,.1f}, median {mean(distances, np.median):,.1f}, ", end=""
        )
        print(f"95th percentile {mean(distances, lambda values: np.percentile(values, 95)):,.1f}")
        print(f"  questions with a relevant passage below rank {DEPTH:,}: {mean(below, np.mean):.1%}")
        print(f"  rank distance if these are dropped {mean([d for d, _ in cut], np.mean):,.1f}, ", end="")
        print(f"if they are put at rank {DEPTH + 1:,} {mean([p for _, p in cut], np.mean):,.1f}")
        lists = asked_lists(tables)
        pairs = pairwise_consistency(lists)
        by_language = query_language_consistency(lists, pairs)
        print(
            f"  consistency: by question and language {mean([v.value for v in by_language.values()], np.mean):.4f}, ",
            end="",
        )
        print(f"over pairs of languages {mean([v.value for v in pairs.values()], np.mean):.4f}, ", end="")
        print(f"over all pairs of lists {np.concatenate([v.value for v in pairs.values()]).mean():.4f}")


def mean(groups, summary) -> float:
    """The mean over groups of a summary of each."""
    return float(np.mean([summary(values) for values in groups]))


if __name__ == "__main__":
    main()
