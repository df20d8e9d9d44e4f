"""Compare the speed and memory of Photism with those of other implementations."""
