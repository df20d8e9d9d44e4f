"""Train the bundled AudioLDM 2."""
