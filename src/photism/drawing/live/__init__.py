"""Draw a recording while it goes on: the picture follows who speaks or plays."""
