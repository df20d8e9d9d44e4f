"""Check what works on this machine."""
