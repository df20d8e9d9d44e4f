"""Types of the columns of labels, segments and windows, which `hear` and `label` have in common."""

LABEL_COLUMN = {"label": str, "score": float}
SEGMENT_COLUMN = {"start_s": float, "end_s": float, **LABEL_COLUMN}
WINDOW_COLUMN = {"start_s": float, "end_s": float, "known": bool, "scores": [LABEL_COLUMN]}
