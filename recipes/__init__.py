"""Scripts that train the bundled models; run them as modules from the root of the repository."""
