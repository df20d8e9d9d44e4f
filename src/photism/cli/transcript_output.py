"""Where transcripts go: printed, or to files that are named before anything is heard, and written whole."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from photism.cli.png import sound_stem
from photism.errors import InputError
from photism.files import atomic_text, check_writable

if TYPE_CHECKING:
    from photism.listening.transcription.transcript import Transcript

TEXT = "txt"
FORMATS = (TEXT, "srt", "vtt", "tsv", "json")


@dataclass(frozen=True)
class Destination:
    """What becomes of the transcript of each sound.

    Attributes:
        sounds: as they were given.
        targets: a file for each, or None where it is printed.
        format: one of `FORMATS`.
        words: as in `write_transcript`.
        as_json: print an object a sound.
    """

    sounds: Sequence[str]
    targets: Sequence[Path] | None
    format: str
    words: bool
    as_json: bool

    @classmethod
    def of(
        cls,
        sounds: Sequence[str],
        output: str | None,
        format: str | None,
        *,
        words: bool,
        as_json: bool,
        force: bool,
    ) -> Destination:
        """As the options say.

        Raises:
            InputError: a format is none, or a file cannot be written, is there already, or would be written twice.
        """
        to_folder = output is not None and (output.endswith("/") or Path(output).is_dir())
        named = Path(output).suffix[1:].lower() if output is not None and not to_folder else None
        chosen = format or named or TEXT
        if chosen not in FORMATS:
            raise InputError(f"--format must be one of {', '.join(FORMATS)}; got {chosen}")
        if output is None:
            if len(sounds) > 1 and chosen != TEXT and not as_json:
                raise InputError(
                    f"--format {chosen} of several sounds needs -o FOLDER, a file for each; or take --json"
                )
            return cls(sounds, None, chosen, words, as_json)
        if len(sounds) > 1 and not to_folder:
            raise InputError(f"-o must be a folder for several sounds, but {output} is none; create it")
        paths = [Path(output, f"{sound_stem(sound)}.{chosen}") if to_folder else Path(output) for sound in sounds]
        seen: dict[Path, str] = {}
        for sound, path in zip(sounds, paths, strict=True):
            if path in seen:
                raise InputError(f"{seen[path]} and {sound} would both be written to {path}; take them one by one")
            check_writable(path, "-o", force=force)
            seen[path] = sound
        return cls(sounds, paths, chosen, words, as_json)

    @property
    def prints_text(self) -> bool:
        """Plain text, which can be printed as it comes."""
        return self.targets is None and self.format == TEXT and not self.as_json

    def give(self, number: int, transcript: Transcript, *, echo: Callable[[str], None]) -> None:
        """Writes or prints the transcript of a sound.

        Args:
            number: of the sound.
            transcript: of it.
            echo: prints text, which has its own line breaks.
        """
        from photism.listening.label_formats import as_json
        from photism.listening.transcription.formats import write_transcript

        sound = self.sounds[number]
        text = write_transcript(transcript, self.format, words=self.words)
        target = self.targets[number] if self.targets is not None else None
        if target is not None:
            with atomic_text(target) as file:
                file.write(text)
        if self.as_json:
            output = {} if target is None else {"output": str(target)}
            echo(as_json({"file": sound} | transcript.as_dict(characters=self.words) | output))
        elif target is not None:
            echo(f"{target}\n")
        else:
            echo(f"{sound}\n  {text}" if len(self.sounds) > 1 else text)
