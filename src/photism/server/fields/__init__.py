"""Fields of requests, derived from settings classes: their values, checks and OpenAPI schemas."""
