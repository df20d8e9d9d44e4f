"""Readers of data sets, the feature cache and the batch sampler."""
