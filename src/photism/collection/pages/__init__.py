"""HTML pages of a collection that need no server: what a search found, and a map."""
