"""Print a live transcript while it is still going on."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Literal

import typer

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from photism.listening.transcription.streaming import StreamUpdate, TranscriptStream
    from photism.listening.transcription.transcript import Transcript, Word

MAX_LINE_LENGTH = 72  # characters
PAUSE_S = 1.0
"""Pause between two words that starts a new line."""
DIM, PLAIN = "\x1b[2m", "\x1b[0m"
SAVE_CURSOR, RESTORE_AND_CLEAR = "\x1b7", "\x1b8\x1b[J"


def transcribe_live(
    stream: TranscriptStream,
    blocks: Generator[NDArray[np.float32]],
    *,
    updates: Literal["words", "json", "none"] = "words",
    write: Callable[[Transcript], None] | None = None,
) -> None:
    """Print final words and, on a terminal, the partial ones after them, until the source ends or Ctrl-C.

    Args:
        stream: a stream without samples yet.
        blocks: samples in blocks of any length.
        updates: what is printed meanwhile: words, JSON objects, or nothing.
        write: writes or prints the whole transcript at the end; None if its words are all that is wanted.
    """
    delay = f"each word becomes final about {stream.delay_s:g} s after it is spoken"
    typer.echo(f"Listening; {delay}. Press Ctrl-C to stop.", err=True)
    printer = _Printer(updates)
    with suppress(KeyboardInterrupt), closing(blocks):  # closing stops the microphone
        for block in blocks:
            printer.show(stream.feed(block))
    printer.show(stream.finish())
    printer.end()
    if write is not None:
        write(stream.transcript)


class _Printer:
    """Printer of updates: words in lines, or JSON."""

    def __init__(self, updates: str) -> None:
        self._as_json, self._is_quiet = updates == "json", updates == "none"
        self._shows_partial = not self._as_json and not self._is_quiet and sys.stdout.isatty()
        self._shown = ""  # partial words on the terminal
        self._line_length = 0
        self._end_s = 0.0  # of the last word

    def show(self, update: StreamUpdate) -> None:
        """Print an update."""
        if self._as_json:
            fields = update.as_dict()
            if update.final or fields["partial"] != self._shown:
                self._shown = fields["partial"]
                self.write(json.dumps(fields, ensure_ascii=False) + "\n")
        elif not self._is_quiet:
            self._show_words(update.final, update.partial)

    def end(self) -> None:
        """End the last line."""
        if self._line_length:
            self.write("\n")

    def _show_words(self, final: Sequence[Word], partial: Sequence[Word]) -> None:
        if self._shows_partial and self._shown and (final or partial):
            self.write(RESTORE_AND_CLEAR)
            self._shown = ""
        for word in final:
            is_too_long = self._line_length + 1 + len(word.text) > MAX_LINE_LENGTH
            starts_line = is_too_long or word.start_s - self._end_s > PAUSE_S
            space = "" if not self._line_length else "\n" if starts_line else " "
            self._line_length = len(word.text) + (self._line_length + 1 if space == " " else 0)
            self._end_s = word.end_s
            self.write(space + word.text)
        if self._shows_partial and partial:
            # Within the line: scrolling would move the saved position of the cursor.
            room = shutil.get_terminal_size().columns - self._line_length - 2
            self._shown = " ".join(word.text for word in partial)[: max(0, room)]
            self.write(f"{SAVE_CURSOR}{' ' if self._line_length else ''}{DIM}{self._shown}{PLAIN}")

    def write(self, text: str) -> None:
        """Print text at once, without a line break of its own."""
        sys.stdout.write(text)
        sys.stdout.flush()
