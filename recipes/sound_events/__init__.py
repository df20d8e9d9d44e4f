"""Recipes: learn sound events from a few hundred labelled recordings, and compare annotations and prompt lengths."""
