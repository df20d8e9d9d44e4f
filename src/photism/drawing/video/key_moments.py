"""Key moments of a film: a table of times, each with a text or a recording to draw, which a user writes by hand.

time,text,sound,strength
0:00,,,
0:12.5,a storm,,0.8
1:03,,thunder.ogg,
"""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from photism.errors import InputError
from photism.prompts.prompt_weights import check_weight_syntax

if TYPE_CHECKING:
    from photism.audio.long_recording import Recording
    from photism.drawing.pipeline import AudioToImagePipeline
    from photism.prompts.audio_prompt import AudioPrompt

COLUMNS = ("time", "text", "sound", "strength")


@dataclass(frozen=True, eq=False)
class KeyMoment:
    """Text or recording that a film draws at one time.

    Attributes:
        time_s: time in seconds.
        text: text to draw.
        sound: recording to draw; None as well where the film follows its own recording.
        strength: weight of the text or the recording: 1 draws nothing else, 0 draws the recording of the film.
    """

    time_s: float
    text: str | None = None
    sound: Recording | None = None
    strength: float = 1.0


def read_key_moments(path: str | Path, *, duration_s: float) -> list[KeyMoment]:
    """Read a CSV table with the columns time, text, sound and strength, and the recordings that it names.

    Args:
        path: the file, in UTF-8. Times are seconds, m:ss or h:mm:ss; paths of recordings are relative to its folder.
        duration_s: duration of the film, which no time exceeds.

    Raises:
        InputError: the file cannot be read, or a row is wrong; the message names its line.
    """
    path = Path(path)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            columns = list(reader.fieldnames or ())
            if "time" not in columns or not set(columns) <= set(COLUMNS):
                raise InputError(f"{path}: the first line must name the columns {','.join(COLUMNS)}; got {columns}")
            rows = [(f"{path}, line {reader.line_num}", row) for row in reader]
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} is not a CSV table in UTF-8: {error}") from None
    moments: list[KeyMoment] = []
    for where, row in rows:
        moment = _read_row(where, row, path.parent)
        _check_time(where, moment.time_s, moments[-1].time_s if moments else None, duration_s, shown=row["time"])
        moments.append(moment)
    if not moments:
        raise InputError(f"{path}: there are no rows below the names of the columns")
    return moments


def check_key_moments(moments: Sequence[Any], *, duration_s: float) -> None:
    """Check a list of key moments, as `read_key_moments` checks a table.

    Args:
        moments: key moments.
        duration_s: duration of the film, which no time exceeds.

    Raises:
        InputError: one is not a `KeyMoment`, or is wrong; the message has its number.
    """
    previous_s = None
    for number, moment in enumerate(moments):
        where = f"moments[{number}]"
        if not isinstance(moment, KeyMoment):
            raise InputError(f"{where} must be a KeyMoment; got {moment!r}")
        _check_values(where, moment.text, moment.sound, moment.strength)
        _check_time(where, moment.time_s, previous_s, duration_s, shown=f"{moment.time_s:g}")
        previous_s = moment.time_s


def _check_values(where: str, text: str | None, sound: object, strength: float) -> None:
    if text is not None and sound is not None:
        raise InputError(f"{where}: text and sound cannot be given together; give each a time of its own")
    if not 0 <= strength <= 1:
        raise InputError(f"{where}: strength must be a number from 0 to 1; got {strength:g}")
    if text is not None:
        try:
            check_weight_syntax(text, "text")
        except InputError as error:
            raise InputError(f"{where}: {error}") from None


def _check_time(where: str, time_s: float, previous_s: float | None, duration_s: float, *, shown: str) -> None:
    if not 0 <= time_s < math.inf:
        raise InputError(f"{where}: time must be at least 0 s; got {shown}")
    if previous_s is not None and time_s <= previous_s:
        raise InputError(f"{where}: times must ascend; {shown} follows {previous_s:g} s")
    if time_s > duration_s:
        raise InputError(f"{where}: {shown} is after the end of the recording, at {duration_s:.1f} s")


