"""Pipelines with the names, arguments and results of transformers' pipelines for audio."""
