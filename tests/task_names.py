"""Names of all tasks of this package, as a user would type them."""

OURS = [
    "MiniQARMonolingual",
    "MiniQARCrossLingual",
    "MiniQARMultilingual",
    "XQuADRMonolingual",
    "XQuADRCrossLingual",
    "XQuADRMultilingual",
]
