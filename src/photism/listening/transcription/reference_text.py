"""Given transcripts, to be aligned with a recording: plain text, and the subtitles SubRip and WebVTT."""

from __future__ import annotations

import codecs
import html
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from photism.errors import InputError
from photism.output_files import sound_stem

SUFFIXES = (".txt", ".srt", ".vtt")
"""Suffixes of the transcripts in a folder."""
TIMES = re.compile(r"\s*(?:\d+:)?\d+:\d+[.,]\d+\s*-->\s*(?:\d+:)?\d+:\d+[.,]\d+")
"""Beginning of the line of a subtitle that has its times."""
TAGS = re.compile(r"</?(?:b|c|i|lang|rt|ruby|u|v|font)\b[^<>]*>|<[\d:.]+>|\{\\[^{}]*\}", re.IGNORECASE)
"""Markup of subtitles, which is not spoken."""
WORD_TIME = re.compile(r"<[\d:.]+>")
"""Time of a word within a subtitle of WebVTT."""


@dataclass(frozen=True)
class ReferenceText:
    """A given transcript.

    Attributes:
        cues: one or more lines of text for each cue.
        keeps_cues: whether the cues become subtitles. Otherwise the text is divided into subtitles by its words.
        has_markup: whether the cues have the markup of subtitles, which is not spoken.
    """

    cues: tuple[tuple[str, ...], ...]
    keeps_cues: bool
    has_markup: bool = False

    @classmethod
    def of(cls, text: str | Sequence[str]) -> ReferenceText:
        """Return a text as a reference.

        Args:
            text: a text, each line of which is a cue if there are several; or a list of cues, which may have several
                lines.

        Raises:
            InputError: there are no words.
        """
        texts = text.splitlines() if isinstance(text, str) else text
        cues = tuple(lines for each in texts if (lines := _lines(each.splitlines())))
        if not any(character.isalnum() for lines in cues for line in lines for character in line):
            raise InputError("the transcript has no words")
        return cls(cues, keeps_cues=len(cues) > 1 or not isinstance(text, str))

    def words(self) -> Iterator[tuple[int, str]]:
        """Yield the words that are separated by spaces, without markup, each with the index of its cue."""
        for cue, lines in enumerate(self.cues):
            text = " ".join(lines)
            yield from ((cue, word) for word in (TAGS.sub("", text) if self.has_markup else text).split())

    @classmethod
    def read(cls, path: str | Path) -> ReferenceText:
        """Read a text file in UTF-8 or UTF-16, or subtitles: those of SubRip or WebVTT, whose times are ignored.

        Raises:
            InputError: the file cannot be read, is in another encoding, or has no words.
        """
        try:
            content = Path(path).read_bytes()
            is_utf16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
            text = content.decode("utf-16" if is_utf16 else "utf-8-sig")
        except OSError as error:
            raise InputError(f"{path}: {error.strerror}") from None
        except UnicodeDecodeError:
            raise InputError(f"{path}: the transcript is not a text in UTF-8") from None
        try:
            return cls.parse(text)
        except InputError as error:
            raise InputError(f"{path}: {error}") from None

    @classmethod
    def parse(cls, text: str) -> ReferenceText:
        """Return the reference that the content of a file is: a text, or the subtitles of SubRip or WebVTT.

        Raises:
            InputError: there are no words.
        """
        lines = text.splitlines()
        if any(map(TIMES.match, lines)):
            return replace(cls.of(list(_subtitles(lines))), has_markup=True)
        return cls.of(text)


def find_reference(transcript: str | Path, recording: str) -> Path:
    """Return the file with the transcript of a recording.

    Args:
        transcript: the file itself, or a folder with files named after recordings, such as talk.txt for talk.wav. Where
            the folder has folders as the recordings have, day-1/talk.txt is that of sounds/day-1/talk.wav.
        recording: file or URL.

    Raises:
        InputError: there is none, or there are two.
    """
    folder = Path(transcript)
    if not folder.is_dir():
        return folder
    stem = sound_stem(recording)
    parents = [] if "://" in recording else [part for part in Path(recording).parts[:-1] if part not in ("/", "..")]
    for depth in range(len(parents), -1, -1):
        place = folder.joinpath(*parents[len(parents) - depth :])
        found = [path for suffix in SUFFIXES if (path := place / f"{stem}{suffix}").is_file()]
        if len(found) == 1:
            return found[0]
        if found:
            names = " and ".join(path.name for path in found)
            raise InputError(f"{recording} needs one transcript, but the folder {place} has {names}")
    raise InputError(
        f"{recording} needs one transcript, but the folder {transcript} has no {stem}.txt, {stem}.srt or {stem}.vtt"
    )


def read_references(recordings: Sequence[str], transcript: str) -> list[ReferenceText]:
    """Read the transcripts of recordings.

    Args:
        recordings: files or URLs.
        transcript: file with the transcript of a single recording, or folder with files named after the recordings.

    Raises:
        InputError: a transcript is missing, or cannot be read, or a recording has two of them.
    """
    if len(recordings) > 1 and not Path(transcript).is_dir():
        raise InputError(
            f"--transcript must be a folder for {len(recordings)} recordings, with a file named after each; "
            f"{transcript} is not one"
        )
    paths = [find_reference(transcript, recording) for recording in recordings]
    return [ReferenceText.read(path) for path in paths]


def _subtitles(lines: Iterable[str]) -> Iterable[str]:
    """Yield the text of each subtitle: the lines after its times, up to an empty line."""
    text: list[str] | None = None
    for line in [*lines, ""]:
        if TIMES.match(line):
            text = []
        elif text is not None and line.strip():
            text.append(html.unescape(WORD_TIME.sub("", line)))
        elif text is not None:
            yield "\n".join(text)
            text = None


def _lines(lines: Iterable[str]) -> tuple[str, ...]:
    return tuple(stripped for line in lines if (stripped := line.strip()))
