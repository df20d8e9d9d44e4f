"""photism live: pictures that follow who speaks or plays."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, nullcontext, suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from photism.audio.reading_settings import ReadingSettings
from photism.cli import options as option
from photism.cli.live_source import LiveSource
from photism.cli.live_window import LiveWindow, open_window
from photism.cli.startup import load_pipeline, startup
from photism.drawing.live.settings import LiveSettings
from photism.drawing.video.settings import read_frame_rate
from photism.errors import InputError
from photism.files import check_writable
from photism.output_files import printable
from photism.prompts.settings import PipelineSettings

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from photism.drawing.live.live_drawing import LiveDrawing, LivePicture
    from photism.drawing.live.live_film import LiveFilm
    from photism.drawing.live.live_runner import LiveRunner

SUFFIX = ".mp4"
WAIT_S = 0.05
"""Time between two looks at whether the drawing has ended, without a window."""
HOLD_S = 1.0
"""Time for which a film shows the last picture after its source has ended."""


def live(
    *,
    sound: Annotated[
        str | None,
        typer.Argument(
            metavar="SOUND",
            help="File or URL, which is drawn at its own pace; - for standard input. Default: the microphone.",
        ),
    ] = None,
    settings: LiveSettings,
    full_screen: Annotated[
        bool,
        typer.Option(
            "--fullscreen",
            help="Begin in full screen.",
            rich_help_panel=option.OUTPUT,
        ),
    ] = False,
    caption: Annotated[
        bool,
        typer.Option(
            "--caption",
            help="Show the recognised caption; with --no-display, print it when it changes.",
            rich_help_panel=option.OUTPUT,
        ),
    ] = False,
    record: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.mp4", help="Record the pictures with their sound as a film.", rich_help_panel=option.OUTPUT
        ),
    ] = None,
    no_display: Annotated[
        bool,
        typer.Option(
            "--no-display",
            help="Open no window, on a machine without a screen. Needs --record.",
            rich_help_panel=option.OUTPUT,
        ),
    ] = False,
    reading: ReadingSettings,
    raw: option.RawRate = None,
    input_device: option.InputDevice = None,
    models: PipelineSettings,
    controlnet: option.ControlNet = None,
    force: option.Force = False,
    as_json: Annotated[
        bool,
        typer.Option(
            "--json",
            help="Print a JSON object at the end.",
            rich_help_panel=option.OUTPUT,
        ),
    ] = False,
) -> None:
    """Draw while somebody speaks or plays.

    The picture of a word appears when the word has been said, and stays until the next one. Loudness moves its zoom,
    and onsets push it. Keys in the window: f full screen, c caption, r record, space freeze, q or Esc quit. A model
    with an LCM-LoRA in its folder draws in few steps, unless another scheduler is given.

    Examples:
        photism live --caption
        photism live butterfly.ca.ogg --no-display --record butterfly.mp4
    """
    source = LiveSource(sound, reading, raw, input_device)
    models = option.with_controlnet(models, controlnet, settings)
    if no_display and record is None:
        raise InputError("--no-display needs --record FILE.mp4, or the pictures would be lost")
    if no_display and full_screen:
        raise InputError("--fullscreen and --no-display exclude each other; give one of them")
    if record is not None:
        _check_film(record, force=force)
    settings = settings.decoded()
    source.check()
    with nullcontext() if no_display else open_window(full_screen=full_screen) as window:
        drawing = _load(models, settings)
        shown = _Performance(drawing, source, window, shows_caption=caption)
        typer.echo(f"Drawing {source.name}. Press Ctrl-C to stop.", err=True)
        shown.run(record)
    typer.echo(option.format_result(shown.summary, as_json=as_json))


def _check_film(path: Path, *, force: bool) -> None:
    if path.suffix.lower() != SUFFIX:
        raise InputError(f"--record must be a file that ends in {SUFFIX}; got {path}")
    check_writable(path, "--record", force=force)


def _load(models: PipelineSettings, settings: LiveSettings) -> LiveDrawing:
    """Load the pipeline, which draws in few steps if its model has an LCM-LoRA."""
    with startup():
        from photism.drawing.few_step_pipeline import LCM, has_lcm
        from photism.drawing.live.live_drawing import LiveDrawing
        from photism.prompts.model_folder import find_model

        find_model(models.model)  # fetches it, so that its files show what it has
        models = replace(models, scheduler=LCM) if has_lcm(models) else models
    pipeline, ranker = load_pipeline(models, steps=settings.num_inference_steps)
    drawing = LiveDrawing(pipeline, settings, ranker)
    LiveDrawing(pipeline, settings).picture()  # the first call takes longer
    return drawing


@dataclass(frozen=True)
class _Summary:
    """Summary of a live drawing."""

    pictures: int
    duration_s: float
    files: tuple[Path, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return the number of pictures, the duration of the sound and the films for JSON."""
        rate = self.pictures / self.duration_s if self.duration_s else 0.0
        return {
            "files": [str(path) for path in self.files],
            "pictures": self.pictures,
            "duration_s": self.duration_s,
            "pictures_per_s": rate,
        }

    def __str__(self) -> str:
        """Return the number of pictures, and a line for each film."""
        rate = self.as_dict()["pictures_per_s"]
        about = f"{self.pictures} pictures in {self.duration_s:.1f} s, {rate:.1f} a second"
        return "\n".join([about, *(printable(str(path)) for path in self.files)])


