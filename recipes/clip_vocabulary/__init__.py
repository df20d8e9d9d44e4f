"""The vocabulary of CLIP that the package carries."""
