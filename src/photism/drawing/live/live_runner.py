"""Draw samples while they arrive, in two threads: one reads them, and one draws the newest picture."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator
from contextlib import closing
from threading import Event, Thread
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from photism.drawing.live.live_drawing import LiveDrawing, LivePicture

WAIT_S = 0.05
"""Longest time after which a thread notices that it should end."""
READER_S = 1.0
"""Time that the reader has to end; one that waits for a pipe ends with the process."""


class LiveRunner:
    """Draw samples while they arrive.

    A picture is drawn at multiples of a frame, `settings.fps` a second. If that takes longer than a frame, frames are
    skipped: the picture is always one of the newest sound.

    Args:
        drawing: the drawing.
        blocks: samples (T,) at 16 kHz, in blocks of any length, as `microphone_samples` yields them; it is closed at
            the end.
        callback_on_picture: called with each picture, in the thread that draws.
        callback_on_samples: called with each block, in the thread that reads.
    """

    def __init__(
        self,
        drawing: LiveDrawing,
        blocks: Generator[NDArray[np.float32]],
        callback_on_picture: Callable[[LivePicture], None],
        callback_on_samples: Callable[[NDArray[np.float32]], None] | None = None,
    ) -> None:
        self.drawing = drawing
        self._is_frozen = False
        self._blocks = blocks
        self._on_picture, self._on_samples = callback_on_picture, callback_on_samples
        self._arrived, self._stopped, self._ended = Event(), Event(), Event()
        self._error: BaseException | None = None
        self._reader = Thread(target=self._guarded, args=(self._read,), daemon=True)
        self._drawer = Thread(target=self._guarded, args=(self._draw,), daemon=True)

    @property
    def is_running(self) -> bool:
        """Whether there are pictures to come."""
        return self._drawer.is_alive()

    def start(self) -> None:
        """Start to read and to draw."""
        self._reader.start()
        self._drawer.start()

    def toggle_freeze(self) -> None:
        """Draw no more pictures, or draw again, those of the newest sound: it is followed meanwhile."""
        self._is_frozen = not self._is_frozen

    def stop(self) -> None:
        """End both threads, after the picture that is being drawn.

        Raises:
            Exception: one of the two has failed.
        """
        self._stopped.set()
        self._drawer.join()
        self._reader.join(READER_S)
        if self._error is not None:
            raise self._error

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:
            self._error = self._error or error
            self._stopped.set()

    def _read(self) -> None:
        try:
            with closing(self._blocks):  # which stops the microphone
                for block in self._blocks:
                    if self._stopped.is_set():
                        return
                    self.drawing.feed(block)
                    if self._on_samples is not None:
                        self._on_samples(block)
                    self._arrived.set()
        finally:
            self._ended.set()

    def _draw(self) -> None:
        last, fps = -1, self.drawing.settings.fps
        while not self._stopped.is_set():
            is_last = self._ended.is_set()
            frame = math.floor(self.drawing.duration_s * fps + 1e-9)
            if frame > last:
                last = frame
                if self._is_frozen:
                    self.drawing.follow(frame / fps)
                else:
                    self._on_picture(self.drawing.picture(frame / fps))
            elif is_last:
                return
            else:
                self._arrived.wait(WAIT_S)
                self._arrived.clear()
