"""diffusers pipelines: find and check their parts, load the weights, then apply LoRA weights and settings."""
