"""Models of the server: one owner thread for each, a queue for the requests, and memory that is given back."""
