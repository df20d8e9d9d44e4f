"""What those who run a server need: a log of requests, metrics, its health, and an orderly end."""
