"""Settings of a film, checked before a recording is read or a model is loaded."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from photism.drawing.settings import ImageSettings
from photism.drawing.video.motion import BANDS, read_drives
from photism.prompts.settings import normalize_weights, parse_weights
from photism.seeds import expand_seeds
from photism.settings import SettingError, setting, settings

Sync: TypeAlias = Literal["auto", "speech", "onsets", "beat", "downbeat", "fixed"]
Audio: TypeAlias = Literal["aac", "copy", "none"]

MAX_FPS = 1000
MAX_DENOMINATOR = 1001  # of a frame rate: 30000/1001 is that of NTSC


def read_frame_rate(fps: Fraction | float | str) -> Fraction:
    """Return a frame rate as a fraction with a denominator of at most 1001.

    Args:
        fps: frames per second, as a number or as text such as "29.97" or "30000/1001".

    Raises:
        SettingError: `fps` is not a number, or not above 0 and at most 1000.
    """
    try:
        rate = Fraction(fps).limit_denominator(MAX_DENOMINATOR)
    except (TypeError, ValueError, ArithmeticError):
        message = f"must be a number or a fraction, such as 25, 29.97 or 30000/1001; got {fps}"
        raise SettingError("fps", message) from None
    if not 0 < rate <= MAX_FPS:
        bounds = {"exclusiveMinimum": 0, "maximum": MAX_FPS}
        raise SettingError("fps", f"must be above 0 and at most {MAX_FPS}; got {fps}", values=bounds)
    return rate


@settings(group="motion")
class FilmSettings(ImageSettings):
    """Settings of a film."""

    fps: Fraction | float | str = setting(
        25,
        "Frame rate: a number or a fraction, such as 24, 29.97 or 30000/1001.",
        unit="frames per second",
        metavar="RATE",
        parse=read_frame_rate,
        group="output",
    )
    sync: Sync = setting(
        "auto",
        "What the picture changes with: words (speech, by voice activity), musical events (onsets), every beat of "
        "music (beat) or the first of each bar (downbeat), or windows of a fixed length (fixed). auto is speech where "
        "at least half of the sound is, or else onsets; with --hop, fixed.",
        choices=get_args(Sync),
    )
    fade_s: float | None = setting(
        None,
        "Duration of the cross-fade of prompts, from the time at which a word or event begins. Default: 0.1, or 1 for "
        "onsets, which move noise and zoom at once.",
        unit="seconds",
        minimum=0,
        flag="--fade",
    )
    window_s: float = setting(
        3.0,
        "Length of the fixed windows, and the length at which longer speech or music is cut; up to a third more stays "
        "whole. Each is encoded into one prompt.",
        unit="seconds",
        minimum=0.1,
        field_maximum=600,
        flag="--window",
    )
    hop_s: float | None = setting(
        None,
        "Time from the start of one fixed window to the start of the next, at most the length of a window. Default: 1, "
        "or the length of a shorter window.",
        unit="seconds",
        minimum=0.01,
        flag="--hop",
    )
    noise: float = setting(
        1.0,
        "Speed at which the initial noise drifts, and is pushed by onsets: 1 gives another image after half a minute "
        "of silence or about four strong beats, 0 keeps the noise fixed.",
        minimum=0,
    )
    zoom: float = setting(
        0.1,
        "Zoom at the highest loudness and the strongest pulse of onsets, as a fraction: 0.1 enlarges the image by a "
        "tenth, 0 disables it.",
        minimum=0,
    )
    low: str | None = setting(
        None,
        "What frequencies up to 200 Hz drive: zoom, noise, colour (its saturation) or prompt (how strongly the sound "
        "is drawn), several with commas, each with a factor after a colon, such as zoom:2,colour. A band that drives "
        "zoom or noise does so in place of loudness and onsets; its factor multiplies --zoom or --noise.",
        metavar="TARGETS",
    )
    mid: str | None = setting(None, "What frequencies from 200 to 2000 Hz drive, as in --low.", metavar="TARGETS")
    high: str | None = setting(None, "What frequencies above 2000 Hz drive, as in --low.", metavar="TARGETS")
    attack_s: float = setting(
        0.01,
        "Time constant with which loudness and bands rise; 0 follows without delay.",
        unit="seconds",
        minimum=0,
        flag="--attack",
    )
    release_s: float = setting(
        0.05,
        "Time constant with which loudness and bands fall; 0 follows without delay.",
        unit="seconds",
        minimum=0,
        flag="--release",
    )
    pulse_s: float = setting(
        0.25,
        "Time constant with which the pulse of an onset, which moves the zoom, decays.",
        unit="seconds",
        minimum=0,
        flag="--pulse",
    )
    mix: str | None = setting(
        None,
        "Blend the prompts of all recordings, weighted as in 2,1. The first recording gives the sound, the length and "
        "the motion of the film; a shorter one keeps its last prompt.",
        metavar="WEIGHTS",
        group="prompt",
    )
    moments: Any = setting(
        None,
        "Key moments: a CSV table whose first line is time,text,sound,strength, with a row for each time at which a "
        "text or another recording is drawn; prompts are interpolated between them. A row with a time alone returns "
        "to the recording. In Python also a list of KeyMoment.",
        metavar="FILE",
        is_field=False,
        group="prompt",
    )
    audio: Audio = setting(
        "aac",
        "Soundtrack of the film: aac, which every player plays; copy, the recording's own samples, copied if MP4 can "
        "hold them as they are encoded (AAC, ALAC, FLAC), and otherwise as FLAC; or none.",
        choices=get_args(Audio),
        group="output",
    )
    seed: int = setting(
        0, "Random seed of the initial noise; the same seed gives the same film.", minimum=0, group="generation"
    )

    def check(self) -> None:
        """Check the settings that depend on one another.

        Raises:
            InputError: the frame rate or the seed is out of range, the hop exceeds the window or there are no fixed
                windows, weights are not numbers, or only one of width and height is given.
        """
        super().check()
        read_frame_rate(self.fps)
        if self.hop_s is not None and self.sync not in ("auto", "fixed"):
            raise SettingError("hop_s", f"is for fixed windows; with {{}} {self.sync}, windows have no hop", "sync")
        if self.fade_s is not None and (self.sync == "fixed" or self.hop_s is not None):
            other = "sync" if self.sync == "fixed" else "hop_s"
            raise SettingError("fade_s", "has no effect with {}: prompts of fixed windows always fade", other)
        if self.hop_s is not None and self.hop_s > self.window_s:
            raise SettingError(
                "hop_s",
                f"must be at most {{}}, {self.window_s:g}, or audio between windows is skipped; got {self.hop_s:g}",
                "window_s",
            )
        expand_seeds(self.seed, 1)
        for band in BANDS:
            read_drives(band, getattr(self, band))
        if self.mix is not None:
            parse_weights(self.mix)

    def weights(self, count: int) -> list[float]:
        """Return the weights of `count` recordings in the prompts of the film, with a sum of 1.

        Raises:
            InputError: there are several recordings and no weights, or the weights do not fit.
        """
        if self.mix is None and count > 1:
            raise SettingError("mix", f"must give a weight for each of several recordings, such as 2,1; got {count}")
        return normalize_weights([1.0] if self.mix is None else parse_weights(self.mix), count)

    @property
    def frame_rate(self) -> Fraction:
        """Frames per second."""
        return read_frame_rate(self.fps)

    @property
    def drives(self) -> dict[str, dict[str, float]]:
        """Amount of each target that each band drives."""
        return {band: read_drives(band, getattr(self, band)) for band in BANDS}


@settings(group="output")
class ExcerptSettings:
    """What is drawn of a film, if it is not the whole one."""

    preview: bool = setting(False, "Draw only the five seconds in which most happens, as they are in the film.")
    storyboard: Path | None = setting(
        None, "Draw some frames on one sheet, a PNG file, instead of the film.", metavar="FILE", is_field=False
    )
    stills: int = setting(12, "Number of frames of the storyboard.", minimum=1)

    def check(self) -> None:
        """Refuse a preview and a storyboard at once.

        Raises:
            SettingError: both are to be drawn.
        """
        if self.preview and self.storyboard is not None:
            raise SettingError(
                "preview", "cannot be combined with {}; draw one, then the other", "storyboard", code="excludes-field"
            )
