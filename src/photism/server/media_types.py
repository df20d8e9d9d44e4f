"""Media types of requests and answers."""

PNG, WEBP, MP4 = "image/png", "image/webp", "video/mp4"
JSON, JSON_LINES, PROBLEM_JSON = "application/json", "application/jsonl", "application/problem+json"
CSV, TEXT, EVENT_STREAM = "text/csv", "text/plain", "text/event-stream"
SUBRIP, MULTIPART = "application/x-subrip", "multipart/form-data"
