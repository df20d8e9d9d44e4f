"""Sampling rate of all waveforms, and the frames in which they are analysed."""

SAMPLING_RATE = 16_000  # Hz
FRAME_SAMPLES = SAMPLING_RATE * 25 // 1000  # 400 samples, one frame of log_mel: the shortest recording with features
