"""Timings of Photism against the libraries that do the same."""
