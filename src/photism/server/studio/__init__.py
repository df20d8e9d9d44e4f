"""The studio: a web page for every verb, whose scripts use the HTTP interface of the server and nothing else."""
