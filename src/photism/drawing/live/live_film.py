"""Record a live drawing as a film with its sound."""

from __future__ import annotations

import wave
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from fractions import Fraction
from itertools import repeat
from pathlib import Path
from queue import SimpleQueue
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from photism.audio.sampling import SAMPLING_RATE
from photism.audio.sources import SoundFile
from photism.drawing.video.encoding import encode_segment, mux
from photism.drawing.video.soundtrack import write_soundtrack
from photism.files import atomic_files

if TYPE_CHECKING:
    from PIL.Image import Image

VIDEO_NAME, SAMPLES_NAME, SOUND_NAME = "video.mp4", "samples.wav", "sound.mp4"
LARGEST_SAMPLE = 2**15 - 1
MOST_WAITING = 16
"""Number of pictures that may wait for the encoder. On a machine that encodes more slowly, further ones are dropped."""


class LiveFilm:
    """MP4 file of pictures and sound, written next to its target and renamed when it is closed.

    Pictures and samples may come from two threads, and the film may be closed in a third: what comes later is ignored.
    A picture is seen until the next one.

    Args:
        target: file that ends in .mp4; an existing one is replaced.
        frame_rate: frames per second; a picture is at a multiple of a frame.
        start_s: time of the first frame in the recording, in seconds.

    Attributes:
        frame_count: number of frames so far.
    """

    def __init__(self, target: Path, frame_rate: Fraction, *, start_s: float = 0.0) -> None:
        self.target, self.frame_count = target, 0
        self._frame_rate, self._start_s = frame_rate, start_s
        self._lock = Lock()
        self._is_closed = False
        self._last: Image | None = None
        self._hold_s = 0.0
        self._waiting: SimpleQueue[tuple[Image, int] | None] = SimpleQueue()  # pictures, each with its number of frames
        with ExitStack() as stack:
            self._folder = stack.enter_context(atomic_files(target.parent, name=target.name))
            self._samples = stack.enter_context(wave.open(str(self._folder / SAMPLES_NAME), "wb"))
            self._samples.setparams((1, 2, SAMPLING_RATE, 0, "NONE", ""))
            self._sample_count = 0
            threads = stack.enter_context(ThreadPoolExecutor(1))
            stack.callback(self._waiting.put, None)  # ends the encoder, also after an error
            video = self._folder / VIDEO_NAME
            self._encoded = threads.submit(encode_segment, self._frames(), video, frame_rate=frame_rate)
            self._stack = stack.pop_all()

    def add_picture(self, time_s: float, image: Image) -> None:
        """Append a picture, unless too many wait for the encoder: then the one before is seen for longer.

        Args:
            time_s: its time in the recording, in seconds, at least that of the picture before.
            image: RGB image, of the size of all others.
        """
        with self._lock:
            if self._is_closed or self._waiting.qsize() >= MOST_WAITING:
                return
            # The first picture is there from the start.
            self._repeat(round((time_s - self._start_s) * self._frame_rate) if self._last is not None else 0)
            self._last = image

    def add_samples(self, samples: NDArray[np.float32]) -> None:
        """Append samples (T,) at 16 kHz."""
        scaled = (LARGEST_SAMPLE * samples.clip(-1, 1)).round().astype("<i2")
        with self._lock:
            if not self._is_closed:
                self._samples.writeframes(scaled.tobytes())
                self._sample_count += len(samples)

    @property
    def duration_s(self) -> float:
        """Duration of the samples so far, in seconds."""
        return self._sample_count / SAMPLING_RATE

    def hold(self, duration_s: float) -> None:
        """Let the last picture be seen after the end of the sound, in silence.

        Args:
            duration_s: for how long, in seconds.
        """
        self._hold_s = duration_s

    def close(self, sound: SoundFile | None = None) -> bool:
        """Write the film, unless it has no picture or no sample; return whether there is a film.

        Args:
            sound: recording that the samples are those of, whose own sound becomes the soundtrack.
        """
        with self._lock:
            self._is_closed = True
        with self._stack:
            self._samples.close()
            if self._last is None or self._sample_count == 0:
                self._waiting.put(None)
                self._encoded.exception()  # waits for the encoder, which may have begun a file
                self._empty()
                return False
            self._repeat(max(1, round((self.duration_s + self._hold_s) * self._frame_rate)))
            self._waiting.put(None)
            self._encoded.result()
            self._mux(sound)
            return True

    def _repeat(self, frame: int) -> None:
        """Let the last picture be seen until a frame."""
        if self._last is not None and frame > self.frame_count:
            self._waiting.put((self._last, frame - self.frame_count))
            self.frame_count = frame

    def _frames(self) -> Iterator[Image]:
        """Yield the pictures of all frames, in the thread that encodes them."""
        for image, count in iter(self._waiting.get, None):
            yield from repeat(image, count)

    def _mux(self, sound: SoundFile | None) -> None:
        video, soundtrack = (self._folder / name for name in (VIDEO_NAME, SOUND_NAME))
        start_s = 0.0 if sound is None else self._start_s
        span_s = start_s, start_s + self.duration_s + self._hold_s
        write_soundtrack(sound or SoundFile(self._folder / SAMPLES_NAME), soundtrack, "aac", span_s=span_s)
        film = self._folder / self.target.name
        mux([video], soundtrack, film, frame_rate=self._frame_rate, metadata={})
        self._empty(kept=film)

    def _empty(self, kept: Path | None = None) -> None:
        """Delete the files that the film was made of."""
        for path in self._folder.iterdir():
            if path != kept:
                path.unlink()
