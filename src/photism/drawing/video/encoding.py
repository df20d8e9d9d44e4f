"""Encode frames as H.264 segments, and mux segments and a soundtrack into an MP4 file.

PyAV brings its own FFmpeg, so that no system program is needed.
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from photism.errors import InputError

if TYPE_CHECKING:
    from av import Packet, VideoStream
    from av.container import OutputContainer
    from av.stream import Stream
    from PIL.Image import Image

ENCODER = "libx264"
# Without B-frames, segments can be concatenated. With one thread, a segment is the same on every machine. CRF 18 is
# visually nearly lossless.
ENCODER_OPTIONS = {"crf": "18", "preset": "medium", "bf": "0", "threads": "1"}
PIXEL_FORMAT = "yuv420p"  # supported by every player
BT709 = 1  # FFmpeg's number of the matrix, the primaries and the transfer characteristics
LIMITED_RANGE = 1


def encode_segment(images: Iterable[Image], target: Path, *, frame_rate: Fraction) -> int:
    """Encode images as a video file.

    Args:
        images: RGB images of one size, with even width and height.
        target: file that ends in .mp4.
        frame_rate: frames per second.

    Returns:
        The number of images.
    """
    import av

    count = 0
    with av.open(str(target), "w", format="mp4") as container:
        stream: VideoStream | None = None
        for image in images:
            if stream is None:
                stream = _add_video_stream(container, frame_rate, image.size)
            frame = av.VideoFrame.from_image(image).reformat(
                format=PIXEL_FORMAT, dst_colorspace=BT709, dst_color_range=LIMITED_RANGE
            )
            frame.pts, frame.time_base = count, 1 / frame_rate
            container.mux(stream.encode(frame))
            count += 1
        if stream is not None:
            container.mux(stream.encode(None))
    return count


def count_video_frames(segment: Path) -> int:
    """Count the frames of a segment; return 0 for a damaged file."""
    import av
    from av.error import FFmpegError

    try:
        with av.open(str(segment)) as container:
            return sum(1 for packet in container.demux(video=0) if packet.size)
    except (FFmpegError, IndexError):
        return 0


def mux(
    segments: Sequence[Path],
    soundtrack: Path | None,
    target: Path,
    *,
    frame_rate: Fraction,
    metadata: Mapping[str, object],
) -> None:
    """Concatenate segments and add a soundtrack, copying both streams without encoding them again.

    Args:
        segments: files from `encode_segment`, of one size and frame rate.
        soundtrack: MP4 file with one audio stream; None for a silent film.
        target: file that ends in .mp4.
        frame_rate: frames per second.
        metadata: values that are stored as JSON in the comment of the file.

    Raises:
        InputError: the segments were encoded by different versions of the encoder.
    """
    import av

    with ExitStack() as files:
        options = {"movflags": "+faststart"}
        container = files.enter_context(av.open(str(target), "w", format="mp4", container_options=options))
        container.metadata["comment"] = json.dumps(metadata, ensure_ascii=False)
        first = files.enter_context(av.open(str(segments[0])))
        video = container.add_stream_from_template(first.streams.video[0])
        video.time_base = 1 / frame_rate
        tracks = [_video_packets(segments, video, frame_rate)]
        if soundtrack is not None:
            sound = files.enter_context(av.open(str(soundtrack)))
            audio = container.add_stream_from_template(sound.streams.audio[0])
            tracks.append(_audio_packets(sound.demux(audio=0), audio))
        # Interleaved by time, so that the muxer buffers little of either stream.
        for packet in heapq.merge(*tracks, key=_time):
            container.mux(packet)


def read_metadata(film: Path) -> Any:
    """Return the values that `mux` stored in a film; None for another file."""
    import av
    from av.error import FFmpegError

    try:
        with av.open(str(film)) as container:
            return json.loads(container.metadata.get("comment", "null"))
    except (FFmpegError, ValueError, OSError):
        return None


def _add_video_stream(container: OutputContainer, frame_rate: Fraction, size: tuple[int, int]) -> VideoStream:
    stream = container.add_stream(ENCODER, rate=frame_rate, options=ENCODER_OPTIONS)
    stream.width, stream.height = size
    stream.pix_fmt = PIXEL_FORMAT
    stream.time_base = 1 / frame_rate
    codec = stream.codec_context
    codec.colorspace = codec.color_primaries = codec.color_trc = BT709
    codec.color_range = LIMITED_RANGE
    return stream


def _video_packets(segments: Sequence[Path], stream: Stream, frame_rate: Fraction) -> Iterator[Packet[Stream]]:
    """Yield the packets of all segments, with PTS counted through."""
    import av

    number = 0
    header: bytes | None = None
    for segment in segments:
        with av.open(str(segment)) as container:
            source = container.streams.video[0]
            header = header or source.codec_context.extradata
            if source.codec_context.extradata != header:
                raise InputError(
                    f"{segment} was encoded by another version of the encoder; restart the film (--restart)"
                )
            for packet in container.demux(source):
                if packet.size:
                    packet.pts = packet.dts = number
                    packet.duration, packet.time_base = 1, 1 / frame_rate
                    packet.stream = stream
                    yield packet
                    number += 1


def _audio_packets(packets: Iterator[Packet[Stream]], stream: Stream) -> Iterator[Packet[Stream]]:
    for packet in packets:
        if packet.dts is not None:
            packet.stream = stream
            yield packet


def _time(packet: Packet[Stream]) -> Fraction:
    """Return the decoding time in seconds."""
    return (packet.dts or 0) * (packet.time_base or Fraction(1))
