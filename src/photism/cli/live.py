"""What is said in a recording that is still going on, printed as it comes."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Generator, Sequence
from contextlib import closing, suppress
from typing import TYPE_CHECKING

import typer

from photism.cli.transcript_output import Destination

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from photism.listening.transcription.streaming import Heard, TranscriptStream
    from photism.listening.transcription.transcript import Word

LINE_CHARACTERS = 72
PAUSE_S = 1.0
"""Between two words, after which a new line begins."""
DIM, PLAIN = "\x1b[2m", "\x1b[0m"
SAVE, BACK_AND_CLEAR = "\x1b7", "\x1b8\x1b[J"


def transcribe_live(stream: TranscriptStream, pieces: Generator[NDArray[np.float32]], destination: Destination) -> None:
    """Prints words as they become final and, on a terminal, what follows them as far as is known; until Ctrl-C.

    Args:
        stream: that has heard nothing yet.
        pieces: of the recording.
        destination: of the whole transcript, in the end.
    """
    typer.echo(
        f"listening; what is said is heard for good {stream.delay_s:g} s later, and the time that hearing takes",
        err=True,
    )
    printer = _Printer(destination)
    with suppress(KeyboardInterrupt), closing(pieces):  # which is how a microphone is turned off
        for piece in pieces:
            printer.show(stream.feed(piece))
    printer.show(stream.finish())
    printer.end()
    if not destination.prints_text:
        destination.give(0, stream.transcript, echo=printer.write)


class _Printer:
    """Words in lines."""

    def __init__(self, destination: Destination) -> None:
        self._as_json = destination.as_json
        self._quiet = not destination.prints_text and not destination.as_json and destination.targets is None
        self._partial = not self._as_json and not self._quiet and sys.stdout.isatty()
        self._shown = ""
        self._line = 0  # characters of it
        self._end_s = 0.0  # of the last word

    def show(self, heard: Heard) -> None:
        """What is new."""
        if self._as_json:
            partial = " ".join(word.text for word in heard.partial)
            if heard.final or partial != self._shown:
                self._shown = partial
                final = [{"text": word.text, "start_s": round(word.start_s, 3)} for word in heard.final]
                self.write(json.dumps({"final": final, "partial": partial}, ensure_ascii=False) + "\n")
        elif not self._quiet:
            self._show_words(heard.final, heard.partial)

    def end(self) -> None:
        """Ends the last line."""
        if self._line:
            self.write("\n")

    def _show_words(self, final: Sequence[Word], partial: Sequence[Word]) -> None:
        if self._partial and self._shown and (final or partial):
            self.write(BACK_AND_CLEAR)
            self._shown = ""
        for word in final:
            ends = self._line + 1 + len(word.text) > LINE_CHARACTERS or word.start_s - self._end_s > PAUSE_S
            space = "" if not self._line else "\n" if ends else " "
            self._line = len(word.text) + (self._line + 1 if space == " " else 0)
            self._end_s = word.end_s
            self.write(space + word.text)
        if self._partial and partial:
            # Within the line, so that the place to go back to does not scroll away.
            room = shutil.get_terminal_size().columns - self._line - 2
            self._shown = " ".join(word.text for word in partial)[: max(0, room)]
            self.write(f"{SAVE}{' ' if self._line else ''}{DIM}{self._shown}{PLAIN}")

    def write(self, text: str) -> None:
        """As it is, at once."""
        sys.stdout.write(text)
        sys.stdout.flush()
