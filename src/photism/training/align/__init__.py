"""Training of an `AudioPromptEncoder`: batches, the exact gradient of large ones, steps, checkpoints, measures."""
