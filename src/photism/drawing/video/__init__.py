"""A long sound as a video that follows it."""
