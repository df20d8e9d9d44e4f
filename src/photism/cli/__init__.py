"""The command line: a file a verb, nothing but arguments, progress and printing."""
