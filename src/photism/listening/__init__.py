"""Zero-shot and trained classification, diarization, speaker verification and transcription."""
