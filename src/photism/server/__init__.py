"""HTTP server: every command over HTTP, and the studio in a browser."""
