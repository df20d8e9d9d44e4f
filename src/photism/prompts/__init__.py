"""Prompt spaces, prompt adapters and the model that encodes recordings to prompt embeddings."""
