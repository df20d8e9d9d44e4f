"""Wav2Vec2-BERT and its task heads, compatible with the checkpoints of transformers."""
