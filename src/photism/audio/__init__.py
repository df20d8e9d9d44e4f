"""Sound in: anything that FFmpeg decodes becomes a ``Waveform``, and waveforms become the encoder's log-mel tokens.

``photism.audio.log_mel`` is the module, and its function of the same name is imported from there: it needs torch, which
is not loaded before.
"""

from photism.audio.stream import SoundFile, stream_samples
from photism.audio.waveform import SAMPLING_RATE, AudioSource, Waveform, load_waveform

__all__ = ["SAMPLING_RATE", "AudioSource", "SoundFile", "Waveform", "load_waveform", "stream_samples"]
