"""Names of all tasks and benchmarks of this package, as a user would type them."""

SETTINGS = ["Monolingual", "CrossLingual", "Multilingual"]
MINIQA_R, XQUAD_R, MLQA_R = (
    [f"{family}{setting}" for setting in SETTINGS] for family in ("MiniQAR", "XQuADR", "MLQAR")
)
MIRACL, MIRACL_HARD_NEGATIVES = ([f"MIRACL{setting}{data}" for setting in SETTINGS] for data in ("", "HardNegatives"))
OURS = [*MINIQA_R, *XQUAD_R, *MLQA_R, *MIRACL, *MIRACL_HARD_NEGATIVES]
# machine-translated questions: MTEB lists such tasks by name only
BETA = [MIRACL[1], MIRACL_HARD_NEGATIVES[1]]

BENCHMARKS = {
    "HybridRetrieval(XQuAD-R)": XQUAD_R,
    "HybridRetrieval(MLQA-R)": MLQA_R,
    "HybridRetrieval(MIRACL)": [MIRACL[0], MIRACL[2]],
    "HybridRetrieval(MIRACLHardNegatives)": [MIRACL_HARD_NEGATIVES[0], MIRACL_HARD_NEGATIVES[2]],
    "HybridRetrieval": [*XQUAD_R, *MLQA_R, MIRACL[0], MIRACL[2]],
}
