"""Tasks, one a file: alignment, classification, CTC, frame classification, speaker embeddings."""
