"""What verbs tell of the sounds they label: in which form, to which files, and what a bad recording among them does."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TextIO, cast

from photism.cli.png import sound_stem
from photism.cli.progress import recordings_bar
from photism.errors import InputError
from photism.files import atomic_text, check_writable

if TYPE_CHECKING:
    from photism.listening.label_formats import Format
    from photism.listening.windowed_scores import Labels
    from photism.listening.windows import Windows

FORMATS = ("table", "json", "csv", "audacity")
FORMAT_OF_ENDING = {".csv": "csv", ".json": "json", ".jsonl": "json"}


class Listen(Protocol):
    """Streams what sounds are called."""

    def __call__(
        self, *, on_error: Callable[[int, InputError], None], on_heard: Callable[[int, float, float], None]
    ) -> Iterator[Labels]:
        """Of those that can be used, in their order."""
        ...


@dataclass(frozen=True, kw_only=True)
class TellingGiven:
    """The options of `label` and `hear` that say what is told, by their names.

    Raises:
        InputError: one of them is wrong, two exclude each other, or a file cannot be written.
    """

    sounds: Sequence[str]
    window: float | None
    hop: float | None
    format: str | None
    as_json: bool
    output: str | None
    plot: str | None
    force: bool

    def __post_init__(self) -> None:
        if self.format is not None and self.format not in FORMATS:
            raise InputError(f"--format must be one of {', '.join(FORMATS)}; got {self.format}")
        if self.as_json and self.format not in (None, "json"):
            raise InputError(f"--json and --format {self.format} exclude each other; give one of them")
        if self.hop is not None and self.window is None:
            raise InputError("--hop must be given together with --window")
        if self.form == "audacity" and self.is_together and len(self.sounds) > 1:
            raise InputError("--format audacity is a file for each sound: give -o a folder")
        self._check_files()

    @property
    def form(self) -> Format:
        """That of what is told."""
        ending = FORMAT_OF_ENDING.get(Path(self.output).suffix.lower(), "table") if self.output else "table"
        return cast("Format", "json" if self.as_json else self.format or ending)

    @property
    def windows(self) -> Windows | None:
        """None where sounds are heard whole.

        Raises:
            InputError: a length is out of range.
        """
        if self.window is None:
            return None
        from photism.listening.windows import Windows

        return Windows(self.window, self.hop)

    @property
    def is_together(self) -> bool:
        """Whether all is told together, in one file or on the terminal."""
        return self.output is None or not _is_folder(self.output)

    def file_of(self, sound: str) -> Path:
        """Where a sound's labels go, where each has a file of its own."""
        from photism.listening.label_formats import ENDINGS

        return Path(self.output or ".", sound_stem(sound) + ENDINGS[self.form])

    def picture_of(self, sound: str) -> Path | None:
        """Where its timeline goes."""
        if self.plot is None:
            return None
        return Path(self.plot, f"{sound_stem(sound)}.png") if _is_folder(self.plot) else Path(self.plot)

    def _check_files(self) -> None:
        if self.plot is not None:
            from photism.listening.plot import check_matplotlib

            check_matplotlib()
            if not _is_folder(self.plot):
                if len(self.sounds) > 1:
                    raise InputError(f"--plot must be a folder for several sounds, but {self.plot} is none; create it")
                if Path(self.plot).suffix.lower() != ".png":
                    raise InputError(f"--plot must be a folder or a file that ends in .png; got {self.plot}")
        targets = [("--plot", path) for sound in self.sounds if (path := self.picture_of(sound))]
        if self.output is not None:
            files = [Path(self.output)] if self.is_together else [self.file_of(sound) for sound in self.sounds]
            targets += [("-o", path) for path in files]
        seen: set[Path] = set()
        for option, path in targets:
            if path in seen:
                raise InputError(f"{path} would be written for two sounds of that name; give them one by one")
            check_writable(path, option, force=self.force)
            seen.add(path)


def tell(given: TellingGiven, listen: Listen, about: Callable[[str, Labels], dict[str, Any]], doing: str) -> None:
    """Tells what sounds are called, each as soon as it is known; those that cannot be used, on the error stream.

    Args:
        given: the options.
        listen: streams it.
        about: what JSON says of a sound that was heard whole.
        doing: what the bar calls it.

    Raises:
        typer.Exit: with status 2, in the end, where a sound could not be used.
    """
    with recordings_bar(doing, len(given.sounds)) as bar, _together(given) as file:
        is_first = True
        for labels in listen(on_error=bar.skip, on_heard=bar.advance):
            sound = given.sounds[labels.number]
            text = _text(given, sound, labels, about, is_first=is_first or not given.is_together)
            if given.is_together:
                (bar.echo(text) if file is None else file.write(text))
            else:
                _write(given.file_of(sound), text)
            _draw(given.picture_of(sound), sound, labels)
            is_first = False


def _text(
    given: TellingGiven, sound: str, labels: Labels, about: Callable[[str, Labels], dict[str, Any]], *, is_first: bool
) -> str:
    from photism.listening.label_formats import as_audacity, as_csv, as_json, as_table

    if given.form == "csv":
        return as_csv(sound, labels.segments, header=is_first)
    if given.form == "audacity":
        return as_audacity(labels.segments)
    if given.form == "table":
        return as_table(sound, labels.segments, with_times=given.window is not None)
    if given.window is None:
        return as_json(about(sound, labels))
    windows = [
        {"start_s": start_s, "end_s": end_s, "scores": [score._asdict() for score in scores]}
        for start_s, end_s, scores in labels.windows
    ]
    segments = [segment._asdict() for segment in labels.segments]
    return as_json({"file": sound, "duration_s": labels.duration_s, "segments": segments, "windows": windows})


@contextmanager
def _together(given: TellingGiven) -> Generator[TextIO | None]:
    """The file that all goes to, where there is one."""
    if given.output is None or not given.is_together:
        yield None
        return

    with atomic_text(Path(given.output)) as file:
        yield file


def _write(target: Path, text: str) -> None:

    with atomic_text(target) as file:
        file.write(text)


def _draw(target: Path | None, sound: str, labels: Labels) -> None:
    if target is None:
        return
    from photism.audio.waveform import load_waveform
    from photism.listening.plot import write_timeline

    write_timeline(target, load_waveform(sound), labels.segments, title=sound)


def _is_folder(path: str) -> bool:
    return path.endswith("/") or Path(path).is_dir()
