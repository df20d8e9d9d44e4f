"""Outputs of jobs: files and folders that hold what is done, to which the same job appends."""
