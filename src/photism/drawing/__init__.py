"""Generate images and films from recordings with Stable Diffusion."""
