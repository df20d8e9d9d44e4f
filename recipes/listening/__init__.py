"""Train heads on the bundled encoder."""
