"""Pictures to H.264, and pieces of it with a sound track to one MP4 file, through PyAV, which brings its own FFmpeg."""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from photism.errors import InputError

if TYPE_CHECKING:
    from av import Packet, VideoStream
    from av.container import OutputContainer
    from av.stream import Stream
    from PIL.Image import Image

ENCODER = "libx264"
# Without pictures that wait for later ones, a piece can be put after any other. With one thread, they are the same on
# every machine. Quality 18 is hardly told from the original.
ENCODER_OPTIONS = {"crf": "18", "preset": "medium", "bf": "0", "threads": "1"}
PIXEL_FORMAT = "yuv420p"  # what every player shows
BT709 = 1  # in FFmpeg, of the matrix, the primaries and the transfer alike
LIMITED_RANGE = 1


def write_piece(pictures: Iterable[Image], target: Path, *, fps: Fraction) -> int:
    """Encode pictures as a video of its own.

    Args:
        pictures: RGB, of one size, which is even.
        target: a file that ends in .mp4.
        fps: pictures a second.

    Returns:
        how many there were.
    """
    import av

    count = 0
    with av.open(str(target), "w", format="mp4") as container:
        stream: VideoStream | None = None
        for picture in pictures:
            if stream is None:
                stream = _add_stream(container, fps, picture.size)
            frame = av.VideoFrame.from_image(picture).reformat(
                format=PIXEL_FORMAT, dst_colorspace=BT709, dst_color_range=LIMITED_RANGE
            )
            frame.pts, frame.time_base = count, 1 / fps
            container.mux(stream.encode(frame))
            count += 1
        if stream is not None:
            container.mux(stream.encode(None))
    return count


def count_pictures(piece: Path) -> int:
    """How many pictures a piece holds; 0 where it is damaged."""
    import av
    from av.error import FFmpegError

    try:
        with av.open(str(piece)) as container:
            return sum(1 for packet in container.demux(video=0) if packet.size)
    except (FFmpegError, IndexError):
        return 0


def join(pieces: Sequence[Path], soundtrack: Path, target: Path, *, fps: Fraction, about: Mapping[str, object]) -> None:
    """Put pieces one after another beside a sound track, without encoding either again.

    Args:
        pieces: from `write_piece`, all of one size and rate.
        soundtrack: an MP4 file with one stream of sound.
        target: a file that ends in .mp4.
        fps: pictures a second.
        about: what the file carries as its comment, in JSON.
    """
    import av

    with (
        av.open(str(target), "w", format="mp4", container_options={"movflags": "+faststart"}) as container,
        av.open(str(pieces[0])) as first,
        av.open(str(soundtrack)) as sound,
    ):
        container.metadata["comment"] = json.dumps(about, ensure_ascii=False)
        video = container.add_stream_from_template(first.streams.video[0])
        video.time_base = 1 / fps
        audio = container.add_stream_from_template(sound.streams.audio[0])
        # In the order of their times, so that no more than a moment of either is held.
        packets = heapq.merge(_pictures(pieces, video, fps), _stamped(sound.demux(audio=0), audio), key=_time)
        for packet in packets:
            container.mux(packet)


def _add_stream(container: OutputContainer, fps: Fraction, size: tuple[int, int]) -> VideoStream:
    stream = container.add_stream(ENCODER, rate=fps, options=ENCODER_OPTIONS)
    stream.width, stream.height = size
    stream.pix_fmt = PIXEL_FORMAT
    stream.time_base = 1 / fps
    codec = stream.codec_context
    codec.colorspace = codec.color_primaries = codec.color_trc = BT709
    codec.color_range = LIMITED_RANGE
    return stream


def _pictures(pieces: Sequence[Path], stream: Stream, fps: Fraction) -> Iterator[Packet[Stream]]:
    """Of one piece after another, numbered through."""
    import av

    number = 0
    header: bytes | None = None
    for piece in pieces:
        with av.open(str(piece)) as container:
            source = container.streams.video[0]
            header = header or source.codec_context.extradata
            if source.codec_context.extradata != header:
                raise InputError(f"{piece} was encoded by another version of the encoder; begin the film anew")
            for packet in container.demux(source):
                if packet.size:
                    packet.pts = packet.dts = number
                    packet.duration, packet.time_base = 1, 1 / fps
                    packet.stream = stream
                    yield packet
                    number += 1


def _stamped(packets: Iterator[Packet[Stream]], stream: Stream) -> Iterator[Packet[Stream]]:
    for packet in packets:
        if packet.dts is not None:
            packet.stream = stream
            yield packet


def _time(packet: Packet[Stream]) -> Fraction:
    return (packet.dts or 0) * (packet.time_base or Fraction(1))
