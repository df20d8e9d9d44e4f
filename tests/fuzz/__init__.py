"""Reading of damaged files: mutants of small files of many formats, read in child processes."""
