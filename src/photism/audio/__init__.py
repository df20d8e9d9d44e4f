"""Decode, resample and window recordings, and compute their log-mel features."""
