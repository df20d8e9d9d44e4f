"""Train the bundled model."""
