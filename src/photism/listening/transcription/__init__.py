"""Transcribe speech with CTC models: decoding, forced alignment, streaming and subtitles."""
