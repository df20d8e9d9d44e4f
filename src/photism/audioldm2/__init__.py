"""AudioLDM 2: text-to-audio generation."""