def _read_row(where: str, row: dict[Any, Any], folder: Path) -> KeyMoment:
    if None in row or None in row.values():
        raise InputError(f"{where}: the row has more or fewer values than there are columns; quote texts with commas")
    text, sound = (row.get(name, "").strip() or None for name in ("text", "sound"))
    strength = row.get("strength", "").strip() or ("1" if text or sound else "0")
    try:
        weight = float(strength)
    except ValueError:
        raise InputError(f"{where}: strength must be a number from 0 to 1; got {strength}") from None
    _check_values(where, text, sound, weight)
    if weight and not (text or sound):
        raise InputError(f"{where}: a strength needs a text or a sound")
    time_s = _read_time(where, row["time"].strip())
    return KeyMoment(time_s, text, None if sound is None else _read_sound(where, sound, folder), weight)


def _read_time(where: str, time: str) -> float:
    """Return a time in seconds from seconds, m:ss or h:mm:ss."""
    *units, seconds = time.split(":")
    try:
        parts = [*map(int, units), float(seconds)]
    except ValueError:
        parts = [math.nan]
    if len(parts) > 3 or not all(0 <= part < math.inf for part in parts) or any(part >= 60 for part in parts[1:]):
        raise InputError(f"{where}: time must be seconds, m:ss or h:mm:ss, such as 1:03.5; got {time or 'nothing'}")
    return sum(part * 60**power for power, part in enumerate(reversed(parts)))


def _read_sound(where: str, sound: str, folder: Path) -> Recording:
    from photism.audio.long_recording import load_recording

    try:
        return load_recording(folder / sound)
    except InputError as error:
        raise InputError(f"{where}: {error}") from None


class KeyMomentPrompts:
    """Prompts of a film with key moments.

    At a key moment, the prompt is that of the recording, interpolated to that of the moment by its strength. Between
    two moments it goes linearly from one to the other; before the first and after the last, it stays.

    Args:
        moments: at least one, with ascending times.
        pipeline: encodes the texts and recordings.
        long_text: encode texts that are longer than a prompt in chunks, instead of cutting them.

    Raises:
        InputError: there is a text, and the diffusers pipeline has no text encoder.
    """

    def __init__(
        self, moments: Sequence[KeyMoment], pipeline: AudioToImagePipeline, *, long_text: bool = False
    ) -> None:
        from photism.prompts.mixing import extend

        self.moments = moments
        self._empty = pipeline.encoder.empty_prompt
        prompts = [_encode(moment, pipeline, long_text=long_text) for moment in moments]
        self._length = max((each.prompt_embeds.shape[1] for each in prompts if each is not None), default=0)
        self._prompts = [None if each is None else extend(each, self._empty, self._length) for each in prompts]

    def at(self, time_s: float, prompt: AudioPrompt) -> AudioPrompt:
        """Return the prompt at a time, one row, as long as the longest of all moments.

        Args:
            time_s: time in seconds.
            prompt: prompt of the film's recording at this time, one row.
        """
        from photism.prompts.mixing import extend, with_strength

        prompt = extend(prompt, self._empty, self._length)
        after = next((number for number, each in enumerate(self.moments) if each.time_s > time_s), len(self.moments))
        if after in (0, len(self.moments)):
            return self._at_moment(max(after - 1, 0), prompt)
        start, stop = self.moments[after - 1].time_s, self.moments[after].time_s
        before, following = self._at_moment(after - 1, prompt), self._at_moment(after, prompt)
        return with_strength(following, before, (time_s - start) / (stop - start))

    def _at_moment(self, number: int, prompt: AudioPrompt) -> AudioPrompt:
        from photism.prompts.mixing import with_strength

        own = self._prompts[number]
        return prompt if own is None else with_strength(own, prompt, self.moments[number].strength)


def _encode(moment: KeyMoment, pipeline: AudioToImagePipeline, *, long_text: bool) -> AudioPrompt | None:
    if moment.sound is not None:
        return pipeline.encoder.encode([moment.sound])
    return None if moment.text is None else pipeline.encode_text([moment.text], long_text=long_text)
