"""Generate a film from a recording of any length."""
