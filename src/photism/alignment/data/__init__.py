"""Captioned sounds to align with: where they are read from, and how they are kept for training."""
