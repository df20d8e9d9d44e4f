"""Makers of tiny checkpoints and recordings, shared by the tests."""
