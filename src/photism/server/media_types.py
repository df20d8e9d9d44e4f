"""Media types of requests and answers."""

PNG, WEBP, MP4 = "image/png", "image/webp", "video/mp4"
JSON, JSON_LINES, PROBLEM_JSON = "application/json", "application/jsonl", "application/problem+json"
CSV, TEXT, EVENT_STREAM = "text/csv", "text/plain", "text/event-stream"
SUBRIP, WEBVTT, RTTM = "application/x-subrip", "text/vtt", "text/rttm"
TSV, MULTIPART = "text/tab-separated-values", "multipart/form-data"
WAV, MP3, FLAC, OGG, M4A = "audio/wav", "audio/mpeg", "audio/flac", "audio/ogg", "audio/mp4"