class _Performance:
    """A live drawing that is shown in a window, and recorded.

    Args:
        drawing: the drawing.
        source: where its samples come from.
        window: shows the pictures; None without a screen.
        shows_caption: whether captions are shown, or printed without a window.
    """

    def __init__(
        self, drawing: LiveDrawing, source: LiveSource, window: LiveWindow | None, *, shows_caption: bool
    ) -> None:
        self._drawing, self._source, self._window = drawing, source, window
        self._shows_caption = shows_caption
        self._frame_rate: Fraction = read_frame_rate(drawing.settings.fps)
        self._picture: LivePicture | None = None
        self._printed: str | None = None
        self._film: LiveFilm | None = None
        self._count = 0
        self._finishing = ThreadPoolExecutor(1)
        self._finished: list[Future[Path | None]] = []
        self._files: list[Path] = []

    @property
    def summary(self) -> _Summary:
        """Numbers and films of what was drawn."""
        return _Summary(self._count, self._drawing.duration_s, tuple(self._files))

    def run(self, record: Path | None) -> None:
        """Draw until the source ends, or the user stops; the film is written in any case."""
        from photism.drawing.live.live_runner import LiveRunner

        runner = LiveRunner(self._drawing, self._source.blocks(), self._show, self._add_samples)
        with ExitStack() as stack:
            stack.callback(self._finish_films)
            if record is not None:
                self._start_film(record)
            stack.enter_context(suppress(KeyboardInterrupt))
            runner.start()
            stack.callback(runner.stop)  # also after an error, and before the film ends
            while runner.is_running:
                if self._window is None:
                    self._wait()
                elif not self._react(self._window, runner):
                    break
            else:
                self._hold_last_picture()

    def _hold_last_picture(self) -> None:
        """Let the picture of the last word be seen in the film, as it appears when the source ends."""
        if (film := self._film) is not None:
            film.hold(HOLD_S)

    def _wait(self) -> None:
        """Wait for the threads, and for Ctrl-C."""
        time.sleep(WAIT_S)

    def _react(self, window: LiveWindow, runner: LiveRunner) -> bool:
        """Show the newest picture and do what keys ask for; return False to quit."""
        reactions: dict[str, Callable[[], None]] = {
            "full screen": window.toggle_full_screen,
            "caption": self._toggle_caption,
            "record": self._toggle_film,
            "freeze": runner.toggle_freeze,
        }
        for action in window.actions():
            if action == "quit":
                return False
            reactions[action]()
        picture = self._picture
        if picture is not None:
            text = picture.caption if self._shows_caption else None
            window.show(picture.image, text, is_recording=self._film is not None)
        return True

    def _show(self, picture: LivePicture) -> None:
        """Take a picture from the thread that draws."""
        self._picture = picture
        self._count += 1
        if (film := self._film) is not None:
            film.add_picture(picture.time_s, picture.image)
        if self._window is None and self._shows_caption and picture.caption != self._printed:
            self._printed = picture.caption
            typer.echo(f"{picture.time_s:.1f} s  {picture.caption}")

    def _add_samples(self, samples: NDArray[np.float32]) -> None:
        """Take samples from the thread that reads."""
        if (film := self._film) is not None:
            film.add_samples(samples)

    def _toggle_caption(self) -> None:
        self._shows_caption = not self._shows_caption

    def _toggle_film(self) -> None:
        if self._film is None:
            self._start_film(Path(time.strftime(f"photism-%Y%m%d-%H%M%S{SUFFIX}")))
        else:
            self._end_film()

    def _start_film(self, target: Path) -> None:
        from photism.drawing.live.live_film import LiveFilm

        self._film = LiveFilm(target, self._frame_rate, start_s=self._drawing.duration_s)

    def _end_film(self) -> None:
        """Finish the film in another thread, which takes a while, so that the window goes on."""
        film, self._film = self._film, None
        if film is not None:
            self._finished.append(self._finishing.submit(self._finish, film))

    def _finish(self, film: LiveFilm) -> Path | None:
        """Write a film, and return its file if it has a picture."""
        return film.target if film.close(self._source.file) else None

    def _finish_films(self) -> None:
        """End the film, and wait for all."""
        self._end_film()
        self._finishing.shutdown()
        self._files = [path for each in self._finished if (path := each.result()) is not None]
