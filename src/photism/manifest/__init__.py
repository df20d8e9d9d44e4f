"""Recordings that a command was given, listed one by one: files, folders, patterns, lists and tables."""
