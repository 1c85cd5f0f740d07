"""What the paper reports (arXiv 2408.10536, tables 1 and 2), to lay beside our scores; its setting is another one."""

from __future__ import annotations

SCORES = ("Mo. mAP", "Cr. mAP", "Mul. mAP", "rank distance")
PAPER = {
    "XQuAD-R": {
        "XLM-R": {"X-X-mono": (0.792, 0.674, 0.547, 410), "X-Y": (0.755, 0.700, 0.593, 295),
                  "hybrid": (0.798, 0.705, 0.593, 287)},
        "LaBSE": {"X-X-mono": (0.808, 0.752, 0.652, 262), "X-Y": (0.801, 0.762, 0.679, 225),
                  "hybrid": (0.817, 0.767, 0.682, 221)},
    },
    "MLQA-R": {
        "XLM-R": {"X-X-mono": (0.648, 0.584, 0.473, 288), "X-Y": (0.626, 0.620, 0.508, 227),
                  "hybrid": (0.648, 0.623, 0.512, 227)},
        "LaBSE": {"X-X-mono": (0.681, 0.656, 0.550, 225), "X-Y": (0.671, 0.677, 0.576, 198),
                  "hybrid": (0.686, 0.681, 0.579, 195)},
    },
}  # fmt: skip
"""Collection to encoder to way of batching to `SCORES`."""
