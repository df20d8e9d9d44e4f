"""Answers of endpoints: media types, server-sent events, and work that ends when its client leaves."""
