"""Media types of requests and answers."""

PNG, MP4 = "image/png", "video/mp4"
JSON, JSON_LINES, PROBLEM_JSON = "application/json", "application/jsonl", "application/problem+json"
CSV, TEXT, EVENT_STREAM = "text/csv", "text/plain", "text/event-stream"
SUBRIP, MULTIPART = "application/x-subrip", "multipart/form-data"
