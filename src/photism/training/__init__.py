"""What all trainings share: data on disk, processes, checkpoints, optimization, and a loop that survives a kill."""
