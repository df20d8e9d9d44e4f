"""Endpoints of the HTTP interface, a file for each."""
