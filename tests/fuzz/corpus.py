"""Small files of many formats, from which mutants are made."""

import io
from functools import cache

import av
import numpy as np

SECONDS = 0.6
# name: container, codec, sampling rate, layout, and options of the container
FORMATS = {
    "wav-s16": ("wav", "pcm_s16le", 16_000, "stereo", {}),
    "wav-f32": ("wav", "pcm_f32le", 8_000, "mono", {}),
    "wav-adpcm": ("wav", "adpcm_ima_wav", 22_050, "mono", {}),
    "flac": ("flac", "flac", 16_000, "mono", {}),
    "ogg-vorbis": ("ogg", "vorbis", 44_100, "stereo", {"page_duration": "50000"}),
    "ogg-opus": ("ogg", "libopus", 48_000, "mono", {"page_duration": "50000"}),
    "mp3": ("mp3", "libmp3lame", 44_100, "stereo", {}),
    "m4a": ("ipod", "aac", 44_100, "mono", {}),
    "mp4-fragments": ("mp4", "aac", 48_000, "stereo", {"movflags": "frag_keyframe+empty_moov"}),
    "mkv": ("matroska", "aac", 48_000, "mono", {}),
    "webm": ("webm", "libopus", 48_000, "stereo", {}),
    "ts": ("mpegts", "mp2", 48_000, "mono", {}),
    "asf": ("asf", "wmav2", 44_100, "mono", {}),
    "aiff": ("aiff", "pcm_s16be", 11_025, "mono", {}),
    "au": ("au", "pcm_s24be", 8_000, "mono", {}),
    "caf": ("caf", "alac", 16_000, "stereo", {}),
    "avi": ("avi", "libmp3lame", 22_050, "mono", {}),
    "flv": ("flv", "aac", 44_100, "mono", {}),
    "wavpack": ("wv", "wavpack", 16_000, "12 channels", {}),
    "mov-video": ("mov", "aac", 44_100, "mono", {}),
}


@cache
def make_corpus() -> dict[str, bytes]:
    """Return a file of 0.6 s of each format, by name; one more is a chain of two Ogg streams."""
    files = {name: encode(name) for name in FORMATS}
    return files | {"ogg-chain": files["ogg-vorbis"] + files["ogg-opus"]}


@cache
def encode(name: str, seconds: float = SECONDS) -> bytes:
    """Return a tone of changing loudness in one of the `FORMATS`."""
    container_format, codec, rate, layout, options = FORMATS[name]
    file = io.BytesIO()
    with av.open(file, "w", format=container_format, options={"fflags": "bitexact", **options}) as container:
        stream = container.add_stream(codec, rate=rate, layout=layout, options={"strict": "experimental"})
        stream.codec_context.bit_rate = 64_000
        time_s = np.arange(round(seconds * rate)) / rate
        samples = (0.5 * np.sin(2 * np.pi * 440 * time_s) * (1 + np.sin(20 * time_s)) / 2).astype(np.float32)
        frame = av.AudioFrame.from_ndarray(
            np.repeat(samples, stream.codec_context.layout.nb_channels)[None], format="flt", layout=layout
        )
        frame.sample_rate = rate
        if name.endswith("video"):
            _add_video(container)
        size = stream.codec_context.frame_size
        resampler = av.AudioResampler(stream.codec_context.codec.audio_formats[0], layout, rate, size or 1024)
        for each in (*resampler.resample(frame), *resampler.resample(None)):
            container.mux(stream.encode(each))
        container.mux(stream.encode(None))
    return file.getvalue()


def _add_video(container: av.container.OutputContainer) -> None:
    stream = container.add_stream("mpeg4", rate=5, width=32, height=32)
    stream.pix_fmt = "yuv420p"
    for _ in range(3):
        frame = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))
